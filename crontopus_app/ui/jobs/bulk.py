"""Acts on the selected jobs: each is one commit, and its Undo is another one."""

from __future__ import annotations

from functools import partial
from typing import Any

from reflex.event import EventSpec

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.jobs import bulk
from crontopus_app.ui import undo
from crontopus_app.ui.call import outside
from crontopus_app.ui.kit import toast, words

DONE = {"pause": "Paused", "resume": "Resumed", "delete": "Deleted", "restore": "Restored"}
BACK = {"pause": "resume", "resume": "pause"}


async def act(page: Any, actor: Actor, action: str, names: list[str]) -> EventSpec:
    """Pauses, resumes or deletes the jobs (``namespace/name``); raises the service's errors."""
    done = await outside(bulk.apply, actor, action, bulk.places(names), clock.now())
    if not done.changes:
        return toast.say("Nothing to change: the selected jobs are so already.", "late")
    reverse = partial(_restored, done) if done.files else partial(_back, BACK[action], done)
    return await undo.offer(page, actor, _text(action, done), reverse)


async def _back(action: str, done: bulk.Done, actor: Actor) -> str:
    return _text(action, await outside(bulk.apply, actor, action, done.places, clock.now()))


async def _restored(done: bulk.Done, actor: Actor) -> str:
    return _text("restore", await outside(bulk.restore, actor, done.files, clock.now()))


def _text(action: str, done: bulk.Done) -> str:
    commit = f"commit {done.commit[:7]}" if done.commit else "commit pending"
    return f"{DONE[action]} {words.plural(len(done.changes), 'job')}, {commit}."
