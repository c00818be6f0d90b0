"""Only the control plane's own answers count. To any other, the agent behaves as if the server were away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from agent import spool
from agent.control import Control
from agent.errors import Revoked, ServerAway
from contract.wire import EnrollRequest, PassReport
from tests.agent.foreign import ANSWERS, ENDLESS, Foreign, answer, drips, floods, foreign, refusal, serving
from tests.agent.test_spool import names, put

CALLS: dict[str, Callable[[Control], object]] = {
    "watch": lambda control: control.watch("", 1.0, 0, ""),
    "report": lambda control: control.report(PassReport("Kept", "", "", datetime.now(timezone.utc), 0.0)),
    "heartbeat": lambda control: control.heartbeat(0, ""),
    "enroll": lambda control: control.enroll(EnrollRequest("m", "db01")),
}
# report and heartbeat do not read the body, so these are answers like any other to them.
BODIES = ("our header and somebody else's body", "our header and another run")


def ask(url: str, call: Callable[[Control], object], seconds: float = 5.0) -> None:
    control = Control(url, "ep_secret", seconds)
    try:
        call(control)
    finally:
        control.close()


PAIRS = [(name, call) for name in ANSWERS for call in CALLS if name not in BODIES or call in ("watch", "enroll")]


@pytest.mark.parametrize(("name", "call"), PAIRS)
def test_a_call_takes_a_foreign_answer_for_an_absent_server(name: str, call: str) -> None:
    with foreign(name) as proxy, pytest.raises(ServerAway):
        ask(proxy.url, CALLS[call])


@pytest.mark.parametrize("name", ANSWERS)
def test_a_replay_keeps_every_check_in(name: str, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put(tmp_path, number, output="x" * 10)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with foreign(name) as proxy, pytest.raises(ServerAway):
        ask(proxy.url, lambda control: spool.replay(tmp_path, control.checkins))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(proxy.bodies) < 10  # a proxy that blocks everything is not asked about each check-in


@pytest.mark.parametrize("then", [drips, floods])
def test_an_answer_without_an_end_is_given_up(then: Callable[..., None], tmp_path: Path) -> None:
    put(tmp_path, 1)
    with serving(Foreign(ENDLESS, then)) as proxy, pytest.raises(ServerAway, match="too large or too slow"):
        ask(proxy.url, lambda control: spool.replay(tmp_path, control.checkins), seconds=0.5)
    assert names(tmp_path) == [1]


def test_the_message_says_where_to_look() -> None:
    with foreign("a login page") as proxy, pytest.raises(ServerAway, match="any proxy before it"):
        ask(proxy.url, CALLS["watch"])


def test_only_the_servers_own_word_about_the_token_is_a_revocation() -> None:
    own = answer("401 Unauthorized", "Crontopus-Api: 1\r\n", refusal("bad_token"))
    for call in ("watch", "report", "heartbeat"):
        with serving(Foreign(own)) as server, pytest.raises(Revoked):
            ask(server.url, CALLS[call])
