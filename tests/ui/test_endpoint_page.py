"""One endpoint: what its page says, and what its acts do and to whom they are refused."""

from __future__ import annotations

from typing import Any

import pytest

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.db import reading, writing
from crontopus_app.models import Endpoint
from crontopus_app.ui.endpoints import rows
from crontopus_app.ui.endpoints.state import EndpointState
from crontopus_app.ui.undo import UndoState
from tests.cast import Member, add_endpoint
from tests.ui.states import page_at, run

ACTS: list[tuple[str, tuple[Any, ...]]] = [("sync", ()), ("rename", ({"name": "db02"},)), ("revoke", ({},))]


async def opened(endpoint_id: str, cookie: str) -> Any:
    page = page_at(f"/endpoints/{endpoint_id}", EndpointState, cookie)
    await run(page, "load")
    return page


def row(member: Member) -> Endpoint:
    with reading() as session:
        found = session.get(Endpoint, member.endpoint_id)
        assert found is not None
        return found


async def test_the_crontab_is_shown_line_by_line(cookie: str, alice: Member) -> None:
    page = await opened(alice.endpoint_id, cookie)
    assert [(line.number, line.css, line.note.split(" ")[0]) for line in page.lines] == [
        (1, "", "variable"),
        (2, "ours", "production/backup"),
        (3, "foreign", "not"),
    ]
    assert page.coverage == rows.Coverage("1 / 2", "50%")


async def test_revoking_ends_its_token(cookie: str, alice: Member) -> None:
    page = await opened(alice.endpoint_id, cookie)
    assert "Revoked: its token is dead" in str(await run(page, "revoke", {}))
    assert (page.host.revoked, row(alice).status) == (True, "revoked")


async def test_sync_asks_the_agent(cookie: str, alice: Member) -> None:
    page = await opened(alice.endpoint_id, cookie)
    assert "Asked for a pass" in str(await run(page, "sync"))
    assert row(alice).wake_at is not None


async def test_another_name_can_be_taken_back(cookie: str, alice: Member) -> None:
    page = await opened(alice.endpoint_id, cookie)
    said = str(await run(page, "rename", {"name": " db01 "}))
    assert "alice-host is now db01." in said
    assert (page.host.name, row(alice).name) == ("db01", "db01")
    [key] = (await page.get_state(UndoState))._offers
    assert key in said
    assert "named alice-host again" in str(await run(await page.get_state(UndoState), "undo", {"key": key}))
    assert row(alice).name == "alice-host"


@pytest.mark.parametrize(
    ("name", "said"),
    [("alice-host", "already"), ("", "1 to 63"), ("x" * 64, "1 to 63"), ("a\nb", "1 to 63"), ("taken", "Another")],
)
async def test_a_name_that_cannot_be_is_told(cookie: str, alice: Member, name: str, said: str) -> None:
    add_endpoint("alice", "taken")
    page = await opened(alice.endpoint_id, cookie)
    assert said in str(await run(page, "rename", {"name": name}))
    assert row(alice).name == "alice-host"


@pytest.mark.parametrize(("act", "given"), ACTS)
async def test_a_stranger_does_nothing_to_it(
    charlies: str, cookie: str, alice: Member, act: str, given: tuple[Any, ...]
) -> None:
    host = (await opened(alice.endpoint_id, cookie)).host
    stranger = await opened(alice.endpoint_id, charlies)
    assert stranger.problem == f"No endpoint {alice.endpoint_id}."
    stranger.host = host
    assert "No endpoint " in str(await run(stranger, act, *given))
    mine = row(alice)
    assert (mine.name, mine.status, mine.wake_at) == ("alice-host", "active", None)


async def test_what_other_hands_changed_is_told(cookie: str, alice: Member) -> None:
    told = {
        "kind": "line_changed",
        "expected": "0 2 * * *",
        "found": "0 9 * * *",
        "owner": "root",
        "logged_in": ["bob"],
    }
    with writing() as session:
        host = session.get(Endpoint, alice.endpoint_id)
        assert host is not None
        host.drift = [{**told, "modified_at": None, "seen_at": clock.now().isoformat()}]
        session.add(host)
    [found] = (await opened(alice.endpoint_id, cookie)).drift
    assert (found.kind, found.expected, found.found) == ("changed", "0 2 * * *", "0 9 * * *")
    assert (found.who, bool(found.at)) == ("root · signed in: bob", True)


def test_nothing_that_starts_something_is_no_coverage() -> None:
    assert rows.coverage([wire.CrontabLine(text="MAILTO=x", standing="environment")]) == rows.Coverage("0 / 0", "0%")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            {"scheduler": "user-crontab", "dst_policy": "busybox"},
            "user-crontab · BusyBox crond · runs jobs as its own user",
        ),
        ({"scheduler": "cron.d", "user": True}, "cron.d · runs jobs as any user"),
        ({}, ""),
        ({"dst_policy": ["x"], "scheduler": "", "user": "yes"}, ""),
    ],
)
def test_the_scheduler_is_told_in_words(told: dict[str, Any], said: str) -> None:
    assert rows.abilities(told) == said
