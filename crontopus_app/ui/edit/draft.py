"""Server-side draft of one manifest edit: base revision, text, form, errors, pending save."""

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
from crontopus_app.ui.edit import form as form_fields
from crontopus_app.ui.edit import rows
from crontopus_app.ui.edit.form import Form
from crontopus_app.ui.edit.messages import EditMessage

BLANKS = ("name", "command")


class Draft(NamedTuple):
    """A NamedTuple: Reflex wraps other objects in its state in proxies, which threads cannot use.

    ``base`` is the file (blob ``sha``) that the edit started from; ``anchor`` the text as last typed in the YAML.

    ``change`` is the id of the last save, ``path`` its file and, until it is committed, ``submitted`` its content;
    ``past`` are earlier shas of the file that the index may still have. ``tried``: a save of this text was tried.
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
        """Key of the draft in the browser's storage."""
        return "new" if self.new else f"{self.namespace}/{self.name}"

    @property
    def target(self) -> str:
        """``namespace/name`` of the job that the last save created or changed."""
        return "/".join(index_rows.namespace_and_name(self.path))


def fresh(db: Session, actor: Actor, form: Form) -> tuple[Draft, rows.EditHead]:
    """A draft for a new job."""
    text, clocks = form_fields.fresh(form, new_id()), endpoints.clocks_of(db, actor)
    draft = Draft(namespace=form.namespace, base=text, anchor=text, clocks=clocks)
    return draft, rows.EditHead(namespaces=tuple(jobs.namespace_names(db, actor)), zones=_zones(clocks))


def of_job(db: Session, actor: Actor, namespace: str, name: str) -> tuple[Draft, rows.EditHead]:
    """A draft of the job's file. Raises NotFound, Conflict."""
    detail = jobs.get(db, actor, namespace, name, clock.now())
    clocks = endpoints.clocks_of(db, actor)
    draft = Draft(False, namespace, name, detail.yaml, detail.sha, detail.yaml, clocks=clocks)
    return draft, rows.EditHead(False, namespace, name, f"/jobs/{namespace}/{name}", zones=_zones(clocks))


def _zones(clocks: tuple[Clock, ...]) -> tuple[str, ...]:
    return tuple(sorted({one.zone for one in clocks if one.zone} | {"UTC"}))


def typed(draft: Draft, message: EditMessage) -> tuple[Draft, str, Form, str]:
    """Applies what was typed; returns the draft, text, form, and why the form cannot change the text (or "").

    After typing in the form, the text is ``anchor`` with the form's differences: a field that is emptied and filled
    again keeps its place and its comment. After typing in the YAML, the form follows.
    """
    if message.side == "form":
        text, note = form_fields.changed(draft.anchor, message.form)
        return draft, text, message.form, note
    text, note = form_fields.changed(message.yaml, message.form, message.dirty) if message.dirty else (message.yaml, "")
    return draft._replace(anchor=text), text, form_fields.shown(text, message.form), note


def checked(
    db: Session, actor: Actor, draft: Draft, text: str, form: Form, note: str
) -> tuple[rows.Check, rows.PlanShown]:
    """Errors, advice and forecast of the text, and its plan."""
    now, space = clock.now(), form.namespace if draft.new else draft.namespace
    plan = plans.plan(db, actor, text.encode(), space or "default", now, rows.SHOWN)
    plan, blanks = _without_blanks(draft, _named(draft, plan), form)
    return rows.check(plan, text, form, draft.clocks, now, note), rows.plan_shown(plan, blanks)


def _without_blanks(draft: Draft, plan: plans.Plan, form: Form) -> tuple[plans.Plan, list[str]]:
    """The plan without errors about empty fields of a new job before the first save, and the names of those fields."""
    blank = [] if draft.tried or not draft.new else [name for name in BLANKS if not getattr(form, name)]
    errors = [error for error in plan.errors if form_fields.field_at(error.field) not in blank]
    return replace(plan, errors=errors), [] if errors or plan.action != "invalid" else blank


def _named(draft: Draft, plan: plans.Plan) -> plans.Plan:
    """The plan, invalid if the manifest has another name than the file: that would be another job."""
    if draft.new or plan.action == "invalid" or plan.name == draft.name:
        return plan
    message = f'The file is named "{draft.name}". Create a new job to use the name "{plan.name}".'
    error = wire.Problem("identity", message, field="metadata.name")
    return replace(plan, action="invalid", errors=[error], endpoints=[], nobody="")


def submitted(db: Session, actor: Actor, draft: Draft, message: EditMessage) -> tuple[Draft, Submitted]:
    """Submits what was typed as a change to commit. Raises BadInput, Conflict, PreconditionFailed."""
    if not draft.new:
        draft = draft._replace(base=message.base, sha=message.sha)
    draft, text, form, note = typed(draft, message)
    if note:
        raise BadInput(f"The form cannot change the file: {note}")
    data, now = text.encode(), clock.now()
    if draft.sha:
        change = edits.update(db, actor, draft.namespace, draft.name, data, if_match=draft.sha, now=now)
    else:
        change = edits.create_yaml(db, actor, form.namespace if draft.new else draft.namespace, data, now)
    content = (change.content or data).decode()
    return draft._replace(change=change.id, path=change.path, submitted=content), change


def committed(draft: Draft) -> Draft:
    """The draft after its change was committed: the next edit starts from the saved file."""
    namespace, _, name = draft.target.partition("/")
    text, past = draft.submitted, draft.past | {draft.sha}
    saved = Draft(False, namespace, name, text, blob_sha(text.encode()), text, draft.change, past=past, path=draft.path)
    return saved._replace(clocks=draft.clocks)


def theirs(db: Session, actor: Actor, draft: Draft) -> wire.JobDetail | None:
    """The job's current file if somebody else changed it, else None. Raises NotFound if it was deleted."""
    detail = jobs.get(db, actor, draft.namespace, draft.name, clock.now())
    return None if detail.sha in {draft.sha, *draft.past} else detail
