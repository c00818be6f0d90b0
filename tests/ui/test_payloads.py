"""Whatever a client sends to a handler: it is refused in words, or it is of the handler's types."""

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
    """Handlers of each kind that ours are."""

    def plain(self) -> None: ...
    def form(self, form: dict[str, Any]) -> None: ...
    def choose(self, index: int, side: str) -> None: ...
    def switch(self, paused: bool) -> None: ...
    def anything(self, value: Any) -> None: ...


@pytest.mark.parametrize(
    ("name", "payload", "taken"),
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
def test_what_is_taken(name: str, payload: object, taken: bool) -> None:
    assert fits(getattr(Page, name), payload) is taken


@pytest.mark.parametrize("name", OURS)
async def test_no_handler_of_ours_is_given_null(name: str) -> None:
    wanted = list(signature(RegistrationContext.get().event_handlers[name].handler.fn).parameters)[1:]
    event = Event(name=name, payload=dict.fromkeys(wanted or ["form"]))
    answer = await Payloads().preprocess(app, page_at("/tokens", TokensState), event)
    assert answer is not None
    assert REFUSAL in str(answer.events)


def test_the_app_asks_it_before_each_event() -> None:
    assert any(isinstance(one, Payloads) for one in app._middlewares)
