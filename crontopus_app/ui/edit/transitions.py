"""State transitions of the editor. ``page`` is an ``EditState`` whose lock is held."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import reflex as rx

from crontopus_app.base import errors
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError, NotAuthenticated, NotFound, PreconditionFailed
from crontopus_app.jobs import changes, merge
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call
from crontopus_app.ui.edit import conflict, draft, messages, rows
from crontopus_app.ui.edit.form import Form, shown

NOT_TYPED = messages.EditMessage()
QUIET = ("open", "noticed", "gone")


async def begin(page: Any, actor: Actor) -> None:
    """Fills the page from Git. The browser puts its stored draft over it, if it has one."""
    place, last = session.path_of(page), page._draft
    if len(place) < 4:
        query = {name: session.query_of(page, name)[:63] for name in ("namespace", "name")}
        form = Form(**{name: text for name, text in query.items() if text})
        page._draft, page.head = await call(draft.fresh, actor, form)
    else:
        form = Form(namespace=place[1])
        page._draft, page.head = await call(draft.of_job, actor, place[1], place[2])
    if last.change and page._draft.place == last.place:
        page._draft = page._draft._replace(change=last.change, past=last.past, path=last.path)
    else:
        page.saved = rows.SaveStatus()
    page.conflict = conflict.EditConflict()
    text = page._draft.base
    form = shown(text, form)
    await check(page, actor, text, form)
    answer(page, "load", NOT_TYPED, user=actor.user_id, yaml=text, form=form)


async def follow(page: Any, actor: Actor) -> None:
    """After a live event: updates the status of the last save, and looks for changes by others."""
    if page.saved.state == "saving":
        return
    if page._draft.change and page.saved.state != "failed":
        await show_save(page, actor, NOT_TYPED)
    if page._draft.sha and page.conflict.state not in QUIET:
        await notice(page, actor)


async def show_save(page: Any, actor: Actor, message: messages.EditMessage) -> Any:
    """Shows the status of the last save. After its commit, the next edit starts from the saved file."""
    on = page._draft
    change = await call(changes.get, actor, on.change)
    page.saved = rows.saved(change, on.target)
    if change.state == "failed" and on.sha and message is not NOT_TYPED:
        await merge_theirs(page, actor, message)
    if change.state != "done" or not on.submitted:
        return None
    page._draft, page.conflict = draft.committed(on), conflict.EditConflict()
    namespace, _, name = on.target.partition("/")
    page.head = replace(page.head, new=False, namespace=namespace, name=name, href=f"/jobs/{on.target}")
    form = shown(on.submitted, Form(namespace=page._draft.namespace))
    await check(page, actor, on.submitted, form)  # the browser sends another message if more was typed meanwhile
    answer(page, "saved", message, yaml=on.submitted, form=form)
    return rx.redirect(f"/jobs/{on.target}/edit", replace=True) if on.new else None


async def refuse(page: Any, actor: Actor, message: messages.EditMessage, error: CrontopusError) -> None:
    """After a rejected save: merges another user's change, or shows the errors at their fields."""
    if isinstance(error, PreconditionFailed):
        page.saved, page._draft = rows.SaveStatus(), page._draft._replace(base=message.base, sha=message.sha)
        await merge_theirs(page, actor, message)
        return
    on, text, form, note = await asyncio.to_thread(draft.typed, page._draft, message)
    page._draft = on._replace(tried=True)
    await check(page, actor, text, form, note)
    page.saved = refused(error)


async def notice(page: Any, actor: Actor) -> None:
    """Notes that another user changed or deleted the file."""
    try:
        theirs = await call(draft.theirs, actor, page._draft)
    except NotFound:
        page.conflict, page._draft = conflict.EditConflict("gone"), page._draft._replace(sha="")
        answer(page, "base", NOT_TYPED)
    except errors.Conflict:
        return  # a change of the file is pending: its event comes next
    else:
        page.conflict = conflict.of("noticed", theirs.commit) if theirs else conflict.EditConflict()


async def check(page: Any, actor: Actor, text: str, form: Form, note: str = "") -> None:
    """Computes errors, forecast and plan of the text."""
    page.check, page.plan = await call(draft.checked, actor, page._draft, text, form, note)


def answer(page: Any, why: str, message: messages.EditMessage, **more: Any) -> None:
    """Sends an answer to the browser."""
    on = page._draft
    page.answer = messages.answer(why, message, place=on.place, base=on.base, sha=on.sha, **more)


async def take(page: Any, actor: Actor, message: messages.EditMessage) -> None:
    """Applies what was typed in form or YAML, and updates the other side."""
    if message.side == "draft" and not page._draft.new:
        page._draft = page._draft._replace(base=message.base, sha=message.sha)
        await notice(page, actor)
    page._draft, text, form, note = await asyncio.to_thread(draft.typed, page._draft, message)
    await check(page, actor, text, form, note)
    if message.side == "form":
        answer(page, "form", message, yaml=text)
    else:
        answer(page, "yaml", message, yaml=text if message.dirty else None, form=form)


async def merge_theirs(page: Any, actor: Actor, message: messages.EditMessage) -> None:
    """Merges another user's commit into what is typed, or opens the conflict."""
    page._draft, text, _, _ = await asyncio.to_thread(draft.typed, page._draft, message)
    theirs = await call(draft.theirs, actor, page._draft)
    if theirs is None:
        page.conflict = conflict.EditConflict()
        return
    pieces = tuple(await asyncio.to_thread(merge.merge, page._draft.base, text, theirs.yaml))
    page._draft = page._draft._replace(pieces=pieces, theirs=theirs, choices={})
    text = merge.merged(pieces)
    if text is None:
        page.conflict = conflict.opened(theirs.commit, pieces, {})
    else:
        await rebase(page, actor, text)


async def rebase(page: Any, actor: Actor, text: str) -> None:
    """Rebases the edit on their version. The browser keeps the old text for Undo."""
    theirs = page._draft.theirs
    page._draft = page._draft._replace(base=theirs.yaml, sha=theirs.sha, anchor=text, pieces=(), theirs=None)
    page.conflict, page.saved = conflict.of("merged", theirs.commit), rows.SaveStatus()
    form = shown(text, Form(namespace=page._draft.namespace))
    await check(page, actor, text, form)
    answer(page, "merged", NOT_TYPED, yaml=text, form=form)


def refused(error: CrontopusError) -> rows.SaveStatus:
    """The error as save status; with a link to sign-in if the session has ended."""
    if isinstance(error, NotAuthenticated):
        message = "Your session has ended. What you typed is kept in this browser."
        return rows.SaveStatus("failed", message, href="/login", link="Sign in again")
    return rows.SaveStatus("failed", problems.sentence(error))
