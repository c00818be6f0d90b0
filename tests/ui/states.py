"""Page states without a browser. No other test file uses Reflex's private names."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import reflex as rx

from crontopus_app.base import clock
from crontopus_app.base.db import reading, writing
from crontopus_app.models import User
from crontopus_app.people import auth
from tests.cast import Member


def cookie_of(member: Member) -> str:
    """A Cookie header with a session that is valid by the real clock."""
    with writing() as session:
        user = session.get(User, member.actor.user_id)
        assert user is not None
        token = auth.open_session(session, user, user_agent="tests", now=clock.now())
    with reading() as session:
        assert auth.actor_of(session, token, now=clock.now()).user_id == member.actor.user_id
    return f"crontopus_session={token}"


def page_at(address: str, state: type[rx.State], cookie: str = "", token: str = "browser-1") -> Any:
    """The page's state as for a browser at ``address`` with ``cookie``."""
    root = rx.State(_reflex_internal_init=True)  # pyright: ignore[reportCallIssue] -- Reflex's own way for tests
    query = dict(parse_qsl(urlsplit(address).query))
    router_data = {
        "pathname": urlsplit(address).path,
        "asPath": address,
        "query": query,
        "token": token,
        "sid": f"sid-of-{token}",
        "headers": {"cookie": cookie, "origin": "http://127.0.0.1:8000"},
        "ip": "127.0.0.1",
    }
    root._update_router_vars(router_data, {})
    return root.get_substate(state.get_full_name().split("."))


async def run(page: Any, name: str, *args: Any) -> Any:
    """Runs a handler of the page."""
    return await type(page).event_handlers[name].fn(page, *args)


def shown(page: Any) -> str:
    """All state that the browser is sent, as text."""
    root = page
    while root.parent_state is not None:
        root = root.parent_state
    return str(root.dict())


def target(redirect: Any) -> str:
    """A redirect as text."""
    return str(redirect)


class Background:
    """A page as its background handlers get it: ``async with`` takes the state's lock, here a no-op."""

    def __init__(self, page: Any) -> None:
        object.__setattr__(self, "page", page)

    async def __aenter__(self) -> Background:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Has no lock to release."""

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "page"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "page"), name, value)


async def run_behind(page: Any, name: str) -> Any:
    """Runs a background handler of the page to its end."""
    return await type(page).event_handlers[name].fn(Background(page))
