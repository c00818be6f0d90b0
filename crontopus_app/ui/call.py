"""The ways from a handler to a service: in a thread, with a database session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlmodel import Session

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing

P = ParamSpec("P")
T = TypeVar("T")
Way = Callable[..., Awaitable[Any]]


async def call(service: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``service(session, …)`` off the event loop, reading only."""
    return await asyncio.to_thread(_with_session, False, service, args, kwargs)


async def outside(service: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``service(…)`` off the event loop, for a service that asks Git or Redis and opens its own transactions."""
    return await asyncio.to_thread(service, *args, **kwargs)


@dataclass
class Tick:
    """One renewal of many pages: its moment, and what was asked in it, so that it is asked once."""

    now: datetime
    asked: dict[Hashable, asyncio.Future[Any]] = field(default_factory=dict)


_tick: ContextVar[Tick | None] = ContextVar("tick", default=None)


@contextmanager
def tick() -> Iterator[None]:
    """Within it ``shared`` asks each thing once. Nothing is kept longer."""
    token = _tick.set(Tick(clock.now()))
    try:
        yield
    finally:
        _tick.reset(token)


def moment() -> datetime:
    """Now; within a tick the same for all pages, so that they ask the same."""
    here = _tick.get()
    return here.now if here else clock.now()


async def shared(service: Callable[..., T], actor: Actor, *args: Hashable, through: Way = call) -> T:
    """``service(session, actor, …)``, asked once in a tick for all pages whose users may see the same.

    ``through`` is ``outside`` for a service that takes no session. Only for services whose answer depends on the
    actor's tenant, role and scopes, not on which person asks; and nobody may change what is given.
    """
    anyone = replace(actor, user_id="", username="", email="", credential="")
    return await once((service, anyone, args), lambda: through(service, actor, *args))


async def once(key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
    """What ``ask`` gives, within a tick only the first time; what it raises is raised for all."""
    here = _tick.get()
    if here is None:
        return await ask()
    if key not in here.asked:
        here.asked[key] = asyncio.ensure_future(ask())
    return await asyncio.shield(here.asked[key])


async def change(service: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same with a session that writes and is committed when it returns."""
    return await asyncio.to_thread(_with_session, True, service, args, kwargs)


def _with_session(writes: bool, service: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
    with writing() if writes else reading() as session:
        return service(session, *args, **kwargs)
