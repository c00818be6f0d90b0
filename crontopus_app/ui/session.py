"""Sessions of open pages: the actor behind a page's cookie, and the facts that every page's frame shows."""

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

# Kind of the events that say that a session ended or a tenant was suspended. Every page subscribes to it.
ACCESS = "session"


class SessionState(rx.State):
    """Facts for the frame: user, totals, time zone, provisioning, and since when the page is stale.

    ``unwatched``: why missed runs are not noticed at the moment.
    """

    username: str = ""
    tenant: str = ""
    operator: bool = False
    jobs: int = 0
    endpoints: int = 0
    incidents: int = 0
    provisioning: str = "ready"
    provisioning_error: str = ""
    stale_since: str = ""
    unwatched: str = ""
    timezone: str = ""
    ended: bool = False
    _user_id: str = ""


class PageState(Protocol):
    """What ``opened`` and ``fill`` need of a page's state: ``_fill`` reads all of the page's data from the services."""

    ready: bool
    problem: str
    router: Any

    async def get_state(self, state_cls: type[SessionState]) -> SessionState: ...

    async def _fill(self, actor: Actor) -> None: ...


async def actor_of(page: Any) -> Actor:
    """Authenticates the page's session, anew at each event: sign-out works at once. Raises NotAuthenticated."""
    return await actor_of_cookie(page.router.headers.cookie)


async def actor_of_cookie(cookies: str) -> Actor:
    """Authenticates the session in a Cookie header. Raises NotAuthenticated."""
    return await _actor(session_cookie(cookies))


async def _actor(token: str) -> Actor:
    return await once(("actor", token), lambda: asyncio.to_thread(http_auth.actor_of, token, clock.now()))


def path_of(page: Any) -> list[str]:
    """Decoded path segments of the page's address."""
    return [unquote(part) for part in page.router.url.path.split("/") if part]


def query_of(page: Any, name: str) -> str:
    return page.router.url.query_parameters.get(name, "")


async def opened(page: Any, *kinds: str) -> Any:
    """``on_load`` of each page: fills it and subscribes it to ``kinds``; redirects to sign-in without a session."""
    token = page.router.session.client_token
    try:
        actor = await asyncio.to_thread(http_auth.use, session_cookie(page.router.headers.cookie), clock.now())
    except NotAuthenticated:
        watchers.forget(token)
        page.reset()
        query = page.router.url.query
        address = (page.router.url.path.rstrip("/") or "/") + (f"?{query}" if query else "")
        return rx.redirect(f"/login?next={quote(address, safe='/')}" if address != "/" else "/login")
    except Forbidden as error:
        watchers.move(token, type(page))
        _show_only(page, error)
        return None
    follow(page, actor, *kinds)
    await _fill_frame(page, actor)
    await fill(page, actor)
    return None


def follow(page: Any, actor: Actor, *kinds: str) -> None:
    """Subscribes the page to events of ``kinds``, and to ends of the tenant's sessions: one may be its own."""
    kinds = (*kinds, ACCESS)
    watch = Watch(actor.tenant_id, type(page), frozenset(kinds), session_cookie(page.router.headers.cookie))
    watchers.add(page.router.session.client_token, watch)


async def _fill_frame(page: Any, actor: Actor) -> None:
    frame = await page.get_state(SessionState)
    me = await once(("me", actor), lambda: call(auth.me, actor))
    totals = await shared(overview.totals, actor)
    if frame._user_id not in ("", actor.user_id):
        page.reset()
    frame._user_id = actor.user_id
    facts = {
        "username": me.username,
        "tenant": me.tenant_id,
        "operator": me.role == "operator",
        "timezone": me.timezone,
        "ended": False,
        "jobs": totals.jobs,
        "endpoints": totals.endpoints,
        "incidents": totals.incidents,
        "provisioning": me.provisioning,
        "provisioning_error": me.provisioning_error,
        "unwatched": watchers.unwatched,
        "stale_since": watchers.stale_since.isoformat() if watchers.stale_since else "",
    }
    for name, value in facts.items():
        put(frame, name, value)


def put(state: Any, name: str, value: Any) -> None:
    """Sets a field only if its value changes: Reflex sends every field that is set."""
    current = state.get_value(name)
    if current is not value and current != value:
        setattr(state, name, value)


async def fill(page: Any, actor: Actor) -> None:
    """Fills the page; an error is shown in its place."""
    try:
        await page._fill(actor)
        put(page, "problem", "")
    except CrontopusError as error:
        put(page, "problem", problems.sentence(error))
    put(page, "ready", True)


async def refill(kinds: Set[str], page: Any, watch: Watch) -> None:
    """Refills a page, or only its frame, after events of its tenant. A page whose session ended shows only that."""
    try:
        # page.router holds the same cookie, but reading it takes as long as filling the page.
        actor = await _actor(watch.session)
    except NotAuthenticated:
        watchers.forget(page.router.session.client_token)
        frame = await page.get_state(SessionState)
        frame.ended, page.problem = True, "Your session has ended. Sign in again."
        return
    except Forbidden as error:
        # The page stays subscribed: it is filled again when the suspension ends.
        _show_only(page, error)
        return
    if actor.tenant_id == watch.tenant_id:
        if kinds & watch.kinds:
            await fill(page, actor)
        if kinds & {FRAME, ACCESS}:
            await _fill_frame(page, actor)


def _show_only(page: Any, error: Forbidden) -> None:
    """Clears the page but for the reason why it is closed."""
    page.reset()
    page.problem, page.ready = problems.sentence(error), True


async def mark_stale(page: Any, stale_since: datetime | None) -> None:
    """Shows on the page since when it is stale; None: it is live again."""
    frame = await page.get_state(SessionState)
    frame.stale_since = stale_since.isoformat() if stale_since else ""
