"""crontopus.yaml: decoding, merging and queries."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.manifest import decode as decode_manifest
from contract.policy import Policy, decode
from contract.policy_types import merged
from tests.contract.manifests import SMALL

GOOD = b"""\
defaults:
  "*": {timezone: Europe/Berlin, checkin: {startGrace: 10m}, env: {PORT: 0080}}
  production: {checkin: {maxRuntime: 1h}, retry: {attempts: 1}}
routes:
  oncall: {channels: [pager, mail], when: {namespaces: production, labels: {tier: ["1", "2"]}}}
  everyone: {channels: [mail]}
silences:
  - {until: 2027-01-01T00:00:00Z, from: 2026-12-01T00:00:00Z, when: {jobs: "production/db-*"}, reason: move}
freeze:
  - {from: "18:00", until: "06:00", days: [fri, sat], timezone: Europe/Berlin, reason: weekend}
  - {from: 2026-12-24T00:00:00+01:00, until: 2027-01-02T00:00:00+01:00}
  - {from: "12:00", until: "13:00", timezone: UTC, days: wed}
prune: {maxShare: 0.3}
drift: report
retention: {runs: 800d, successOutput: 7d, failureOutput: 90d}
"""


def policy() -> Policy:
    decoded = decode(GOOD)
    assert decoded.errors == ()
    assert decoded.policy is not None
    return decoded.policy


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("data", [b"", b"# nothing yet\n", b"{}", b"defaults:\n"])
def test_no_policy_is_the_policy_of_no_file(data: bytes) -> None:
    assert decode(data).policy == Policy()
    assert Policy().prune_max_share == 0.5
    assert (Policy().drift, Policy().frozen(at("2026-01-01T00:00")), Policy().defaults_for("x")) == ("heal", "", {})


def test_every_field_arrives() -> None:
    decoded_policy = policy()
    assert (decoded_policy.prune_max_share, decoded_policy.drift) == (0.3, "report")
    assert decoded_policy.retention.runs == timedelta(days=800)
    assert decoded_policy.retention.success_output == timedelta(days=7)
    assert decoded_policy.retention.failure_output == timedelta(days=90)
    assert decoded_policy.routes["oncall"].channels == ("pager", "mail")


def test_a_namespaces_defaults_lie_over_those_for_all() -> None:
    assert policy().defaults_for("production") == {
        "timezone": "Europe/Berlin",
        "checkin": {"startGrace": "10m", "maxRuntime": "1h"},
        "env": {"PORT": "0080"},
        "retry": {"attempts": 1},
    }
    assert policy().defaults_for("staging")["checkin"] == {"startGrace": "10m"}


def test_defaults_reach_a_manifest() -> None:
    job = decode_manifest(SMALL, "production/a.yaml", "t", defaults=policy().defaults_for("production")).manifest
    assert job is not None
    assert (job.timezone, job.retry.attempts, job.env) == ("Europe/Berlin", 1, {"PORT": "0080"})
    assert (job.checkin.start_grace, job.checkin.max_runtime) == (timedelta(minutes=10), timedelta(hours=1))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("2026-11-27T16:59", ""),  # Friday, 17:59 in Berlin
        ("2026-11-27T17:00", "fri, sat 18:00-06:00 Europe/Berlin (weekend)"),
        ("2026-11-28T04:59", "fri, sat 18:00-06:00 Europe/Berlin (weekend)"),
        ("2026-11-28T05:00", ""),
        ("2026-11-29T04:00", "fri, sat 18:00-06:00 Europe/Berlin (weekend)"),  # Sunday morning belongs to Saturday
        ("2026-11-29T18:00", ""),
        ("2026-11-25T12:30", "wed 12:00-13:00 UTC"),
        ("2026-11-25T13:00", ""),
        ("2026-12-28T09:00", "from 2026-12-24T00:00:00+01:00 to 2027-01-02T00:00:00+01:00"),
    ],
)
def test_freeze_windows_hold_by_their_own_clock(now: str, words: str) -> None:
    assert policy().frozen(at(now)) == words


@pytest.mark.parametrize(
    ("now", "name", "silent"),
    [
        ("2026-12-02T00:00", "db-main", True),
        ("2026-11-30T23:59", "db-main", False),
        ("2027-01-01T00:00", "db-main", False),
        ("2026-12-02T00:00", "web", False),
    ],
)
def test_a_silence_covers_what_it_names_until_its_end(now: str, name: str, silent: bool) -> None:
    assert (policy().silenced(at(now), "production", name, {}) is not None) == silent


def test_routes_hold_by_their_conditions_or_by_name() -> None:
    decoded_policy = policy()
    assert list(decoded_policy.routes_for("everyone", "x", "a", {})) == ["everyone"]
    assert list(decoded_policy.routes_for("oncall", "production", "a", {"tier": "2"})) == ["oncall"]
    assert list(decoded_policy.routes_for("oncall", "staging", "a", {"tier": "2"})) == []
    assert list(decoded_policy.routes_for(None, "production", "a", {"tier": "1"})) == ["oncall", "everyone"]
    assert list(decoded_policy.routes_for(None, "production", "a", {})) == ["everyone"]
    assert list(decoded_policy.routes_for("unknown", "production", "a", {})) == ["everyone"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deflts: {}", "crontopus.yaml:1:1: deflts is not a field; did you mean defaults?"),
        ("prune: {maxShare: 3}", "crontopus.yaml:1:19: prune.maxShare must be from 0 to 1, not 3.0"),
        ("prune: {maxShare: half}", "must be a number"),
        ("drift: heel", "did you mean heal?"),
        ("defaults: {x: {shedule: 1}}", "defaults.x.shedule is not a field; did you mean schedule?"),
        ("defaults: {x: {timezone: Mars}}", "is not an IANA time zone"),
        ("defaults: {Prod: {}}", "is neither a namespace nor *"),
        ("silences: [{}]", "silences[0].until is missing"),
        ("silences: [{until: 2026-12-24}]", "is not a date and time with a zone"),
        ("silences: [{until: 2026-12-24T00:00:00}]", "is not a date and time with a zone"),
        ("silences: [{from: 2026-12-24T00:00:00Z, until: 2026-12-23T00:00:00Z}]", "must be later than from"),
        ("freeze: [{from: '18:00', until: 2026-12-23T00:00:00Z}]", "both as times of day, or both with a date"),
        ("freeze: [{from: '18:00', until: '19:00'}]", "times of day need a zone"),
        ("freeze: [{from: '18:00', until: '18:00', timezone: UTC}]", "must differ from from"),
        ("freeze: [{from: '25:00', until: '18:00', timezone: UTC}]", "is not HH:MM"),
        ("freeze: [{from: '18:00', until: '19:00', timezone: UTC, days: friday}]", "must be mon or tue"),
        (
            "freeze: [{from: 2026-12-24T00:00:00Z, until: 2026-12-25T00:00:00Z, days: fri}]",
            "is only for windows of times of day",
        ),
        ("routes: {oncall: {}}", "routes.oncall.channels is missing"),
        ("retention: {runs: 1h}", "from 1d to"),
        ("- a", "must be a map"),
        ("drift: heal\ndrift: heal", "is set twice"),
    ],
)
def test_an_error_gives_no_policy_and_a_place(text: str, message: str) -> None:
    decoded = decode(text.encode())
    assert decoded.policy is None
    assert message in "\n".join(map(str, decoded.errors))


def test_merging_changes_neither_side() -> None:
    below, above = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "d": {"e": 5}}
    assert merged(below, above) == {"a": {"b": 1, "c": 4}, "d": {"e": 5}}
    assert (below, above) == ({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "d": {"e": 5}})


@given(st.integers(0, len(GOOD)), st.integers(0, 30), st.binary(max_size=6))
def test_no_damage_raises(start: int, removed: int, inserted: bytes) -> None:
    decoded = decode(GOOD[:start] + inserted + GOOD[start + removed :])
    assert (decoded.policy is None) == bool(decoded.errors)
    if decoded.policy:
        assert isinstance(decoded.policy.frozen(at("2026-11-27T20:00")), str)
