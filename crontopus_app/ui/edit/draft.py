"""What lies on the server's draft while a manifest is edited, and the steps from a message to what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from sqlmodel import Session

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import BadInput
from crontopus_app.hosts import endpoints
from crontopus_app.jobs import edits, index_rows
from crontopus_app.jobs.batch import blob_sha
from crontopus_app.jobs.changes import Submitted
from crontopus_app.jobs.merge import Section
from crontopus_app.models.base import new_id
from crontopus_app.monitoring.slots import Clock
from crontopus_app.queries import jobs, plans
from crontopus_app.ui.edit import form as forms
from crontopus_app.ui.edit import rows
from crontopus_app.ui.edit.form import Form
from crontopus_app.ui.edit.messages import EditMessage

BLANKS = ("name", "command")


class Draft(NamedTuple):
    """A tuple, for Reflex wraps anything else that it keeps, and threads must have what they are given.

    ``base`` is the file (blob ``sha``) that the text began as; ``anchor`` the text as last typed by hand.

    ``change`` is the last save's with the ``path`` of its file and, until it is committed, what was ``submitted``;
    ``past`` are the shas that the index may still say after it. ``tried``: somebody wanted to save it as it is.
    """

    new: bool = True
    namespace: str = ""
    name: str = ""
    base: str = ""
    sha: str = ""
    anchor: str = ""
    change: str = ""
    path: str = ""
    submitted: str = ""
    past: frozenset[str] = frozenset()
    clocks: tuple[Clock, ...] = ()
    pieces: tuple[Section, ...] = ()
    theirs: wire.JobDetail | None = None
    choices: Mapping[int, str] = MappingProxyType({})
    tried: bool = False

    @property
    def place(self) -> str:
        """Where the browser keeps the draft."""
        return "new" if self.new else f"{self.namespace}/{self.name}"

    @property
    def target(self) -> str:
        """The job that the last save made or changed."""
        return "/".join(index_rows.namespace_and_name(self.path))


def fresh(db: Session, actor: Actor, form: Form) -> tuple[Draft, rows.EditHead]:
    """A draft for a new job."""
    text, clocks = forms.fresh(form, new_id()), endpoints.clocks_of(db, actor)
    draft = Draft(namespace=form.namespace, base=text, anchor=text, clocks=clocks)
    return draft, rows.EditHead(namespaces=tuple(jobs.namespace_names(db, actor)), zones=_zones(clocks))


def of_job(db: Session, actor: Actor, namespace: str, name: str) -> tuple[Draft, rows.EditHead]:
    """A draft with the job's file; raises NotFound, Conflict."""
    detail = jobs.get(db, actor, namespace, name, clock.now())
    clocks = endpoints.clocks_of(db, actor)
    draft = Draft(False, namespace, name, detail.yaml, detail.sha, detail.yaml, clocks=clocks)
    return draft, rows.EditHead(False, namespace, name, f"/jobs/{namespace}/{name}", zones=_zones(clocks))


def _zones(clocks: tuple[Clock, ...]) -> tuple[str, ...]:
    return tuple(sorted({one.zone for one in clocks if one.zone} | {"UTC"}))


def taken(draft: Draft, message: EditMessage) -> tuple[Draft, str, Form, str]:
    """The draft, the text, the form, and why the form cannot change the text, after what was typed.

    Typed in the form, the text is what was last typed by hand with the form's differences: a field that is emptied and
    filled again stands where it stood, with its comment. Typed in the text, the form follows.
    """
    if message.side == "form":
        text, note = forms.changed(draft.anchor, message.form)
        return draft, text, message.form, note
    text, note = forms.changed(message.yaml, message.form, message.dirty) if message.dirty else (message.yaml, "")
    return draft._replace(anchor=text), text, forms.shown(text, message.form), note


def judged(
    db: Session, actor: Actor, draft: Draft, text: str, form: Form, note: str
) -> tuple[rows.Check, rows.PlanShown]:
    """What is message of the text, and its plan."""
    now, space = clock.now(), form.namespace if draft.new else draft.namespace
    found = plans.plan(db, actor, text.encode(), space or "default", now, rows.SHOWN)
    found, waits = _without_blanks(draft, _placed(draft, found), form)
    return rows.check(found, text, form, draft.clocks, now, note), rows.plan_shown(found, waits)


def _without_blanks(draft: Draft, found: plans.Plan, form: Form) -> tuple[plans.Plan, list[str]]:
    """In a new job that nobody tried to save, what is not filled in yet is no error; the plan waits for it."""
    blank = [] if draft.tried or not draft.new else [name for name in BLANKS if not getattr(form, name)]
    errors = [error for error in found.errors if forms.field_at(error.field) not in blank]
    return replace(found, errors=errors), [] if errors or found.action != "invalid" else blank


def _placed(draft: Draft, found: plans.Plan) -> plans.Plan:
    """The plan of the job that is edited: under another name it would be another job."""
    if draft.new or found.action == "invalid" or found.name == draft.name:
        return found
    told = f"`metadata.name` is {found.name!r}, but the file is named {draft.name!r}: make a new job for another name"
    error = wire.Problem("identity", told, field="metadata.name")
    return replace(found, action="invalid", errors=[error], endpoints=[], nobody="")


def submitted(db: Session, actor: Actor, draft: Draft, message: EditMessage) -> tuple[Draft, Submitted]:
    """Asks for the commit of what was typed; raises BadInput, Conflict, PreconditionFailed."""
    if not draft.new:
        draft = draft._replace(base=message.base, sha=message.sha)
    draft, text, form, note = taken(draft, message)
    if note:
        raise BadInput(f"The form cannot change the file: {note}")
    data, now = text.encode(), clock.now()
    if draft.sha:
        made = edits.update(db, actor, draft.namespace, draft.name, data, if_match=draft.sha, now=now)
    else:
        made = edits.create_yaml(db, actor, form.namespace if draft.new else draft.namespace, data, now)
    return draft._replace(change=made.id, path=made.path, submitted=(made.content or data).decode()), made


def landed(draft: Draft) -> Draft:
    """The draft once its change is committed: what is typed next stands on what was saved."""
    namespace, _, name = draft.target.partition("/")
    text, past = draft.submitted, draft.past | {draft.sha}
    made = Draft(False, namespace, name, text, blob_sha(text.encode()), text, draft.change, past=past, path=draft.path)
    return made._replace(clocks=draft.clocks)


def theirs(db: Session, actor: Actor, draft: Draft) -> wire.JobDetail | None:
    """The job's file as it is, where somebody else made it so; raises NotFound where it is gone."""
    detail = jobs.get(db, actor, draft.namespace, draft.name, clock.now())
    return None if detail.sha in {draft.sha, *draft.past} else detail
