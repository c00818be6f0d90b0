"""What the editor's state does, step by step. ``page`` is an ``EditState`` whose lock is held."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import reflex as rx

from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import Conflict as Pending
from crontopus_app.base.errors import CrontopusError, NotAuthenticated, NotFound, PreconditionFailed
from crontopus_app.jobs import changes
from crontopus_app.jobs import merge as merging
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call
from crontopus_app.ui.edit import conflict, draft, messages, rows
from crontopus_app.ui.edit.form import Form, shown

NOT_TYPED = messages.EditMessage()
QUIET = ("open", "noticed", "gone")


async def begin(page: Any, actor: Actor) -> None:
    """Fills the page from Git; the browser lays its draft over it, where it has one."""
    place, last = session.path_of(page), page._draft
    if len(place) < 4:
        asked = {name: session.query_of(page, name)[:63] for name in ("namespace", "name")}
        form = Form(**{name: text for name, text in asked.items() if text})
        page._draft, page.head = await call(draft.fresh, actor, form)
    else:
        form = Form(namespace=place[1])
        page._draft, page.head = await call(draft.of_job, actor, place[1], place[2])
    if last.change and page._draft.place == last.place:
        page._draft = page._draft._replace(change=last.change, past=last.past, path=last.path)
    else:
        page.saved = rows.SaveStatus()
    page.conflict = conflict.Conflict()
    text = page._draft.base
    form = shown(text, form)
    await judge(page, actor, text, form)
    tell(page, "load", NOT_TYPED, user=actor.user_id, yaml=text, form=form)


async def follow(page: Any, actor: Actor) -> None:
    """Only what happened elsewhere: how far the last save is, and whether somebody else changed the file."""
    if page.saved.state == "saving":
        return
    if page._draft.change and page.saved.state != "failed":
        await land(page, actor, NOT_TYPED)
    if page._draft.sha and page.conflict.state not in QUIET:
        await notice(page, actor)


async def land(page: Any, actor: Actor, message: messages.EditMessage) -> Any:
    """Says how far the last save is; once it is committed, what is typed next stands on it."""
    on = page._draft
    told = await call(changes.get, actor, on.change)
    page.saved = rows.saved(told, on.target)
    if told.state == "failed" and on.sha and message is not NOT_TYPED:
        await merge(page, actor, message)
    if told.state != "done" or not on.submitted:
        return None
    page._draft, page.conflict = draft.landed(on), conflict.Conflict()
    namespace, _, name = on.target.partition("/")
    page.head = replace(page.head, new=False, namespace=namespace, name=name, href=f"/jobs/{on.target}")
    form = shown(on.submitted, Form(namespace=page._draft.namespace))
    await judge(page, actor, on.submitted, form)  # the browser asks again, if more was typed meanwhile
    tell(page, "saved", message, yaml=on.submitted, form=form)
    return rx.redirect(f"/jobs/{on.target}/edit", replace=True) if on.new else None


async def refuse(page: Any, actor: Actor, message: messages.EditMessage, error: CrontopusError) -> None:
    """A save that was refused: what somebody else did is merged, what is wrong is message at its place."""
    if isinstance(error, PreconditionFailed):
        page.saved, page._draft = rows.SaveStatus(), page._draft._replace(base=message.base, sha=message.sha)
        await merge(page, actor, message)
        return
    on, text, form, note = await asyncio.to_thread(draft.taken, page._draft, message)
    page._draft = on._replace(tried=True)
    await judge(page, actor, text, form, note)
    page.saved = refused(error)


async def notice(page: Any, actor: Actor) -> None:
    """Says quietly that somebody else changed or deleted the file."""
    try:
        found = await call(draft.theirs, actor, page._draft)
    except NotFound:
        page.conflict, page._draft = conflict.Conflict("gone"), page._draft._replace(sha="")
        tell(page, "base", NOT_TYPED)
    except Pending:
        return  # a change of the file is on its way: the next event tells
    else:
        page.conflict = conflict.of("noticed", found.commit) if found else conflict.Conflict()


async def judge(page: Any, actor: Actor, text: str, form: Form, note: str = "") -> None:
    """Says what the text means, and what it would change."""
    page.check, page.plan = await call(draft.judged, actor, page._draft, text, form, note)


def tell(page: Any, why: str, message: messages.EditMessage, **more: Any) -> None:
    """Answers the browser."""
    on = page._draft
    page.answer = messages.answer(why, message, place=on.place, base=on.base, sha=on.sha, **more)


async def take(page: Any, actor: Actor, message: messages.EditMessage) -> None:
    """What was typed on one side, for the other side."""
    if message.side == "draft" and not page._draft.new:
        page._draft = page._draft._replace(base=message.base, sha=message.sha)
        await notice(page, actor)
    page._draft, text, form, note = await asyncio.to_thread(draft.taken, page._draft, message)
    await judge(page, actor, text, form, note)
    if message.side == "form":
        tell(page, "form", message, yaml=text)
    else:
        tell(page, "yaml", message, yaml=text if message.dirty else None, form=form)


async def merge(page: Any, actor: Actor, message: messages.EditMessage) -> None:
    """Merges what somebody else committed into what is typed, or opens what is left to choose."""
    page._draft, text, _, _ = await asyncio.to_thread(draft.taken, page._draft, message)
    found = await call(draft.theirs, actor, page._draft)
    if found is None:
        page.conflict = conflict.Conflict()
        return
    pieces = tuple(await asyncio.to_thread(merging.merge, page._draft.base, text, found.yaml))
    page._draft = page._draft._replace(pieces=pieces, theirs=found, choices={})
    text = merging.merged(pieces)
    if text is None:
        page.conflict = conflict.opened(found.commit, pieces, {})
    else:
        await merged(page, actor, text)


async def merged(page: Any, actor: Actor, text: str) -> None:
    """The text now stands on their version; the browser keeps what it had, so that it can be undone."""
    found = page._draft.theirs
    page._draft = page._draft._replace(base=found.yaml, sha=found.sha, anchor=text, pieces=(), theirs=None)
    page.conflict, page.saved = conflict.of("merged", found.commit), rows.SaveStatus()
    form = shown(text, Form(namespace=page._draft.namespace))
    await judge(page, actor, text, form)
    tell(page, "merged", NOT_TYPED, yaml=text, form=form)


def refused(error: CrontopusError) -> rows.SaveStatus:
    """Why something was not done; who is signed out is told where to sign in."""
    if isinstance(error, NotAuthenticated):
        message = "Your session has ended. What you typed is kept in this browser."
        return rows.SaveStatus("failed", message, href="/login", link="Sign in again")
    return rows.SaveStatus("failed", problems.sentence(error))
