"""Calls services from async handlers: each call runs in a thread, with its own database session."""

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
    """Runs ``service(session, …)`` in a thread, in a read-only session."""
    return await asyncio.to_thread(_with_session, False, service, args, kwargs)


async def outside(service: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs ``service(…)`` in a thread, for services that use Git or Redis and open their own transactions."""
    return await asyncio.to_thread(service, *args, **kwargs)


@dataclass
class Tick:
    """One refill of many pages: its time, and the results of the calls made so far, so that each is made once."""

    now: datetime
    results: dict[Hashable, asyncio.Future[Any]] = field(default_factory=dict)


_tick: ContextVar[Tick | None] = ContextVar("tick", default=None)


@contextmanager
def tick() -> Iterator[None]:
    """While it is open, ``shared`` makes each call once. Results are dropped at its end."""
    token = _tick.set(Tick(clock.now()))
    try:
        yield
    finally:
        _tick.reset(token)


def moment() -> datetime:
    """Now. All pages of a tick get the same value, so that their calls are equal and can be shared."""
    here = _tick.get()
    return here.now if here else clock.now()


async def shared(service: Callable[..., T], actor: Actor, *args: Hashable, through: Way = call) -> T:
    """Calls ``service(session, actor, …)`` once a tick for all pages whose users may see the same.

    ``through`` is ``outside`` for a service that takes no session. Only for services whose result depends on the
    actor's tenant, role and scopes, not on the person. Callers must not modify the result.
    """
    anyone = replace(actor, user_id="", username="", email="", credential="")
    return await once((service, anyone, args), lambda: through(service, actor, *args))


async def once(key: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
    """Awaits ``fetch()``; within a tick only the first time for ``key``. An exception is raised to every caller."""
    here = _tick.get()
    if here is None:
        return await fetch()
    if key not in here.results:
        here.results[key] = asyncio.ensure_future(fetch())
    return await asyncio.shield(here.results[key])


async def change(service: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs ``service(session, …)`` in a thread, in a writing session that is committed when it returns."""
    return await asyncio.to_thread(_with_session, True, service, args, kwargs)


def _with_session(writes: bool, service: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
    with writing() if writes else reading() as session:
        return service(session, *args, **kwargs)
