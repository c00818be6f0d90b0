"""Actions of the Job page: each makes one commit and returns a toast, whose Undo makes another commit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from reflex.event import EventSpec

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.forge.configured import forge
from crontopus_app.jobs import changes, edits
from crontopus_app.queries import jobs
from crontopus_app.ui import undo
from crontopus_app.ui.call import call, outside
from crontopus_app.ui.kit import toast

Place = tuple[str, str]


async def set_paused(page: Any, actor: Actor, place: Place, paused: bool) -> EventSpec:
    """Pauses the job (comments out its line on its hosts) or resumes it."""
    change = await _save(edits.set_paused, actor, *place, paused)
    back = partial(_pause_back, place, not paused)
    return await undo.offer(page, actor, _text("Paused" if paused else "Resumed", place, change), back)


async def restore(page: Any, actor: Actor, place: Place, sha: str) -> EventSpec:
    """Restores the file's content from a commit."""
    before = await _head(actor, place)
    change = await outside(edits.revert, actor, *place, sha, forge(), clock.now())
    text = _text(f"Restored the content of {sha[:7]}:", place, change)
    return await _undoable(page, actor, place, text, before)


async def move(page: Any, actor: Actor, place: Place, expression: str) -> EventSpec:
    """Replaces the job's schedule by ``expression``."""
    before = await _head(actor, place)
    change = await _save(edits.update, actor, *place, {"schedule": [expression]})
    return await _undoable(page, actor, place, _text(f"Moved to {expression}:", place, change), before)


async def delete(page: Any, actor: Actor, place: Place) -> EventSpec:
    """Deletes the file; hosts remove its lines at their next sync."""
    before = await _head(actor, place)
    change = await _save(edits.delete, actor, *place)
    return await _undoable(page, actor, place, _text("Deleted", place, change), before)


async def _undoable(page: Any, actor: Actor, place: Place, text: str, before: str) -> EventSpec:
    """A toast with an Undo that restores the file; without Undo if no earlier commit of it is known."""
    if not before:
        return toast.say(text)
    return await undo.offer(page, actor, text, partial(_bring_back, place, before))


async def _pause_back(place: Place, paused: bool, actor: Actor) -> str:
    return _text("Paused" if paused else "Resumed", place, await _save(edits.set_paused, actor, *place, paused))


async def _bring_back(place: Place, sha: str, actor: Actor) -> str:
    return _text("Restored", place, await outside(edits.revert, actor, *place, sha, forge(), clock.now()))


async def _save(service: Callable[..., changes.Submitted], *args: object) -> wire.ChangeStatus:
    """Saves an edit and waits for its commit; it may still be pending. Raises Conflict if it was rejected."""
    return await outside(changes.save, service, *args, now=clock.now())


def _text(verb: str, place: Place, change: wire.ChangeStatus) -> str:
    return f"{verb} {'/'.join(place)}" + (f", commit {change.commit[:7]}." if change.commit else ", commit pending.")


async def _head(actor: Actor, place: Place) -> str:
    """Sha of the last commit of the job's file; empty if the index has none."""
    detail = await call(jobs.get, actor, *place, clock.now())
    return detail.commit.sha if detail.commit else ""
