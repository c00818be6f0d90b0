"""Who looks: the actor behind a page's cookie, and the frame of facts that every page shows."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote, unquote

import reflex as rx

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError, Forbidden, NotAuthenticated
from crontopus_app.people import auth, http_auth
from crontopus_app.people.http_auth import session_cookie
from crontopus_app.queries import overview
from crontopus_app.ui import problems
from crontopus_app.ui.call import call, once, shared
from crontopus_app.ui.live import FRAME, Watch, watchers

# The kind of event that says that who may look has changed: every page follows it.
ACCESS = "session"


class SessionState(rx.State):
    """What the frame says: who, of how much, in which zone times are, and whether what is shown is current."""

    username: str = ""
    tenant: str = ""
    operator: bool = False
    jobs: int = 0
    endpoints: int = 0
    provisioning: str = "ready"
    provisioning_error: str = ""
    stale_since: str = ""
    timezone: str = ""
    ended: bool = False
    _user_id: str = ""


class PageState(Protocol):
    """A page's state: ``_fill`` sets all that the page shows, from the services."""

    ready: bool
    problem: str
    router: Any

    async def get_state(self, state_cls: type[SessionState]) -> SessionState: ...

    async def _fill(self, actor: Actor) -> None: ...


async def actor_of(page: Any) -> Actor:
    """The actor, asked for again at each event, so that signing out counts at once. Raises NotAuthenticated."""
    return await actor_of_cookie(page.router.headers.cookie)


async def actor_of_cookie(cookies: str) -> Actor:
    """The same of the Cookie header that a page came with."""
    return await _actor(session_cookie(cookies))


async def _actor(token: str) -> Actor:
    return await once(("actor", token), lambda: asyncio.to_thread(http_auth.actor_of, token, clock.now()))


def path_of(page: Any) -> list[str]:
    """The segments of the page's address."""
    return [unquote(part) for part in page.router.url.path.split("/") if part]


def query_of(page: Any, name: str) -> str:
    return page.router.url.query_parameters.get(name, "")


async def opened(page: Any, *kinds: str) -> Any:
    """``on_load`` of each page: fills it, and follows events of these kinds; without a session goes to sign in."""
    token = page.router.session.client_token
    try:
        actor = await asyncio.to_thread(http_auth.use, session_cookie(page.router.headers.cookie), clock.now())
    except NotAuthenticated:
        watchers.forget(token)
        page.reset()
        query = page.router.url.query
        wanted = (page.router.url.path.rstrip("/") or "/") + (f"?{query}" if query else "")
        return rx.redirect(f"/login?next={quote(wanted, safe='/')}" if wanted != "/" else "/login")
    except Forbidden as error:
        watchers.stays(token, type(page))
        _shut(page, error)
        return None
    follow(page, actor, *kinds)
    await _introduce(page, actor)
    await fill(page, actor)
    return None


def follow(page: Any, actor: Actor, *kinds: str) -> None:
    """Renews the page for events of these kinds, and when a session of its tenant ends: it may be its own."""
    kinds = (*kinds, ACCESS)
    watch = Watch(actor.tenant_id, type(page), frozenset(kinds), session_cookie(page.router.headers.cookie))
    watchers.look(page.router.session.client_token, watch)


async def _introduce(page: Any, actor: Actor) -> None:
    frame = await page.get_state(SessionState)
    me = await once(("me", actor), lambda: call(auth.me, actor))
    totals = await shared(overview.totals, actor)
    if frame._user_id not in ("", actor.user_id):
        page.reset()
    frame._user_id = actor.user_id
    told = {
        "username": me.username,
        "tenant": me.tenant_id,
        "operator": me.role == "operator",
        "timezone": me.timezone,
        "ended": False,
        "jobs": totals.jobs,
        "endpoints": totals.endpoints,
        "provisioning": me.provisioning,
        "provisioning_error": me.provisioning_error,
        "stale_since": watchers.stale_since.isoformat() if watchers.stale_since else "",
    }
    for name, value in told.items():
        put(frame, name, value)


def put(state: Any, name: str, value: Any) -> None:
    """Sets a field only where it changes: Reflex sends whatever was set."""
    shown = state.get_value(name)
    if shown is not value and shown != value:
        setattr(state, name, value)


async def fill(page: Any, actor: Actor) -> None:
    """Fills the page; what goes wrong stands in its place, in words."""
    try:
        await page._fill(actor)
        put(page, "problem", "")
    except CrontopusError as error:
        put(page, "problem", problems.sentence(error))
    put(page, "ready", True)


async def refill(kinds: Set[str], page: Any, watch: Watch) -> None:
    """Renews a page, or its frame alone, for events of its tenant; a page whose session ended shows nothing more."""
    try:
        # The router's cookie is the same, but to read it takes as long as to fill the page.
        actor = await _actor(watch.session)
    except NotAuthenticated:
        watchers.forget(page.router.session.client_token)
        frame = await page.get_state(SessionState)
        frame.ended, page.problem = True, "Your session has ended: sign in again."
        return
    except Forbidden as error:
        # Still watched: when the suspension ends the page is filled again.
        _shut(page, error)
        return
    if actor.tenant_id == watch.tenant_id:
        if kinds & watch.kinds:
            await fill(page, actor)
        if kinds & {FRAME, ACCESS}:
            await _introduce(page, actor)


def _shut(page: Any, error: Forbidden) -> None:
    """Nothing is shown any more but why."""
    page.reset()
    page.problem, page.ready = problems.sentence(error), True


async def mark(page: Any, stale_since: datetime | None) -> None:
    """Says on the page since when it is not live, or that it is again."""
    frame = await page.get_state(SessionState)
    frame.stale_since = stale_since.isoformat() if stale_since else ""
