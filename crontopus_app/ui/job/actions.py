"""What the Job page does to its job: each act is one commit, told in a toast, with an undo that is another commit."""

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
    """Comments its line out on its hosts, or back in."""
    told = await _save(edits.set_paused, actor, *place, paused)
    back = partial(_pause_back, place, not paused)
    return await undo.offer(page, actor, _said("Paused" if paused else "Resumed", place, told), back)


async def restore(page: Any, actor: Actor, place: Place, sha: str) -> EventSpec:
    """Gives the file the content it had in a commit."""
    before = await _head(actor, place)
    told = await outside(edits.revert, actor, *place, sha, forge(), clock.now())
    text = _said(f"Restored the content of {sha[:7]}:", place, told)
    return await _undoable(page, actor, place, text, before)


async def move(page: Any, actor: Actor, place: Place, expression: str) -> EventSpec:
    """Gives the job another schedule of one expression."""
    before = await _head(actor, place)
    told = await _save(edits.update, actor, *place, {"schedule": [expression]})
    return await _undoable(page, actor, place, _said(f"Moved to {expression}:", place, told), before)


async def delete(page: Any, actor: Actor, place: Place) -> EventSpec:
    """Takes the file away; the lines go from the hosts with their next pass."""
    before = await _head(actor, place)
    told = await _save(edits.delete, actor, *place)
    return await _undoable(page, actor, place, _said("Deleted", place, told), before)


async def _undoable(page: Any, actor: Actor, place: Place, text: str, before: str) -> EventSpec:
    """Words with an undo that brings the file back as it was; without one where no commit of it is known."""
    if not before:
        return toast.say(text)
    return await undo.offer(page, actor, text, partial(_bring_back, place, before))


async def _pause_back(place: Place, paused: bool, actor: Actor) -> str:
    return _said("Paused" if paused else "Resumed", place, await _save(edits.set_paused, actor, *place, paused))


async def _bring_back(place: Place, sha: str, actor: Actor) -> str:
    return _said("Brought back", place, await outside(edits.revert, actor, *place, sha, forge(), clock.now()))


async def _save(service: Callable[..., changes.Submitted], *args: object) -> wire.ChangeStatus:
    """The change once it is in Git and the index, or still on its way. Raises Conflict where it was refused."""
    return await outside(changes.save, service, *args, now=clock.now())


def _said(word: str, place: Place, told: wire.ChangeStatus) -> str:
    return f"{word} {'/'.join(place)}" + (f", commit {told.commit[:7]}." if told.commit else ", on its way to Git.")


async def _head(actor: Actor, place: Place) -> str:
    """The last commit that touched the job; an empty string where the index has none."""
    detail = await call(jobs.get, actor, *place, clock.now())
    return detail.commit.sha if detail.commit else ""
