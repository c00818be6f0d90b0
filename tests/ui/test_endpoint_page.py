"""The Endpoint page: crontab, outside edits, and who may use its actions."""

from __future__ import annotations

from typing import Any

import pytest

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.db import reading, writing
from crontopus_app.models import Endpoint
from crontopus_app.ui.endpoints import rows
from crontopus_app.ui.endpoints.state import EndpointState
from crontopus_app.ui.kit import words
from crontopus_app.ui.undo import UndoState
from tests.cast import Member, add_endpoint
from tests.ui.states import page_at, run

ACTIONS: list[tuple[str, tuple[Any, ...]]] = [("sync", ()), ("rename", ({"name": "db02"},)), ("revoke", ({},))]


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
    assert "Its token no longer works" in str(await run(page, "revoke", {}))
    assert (page.host.revoked, row(alice).status) == (True, "revoked")


async def test_sync_wakes_the_agent(cookie: str, alice: Member) -> None:
    page = await opened(alice.endpoint_id, cookie)
    assert "Sync requested." in str(await run(page, "sync"))
    assert row(alice).wake_at is not None


async def test_a_rename_can_be_undone(cookie: str, alice: Member) -> None:
    page = await opened(alice.endpoint_id, cookie)
    toast = str(await run(page, "rename", {"name": " db01 "}))
    assert "Renamed alice-host to db01." in toast
    assert (page.host.name, row(alice).name) == ("db01", "db01")
    [key] = (await page.get_state(UndoState))._offers
    assert key in toast
    assert "Renamed back to alice-host" in str(await run(await page.get_state(UndoState), "undo", {"key": key}))
    assert row(alice).name == "alice-host"


@pytest.mark.parametrize(
    ("name", "error"),
    [("alice-host", "already"), ("", "1 to 63"), ("x" * 64, "1 to 63"), ("a\nb", "1 to 63"), ("taken", "Another")],
)
async def test_an_invalid_name_is_rejected(cookie: str, alice: Member, name: str, error: str) -> None:
    add_endpoint("alice", "taken")
    page = await opened(alice.endpoint_id, cookie)
    assert error in str(await run(page, "rename", {"name": name}))
    assert row(alice).name == "alice-host"


@pytest.mark.parametrize(("action", "arguments"), ACTIONS)
async def test_another_tenants_user_changes_nothing(
    charlies: str, cookie: str, alice: Member, action: str, arguments: tuple[Any, ...]
) -> None:
    host = (await opened(alice.endpoint_id, cookie)).host
    stranger = await opened(alice.endpoint_id, charlies)
    assert stranger.problem == f"No endpoint {alice.endpoint_id}."
    stranger.host = host
    assert "No endpoint " in str(await run(stranger, action, *arguments))
    mine = row(alice)
    assert (mine.name, mine.status, mine.wake_at) == ("alice-host", "active", None)


async def test_edits_from_outside_are_listed(cookie: str, alice: Member) -> None:
    reported = {
        "kind": "line_changed",
        "expected": "0 2 * * *",
        "found": "0 9 * * *",
        "owner": "root",
        "logged_in": ["bob"],
    }
    with writing() as session:
        host = session.get(Endpoint, alice.endpoint_id)
        assert host is not None
        host.drift = [{**reported, "modified_at": None, "seen_at": clock.now().isoformat()}]
        session.add(host)
    [found] = (await opened(alice.endpoint_id, cookie)).drift
    assert (found.kind, found.expected, found.found) == ("changed", "0 2 * * *", "0 9 * * *")
    assert (found.who, bool(found.at)) == ("root · signed in: bob", True)


async def test_a_host_that_never_reported_is_shown_as_such(cookie: str, alice: Member) -> None:
    assert not (await opened(alice.endpoint_id, cookie)).host.reported
    with writing() as session:
        session.get_one(Endpoint, alice.endpoint_id).head_applied = "4f1c2ab"
    assert (await opened(alice.endpoint_id, cookie)).host.reported


@pytest.mark.parametrize(("outcome", "text"), [("", "not reported yet"), ("Kept", "Installed (unchanged)"), ("x", "x")])
def test_what_an_agent_did_with_a_job_in_words(outcome: str, text: str) -> None:
    assert words.outcome(outcome) == text


def test_a_crontab_without_jobs_has_no_coverage() -> None:
    assert rows.coverage([wire.CrontabLine(text="MAILTO=x", standing="environment")]) == rows.Coverage("0 / 0", "0%")


@pytest.mark.parametrize(
    ("capabilities", "text"),
    [
        (
            {"scheduler": "user-crontab", "dst_policy": "busybox"},
            "user-crontab · BusyBox crond rules · runs as its own user",
        ),
        (
            {"scheduler": "file", "dst_policy": "debian", "user": True},
            "crontab file · Debian cron rules · can run as any user",
        ),
        ({"scheduler": "cron.d", "user": True}, "cron.d · can run as any user"),
        ({}, ""),
        ({"dst_policy": ["x"], "scheduler": "", "user": "yes"}, ""),
    ],
)
def test_the_scheduler_in_words(capabilities: dict[str, Any], text: str) -> None:
    assert rows.abilities(capabilities) == text
