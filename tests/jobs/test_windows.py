"""Silences and maintenance are added to crontopus.yaml and removed from it, each by a commit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.wire_alerts import Window, WindowRequest, WindowScope
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Conflict, CrontopusError, Forbidden, NotFound
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import windows
from crontopus_app.jobs.commit import commit_changes
from crontopus_app.jobs.index import index
from tests.fixtures.repositories import Repo

NOW = datetime(2026, 11, 29, 12, 0, 0, 500, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILE = b"""\
# ours
routes:
  a: {channels: [mail]}
silences:
  - {until: 2026-11-29T18:00:00Z, when: {jobs: "production/db-*", labels: {tier: "1"}}, reason: the move}
"""


def add(actor: Actor, forge: Forgejo, kind: str = "silence", **request: Any) -> None:
    with writing() as session:
        windows.add(session, actor, kind, WindowRequest(**request), NOW)
    commit_changes(actor.tenant_id, forge)


def listed(actor: Actor, kind: str = "silence", now: datetime = NOW) -> list[Window]:
    with reading() as session:
        return windows.list_all(session, actor, kind, now)


def end(actor: Actor, forge: Forgejo, window_id: str) -> None:
    with writing() as session:
        windows.end(session, actor, "silence", window_id, NOW)
    commit_changes(actor.tenant_id, forge)


def test_the_first_silence_makes_the_file(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    add(anna, forge, minutes=60, when=WindowScope(endpoints=["db*"]), reason="disks")
    assert repo.files()["crontopus.yaml"].decode() == (
        "silences:\n- until: '2026-11-29T13:00:00Z'\n  when:\n    endpoints:\n    - db*\n  reason: disks\n"
    )
    assert repo.commits()[0].message.splitlines()[0] == "Add silence"
    (found,) = listed(anna)
    assert (found.state, found.until, found.when.endpoints) == ("active", NOW.replace(microsecond=0) + HOUR, ["db*"])
    assert [each.state for each in listed(anna, now=NOW + HOUR)] == ["over"]
    end(anna, forge, found.id)
    assert (listed(anna), repo.files()["crontopus.yaml"]) == ([], b"silences: []\n")
    add(anna, forge, "maintenance", minutes=60)
    assert [len(listed(anna, kind)) for kind in windows.FIELDS] == [0, 1]


def test_others_stay_word_for_word_and_one_that_ends_is_removed(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"crontopus.yaml": FILE})
    index(anna.tenant_id, forge, NOW)
    add(anna, forge, starts=NOW + HOUR, minutes=30, reason="more")
    old, new = listed(anna)
    assert (old.reason, old.when.labels, new.state) == ("the move", {"tier": ["1"]}, "planned")
    assert repo.files()["crontopus.yaml"].startswith(FILE[: FILE.index(b"silences")])
    end(anna, forge, old.id)
    assert [each.id for each in listed(anna)] == [new.id]
    end(anna, forge, new.id)
    assert repo.files()["crontopus.yaml"] == FILE[: FILE.index(b"silences")]
    with pytest.raises(NotFound):
        end(anna, forge, new.id)


def test_maintenance_recurs(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    during = [{"weekdays": ["sunday"], "times": [{"start_time": "02:00", "end_time": "04:00"}]}]
    add(anna, forge, "maintenance", during=during, when=WindowScope(namespaces=["production"]))
    (found,) = listed(anna, "maintenance")
    assert (found.state, found.during, found.until) == ("planned", ["sunday 02:00-04:00 UTC"], None)
    assert listed(anna) == []


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "Say when it ends"),
        ({"minutes": 0}, "minutes from 1"),
        ({"minutes": 5, "until": NOW + HOUR}, "either until, or minutes"),
        ({"until": NOW - HOUR}, "over already"),
        ({"until": NOW + HOUR, "starts": NOW + 2 * HOUR}, "must be later"),
        ({"minutes": 5, "reason": "x" * 1025}, "longer than 1024"),
        ({"minutes": 5, "when": WindowScope(namespaces=["No Such"])}, "when.namespaces"),
    ],
)
def test_what_is_refused_changes_nothing(anna: Actor, forge: Forgejo, request_: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        add(anna, forge, **request_)
    assert listed(anna) == []


def test_a_broken_file_is_not_overwritten(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"crontopus.yaml": FILE})
    index(anna.tenant_id, forge, NOW)
    repo.commit({"crontopus.yaml": FILE + b"routs: {}\n"})
    index(anna.tenant_id, forge, NOW)
    with pytest.raises(Conflict, match="invalid"):
        add(anna, forge, minutes=5)
    assert len(listed(anna)) == 1


def test_a_file_that_was_pushed_meanwhile_is_not_overwritten(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"crontopus.yaml": FILE})
    index(anna.tenant_id, forge, NOW)
    pushed = FILE.replace(b"mail", b"pager")
    repo.commit({"crontopus.yaml": pushed})
    add(anna, forge, minutes=5)
    assert repo.files()["crontopus.yaml"] == pushed


def test_who_may(anna: Actor, forge: Forgejo) -> None:
    reader = replace(anna, kind="token", scopes=frozenset({"read:alerts"}))
    assert listed(reader) == []
    with pytest.raises(Forbidden):
        add(reader, forge, minutes=5)
    with pytest.raises(CrontopusError):
        listed(replace(anna, kind="token", scopes=frozenset({"read:jobs"})))
