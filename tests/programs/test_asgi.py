"""The front looks at the path and nothing else."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from crontopus_app.programs.asgi import PathRouter, freeze_startup_objects


def named(name: str, calls: list[tuple[str, str]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append((name, scope.get("path", "")))

    return app


async def _nothing(*_: Any) -> Any:
    raise AssertionError("the front itself neither receives nor sends")


async def where(scope: Scope) -> tuple[str, str]:
    """Which application got the scope, and the path that it saw."""
    calls: list[tuple[str, str]] = []
    routes = {"/forge": named("forge", calls), "/operator/rq": named("rq", calls)}
    await PathRouter(routes, named("other", calls))(scope, _nothing, _nothing)
    return calls[0]


@pytest.mark.parametrize(
    ("path", "app"),
    [
        ("/", "other"),
        ("/forge", "forge"),
        ("/forge/", "forge"),
        ("/forge/crontopus/jobs.git/info/refs", "forge"),
        ("/forgery", "other"),
        ("/Forge/x", "other"),
        ("/operator", "other"),
        ("/operator/rq", "rq"),
        ("/operator/rq/0/data/queues.json", "rq"),
        ("/operator/rqx", "other"),
        ("/api/forge", "other"),
    ],
)
async def test_whole_segments_choose_and_the_path_stays_as_it_is(path: str, app: str) -> None:
    assert await where({"type": "http", "path": path}) == (app, path)


async def test_websockets_and_lifespan_go_to_reflex_whatever_their_path() -> None:
    assert await where({"type": "websocket", "path": "/forge/_event"}) == ("other", "/forge/_event")
    assert await where({"type": "lifespan"}) == ("other", "")


def test_what_is_loaded_once_is_not_looked_through_again() -> None:
    loaded = {"a": "container", "of": ["another"]}
    try:
        freeze_startup_objects()
        assert gc.get_freeze_count() > 10_000
        assert not any(each is loaded for each in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(each is loaded for each in gc.get_objects())
