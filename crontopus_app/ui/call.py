"""The one way from a handler to a service: in a thread, with a database session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlmodel import Session

from crontopus_app.db import reading, writing

P = ParamSpec("P")
T = TypeVar("T")


async def call(service: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``service(session, …)`` off the event loop, reading only."""
    return await asyncio.to_thread(_with_session, False, service, args, kwargs)


async def change(service: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same with a session that writes and is committed when it returns."""
    return await asyncio.to_thread(_with_session, True, service, args, kwargs)


def _with_session(writes: bool, service: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
    with writing() if writes else reading() as session:
        return service(session, *args, **kwargs)
