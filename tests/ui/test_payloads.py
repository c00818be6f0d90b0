"""A payload reaches a handler only if it matches the handler's argument names and types."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest
from reflex.event import Event
from reflex_base.registry import RegistrationContext

from crontopus_app.crontopus_app import app
from crontopus_app.ui.payloads import REFUSAL, Payloads, fits
from crontopus_app.ui.tokens.state import TokensState
from tests.ui.states import page_at

OURS = sorted(
    name
    for name, registered in RegistrationContext.get().event_handlers.items()
    if registered.handler.fn.__module__.startswith("crontopus_app.")
)


class Page:
    """Handlers with each kind of arguments that ours take."""

    def plain(self) -> None: ...
    def form(self, form: dict[str, Any]) -> None: ...
    def choose(self, index: int, side: str) -> None: ...
    def switch(self, paused: bool) -> None: ...
    def anything(self, value: Any) -> None: ...


@pytest.mark.parametrize(
    ("name", "payload", "accepted"),
    [
        ("plain", {}, True),
        ("plain", {"form": {}}, False),
        ("form", {"form": {"name": None}}, True),
        ("form", {"form": None}, False),
        ("form", {"form": []}, False),
        ("form", {}, False),
        ("form", {"form": {}, "more": 1}, False),
        ("form", None, False),
        ("form", [], False),
        ("choose", {"index": 1, "side": "mine"}, True),
        ("choose", {"index": True, "side": "mine"}, False),
        ("choose", {"index": "1", "side": "mine"}, False),
        ("choose", {"index": 1, "side": None}, False),
        ("switch", {"paused": False}, True),
        ("switch", {"paused": 0}, False),
        ("anything", {"value": None}, True),
    ],
)
def test_a_payload_must_fit_the_handler(name: str, payload: object, accepted: bool) -> None:
    assert fits(getattr(Page, name), payload) is accepted


@pytest.mark.parametrize("name", OURS)
async def test_no_handler_gets_null(name: str) -> None:
    names = list(signature(RegistrationContext.get().event_handlers[name].handler.fn).parameters)[1:]
    event = Event(name=name, payload=dict.fromkeys(names or ["form"]))
    answer = await Payloads().preprocess(app, page_at("/tokens", TokensState), event)
    assert answer is not None
    assert REFUSAL in str(answer.events)


def test_the_app_validates_every_event() -> None:
    assert any(isinstance(one, Payloads) for one in app._middlewares)
