"""Edits of many jobs in one commit: changes that one author submits in one transaction are committed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from contract import wire
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import writing
from crontopus_app.base.errors import BadInput, Conflict, CrontopusError
from crontopus_app.jobs import changes, edits
from crontopus_app.jobs.batch import MOST_CHANGES
from crontopus_app.jobs.changes import Submitted
from crontopus_app.jobs.lookup import find

ACTIONS = ("pause", "resume", "delete")
Place = tuple[str, str]
File = tuple[str, bytes]


@dataclass(frozen=True)
class Done:
    """The changes, and what an undo needs: the jobs whose state changed, the files that were deleted."""

    changes: list[wire.ChangeStatus]
    places: tuple[Place, ...] = ()
    files: tuple[File, ...] = ()

    @property
    def commit(self) -> str:
        """The sha of the commit; empty while it is pending, or if nothing had to be changed."""
        return next((change.commit for change in self.changes if change.commit), "")


def places(names: Sequence[str]) -> list[Place]:
    """``namespace/name`` of each job, without duplicates. Raises BadInput."""
    split = [name.split("/") for name in dict.fromkeys(names)]
    if not split or any(len(parts) != 2 for parts in split):
        raise _bad("Name each job as namespace/name, at least one.")
    if len(split) > MOST_CHANGES:
        raise _bad(f"At most {MOST_CHANGES} jobs are changed by one commit, not {len(split)}.")
    return [(namespace, name) for namespace, name in split]


def apply(actor: Actor, action: str, jobs: Sequence[Place], now: datetime) -> Done:
    """Pauses, resumes or deletes the jobs in one commit, and waits for it. Jobs already paused or not are left out.

    All or none: raises BadInput with the error of each job that cannot be changed. Blocks, so call it from a thread.
    """
    actor.require("write:jobs")
    if action not in ACTIONS:
        raise BadInput(f"action must be one of {', '.join(ACTIONS)}, not {action[:40]!r}.")
    with writing() as session:
        done = _submit(session, actor, action, jobs, now)
    return done if not done.changes else _waited(done)


def restore(actor: Actor, files: Sequence[File], now: datetime) -> Done:
    """Creates deleted files again in one commit, and waits for it. Raises BadInput, Conflict."""
    actor.require("write:jobs")
    with writing() as session:
        submitted = [edits.create_again(session, actor, path, content, now) for path, content in files]
        done = Done([_pending(session, one) for one in submitted])
    return _waited(done)


def _submit(session: Session, actor: Actor, action: str, jobs: Sequence[Place], now: datetime) -> Done:
    submitted: list[Submitted] = []
    touched: list[Place] = []
    files: list[File] = []
    problems: list[wire.Problem] = []
    for namespace, name in jobs:
        try:
            row = find(session, actor.tenant_id, namespace, name)
            if action == "delete":
                files.append((row.path, row.yaml))
            elif row.paused == (action == "pause"):
                continue
            submitted.append(_edit(action)(session, actor, namespace, name, now))
            touched.append((namespace, name))
        except CrontopusError as error:
            problems.append(wire.Problem(error.code, f"{namespace}/{name}: {error.message}", field="jobs"))
    if problems:
        raise BadInput(_sentence(problems), code="not_changed", problems=problems)
    return Done([_pending(session, one) for one in submitted], tuple(touched), tuple(files))


def _edit(action: str) -> Callable[[Session, Actor, str, str, datetime], Submitted]:
    if action == "delete":
        return lambda session, actor, namespace, name, now: edits.delete(session, actor, namespace, name, now=now)
    paused = action == "pause"
    return lambda session, actor, namespace, name, now: edits.set_paused(session, actor, namespace, name, paused, now)


def _pending(session: Session, submitted: Submitted) -> wire.ChangeStatus:
    return changes.status(session, submitted.id)


def _waited(done: Done) -> Done:
    """The changes after their commit, or still pending. Raises Conflict if all were refused."""
    changes.wait(done.changes[-1].id)
    ended = changes.statuses([change.id for change in done.changes])
    refused = [change.error or "refused" for change in ended if change.state == "failed"]
    if refused and len(refused) == len(ended):
        raise Conflict(" ".join(dict.fromkeys(refused)), code="change_failed")
    return Done(ended, done.places, done.files)


def _sentence(problems: Sequence[wire.Problem]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"No job was changed. {problems[0].message}{more}"


def _bad(message: str) -> BadInput:
    return BadInput(message, problems=[wire.Problem("bad_value", message, field="jobs")])
