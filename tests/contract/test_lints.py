"""Lints: each has a code, a message and a position, and sound manifests have none."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.lints import crowded, lint
from contract.manifest import Manifest, Problem, decode, from_fields
from tests.contract.manifests import full, good, with_spec

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


def lints(lines: str) -> dict[str, Problem]:
    """The lints of a manifest in `staging`, by code."""
    spec = "".join(f"  {line}\n" for line in lines.splitlines())
    text = f"apiVersion: v1\nkind: Job\nmetadata: {{name: a}}\nspec:\n{spec}"
    decoded = decode(text.encode(), "staging/a.yaml", "acme")
    assert decoded.manifest is not None, decoded.errors
    return {problem.code: problem for problem in lint(decoded.manifest, {"spec.schedule": (5, 13)}, now=NOW)}


def test_a_sound_manifest_has_none() -> None:
    job = full().manifest
    assert job is not None
    assert lint(replace(job, schedule=("0 4 * * *",)), now=NOW) == ()


def test_lints_stand_at_their_field_and_are_warnings() -> None:
    decoded = with_spec("schedule: '* 9 * * *'\ncommand: backup.sh")
    expected = [str(problem) for problem in decoded.lints]
    assert expected == [
        "production/a.yaml:1:1: No owner set. Add the annotation owner so that people know whom to ask.",
        'production/a.yaml:5:13: "* 9 * * *" runs 60 times a day: every minute of hour 9. '
        'For one run an hour write "0 9 …".',
        "production/a.yaml:6:12: backup.sh may not be found, as cron's PATH is short. Write the absolute path.",
    ]
    assert {problem.severity for problem in decoded.lints} == {"warning"}
    assert decoded.errors == ()


@pytest.mark.parametrize(
    ("schedule", "odd"),
    [("* 9 * * *", True), ("*/1 9,10 * * *", True), ("* * * * *", False), ("*/5 9 * * *", False), ("0 9 * * *", False)],
)
def test_every_minute_of_an_hour_is_probably_a_slip(schedule: str, odd: bool) -> None:
    assert ("every-minute" in lints(f"schedule: '{schedule}'\ncommand: /x")) == odd


@pytest.mark.parametrize(
    ("schedule", "zone", "codes"),
    [
        ("30 2 * * *", "Europe/Berlin", {"clock-gap", "clock-fold"}),
        ("30 1 * * *", "Europe/Berlin", set()),
        ("30 2 * * 1", "Europe/Berlin", set()),
        ("30 2 * * 0", "Europe/Berlin", {"clock-gap", "clock-fold"}),
        ("30 1 * * *", "America/New_York", {"clock-fold"}),
        ("45 1 * * *", "Australia/Lord_Howe", {"clock-fold"}),
        ("30 * * * *", "Europe/Berlin", set()),
        ("30 2 * * *", "Asia/Tokyo", set()),
        ("@reboot", "Europe/Berlin", set()),
    ],
)
def test_a_fixed_time_in_a_clock_change_gives_a_lint(schedule: str, zone: str, codes: set[str]) -> None:
    by_code = lints(f"schedule: '{schedule}'\ntimezone: {zone}\ncommand: /x")
    assert set(by_code) == codes


def test_a_clock_lint_names_the_night_and_what_each_cron_does() -> None:
    by_code = lints("schedule: '30 2 * * *'\ntimezone: Europe/Berlin\ncommand: /x")
    assert by_code["clock-gap"].message == (
        "Europe/Berlin, 28 March 2027: 02:30 does not exist that night. The job runs once, at 03:00. "
        "With BusyBox crond: No run takes place."
    )
    assert by_code["clock-fold"].message == (
        "Europe/Berlin, 31 October 2027: 02:30 happens twice that night. The job runs once, at the first. "
        "With BusyBox crond: The job runs both times."
    )
    assert (by_code["clock-gap"].line, by_code["clock-gap"].column) == (5, 13)


def test_without_a_time_zone_there_is_no_clock_lint() -> None:
    assert lints("schedule: '30 2 * * *'\ncommand: /x") == {}


@pytest.mark.parametrize(
    "command",
    [
        "/x --password hunter22",
        "/x --password=hunter22",
        "/x --api-key 'abcdef'",
        "mysqldump -pgeheim shop",
        "DB_PASSWORD=hunter22 /x",
        "curl https://user:geheim@example.org/",
        "/x --token=ctp_0123456789",
        "curl -H 'Authorization: Bearer abcdefgh' https://x",
        "/x AKIAABCDEFGHIJKLMNOP",
        "/x ghp_abcdefghijklmnopqrstuvwx",
    ],
)
def test_a_command_that_carries_a_secret_is_told(command: str) -> None:
    assert "secret" in lints(f'schedule: "@daily"\ncommand: "{command}"')


@pytest.mark.parametrize(
    "command",
    [
        "/x --password-file /etc/secret",
        "/x --password=$DB_PASSWORD",
        "/x --token ${TOKEN}",
        "/opt/tokenize.sh",
        "curl https://example.org/a:b@c",
        "mysqldump -p shop",
        "/x --secret --verbose",
    ],
)
def test_a_command_that_only_names_one_is_not(command: str) -> None:
    assert "secret" not in lints(f'schedule: "@daily"\ncommand: "{command}"')


def test_secrets_in_arguments_and_in_the_environment_count() -> None:
    assert lints("schedule: '@daily'\ncommand: /x\nargs: [--password, hunter22]")["secret"].field == "spec.command"
    assert (
        lints("schedule: '@daily'\ncommand: /x\nenv: {DB_PASSWORD: hunter22}")["secret"].field == "spec.env.DB_PASSWORD"
    )
    assert lints("schedule: '@daily'\ncommand: /x\nenv: {DB_PASSWORD: '${DB_PASSWORD}'}") == {}


@pytest.mark.parametrize(
    ("command", "relative"),
    [
        ("backup.sh", True),
        ("./backup.sh", True),
        ("python3 /opt/x.py", True),
        ("/opt/x", False),
        ("~/x", False),
        ("$HOME/x", False),
        ("cd /opt && ./x", False),
        ("'/opt/my tool'", False),
        ("[ -f /x ] && /y", False),
    ],
)
def test_a_relative_command_depends_on_crons_short_path(command: str, relative: bool) -> None:
    assert ("relative-command" in lints(f'schedule: "@daily"\ncommand: "{command}"')) == relative


def test_a_percent_sign_is_told() -> None:
    assert "percent" in lints("schedule: '@daily'\ncommand: /bin/date +%s")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("schedule: '*/10 * * * *'\ncheckin: {maxRuntime: 15m}", True),
        ("schedule: '*/10 * * * *'\ncheckin: {maxRuntime: 10m}", False),
        ("schedule: '*/10 * * * *'\ncheckin: {maxRuntime: 15m}\nconcurrency: forbid", False),
        ("schedule: ['0 1 * * *', '5 1 * * *']\ncheckin: {maxRuntime: 6m}", True),
        ("schedule: 'H H * * *'\ncheckin: {maxRuntime: 23h}", False),
        ("schedule: '@reboot'\ncheckin: {maxRuntime: 23h}", False),
    ],
)
def test_runs_that_may_overlap_are_told(spec: str, expected: bool) -> None:
    assert ("overlap" in lints(f"command: /x\n{spec}")) == expected


def test_both_kinds_of_days_match_either() -> None:
    assert "either-day" in lints("schedule: '0 0 1 * 1'\ncommand: /x")
    assert "either-day" not in lints("schedule: '0 0 */2 * 1'\ncommand: /x")


def test_an_owner_silences_the_question_for_one() -> None:
    assert "no-owner" in {problem.code for problem in good("").lints}


def jobs(count: int, schedule: str, **fields: object) -> list[Manifest]:
    manifests = []
    for number in range(count):
        body = {"name": f"j{number}", "namespace": "n", "schedule": schedule, "command": "/x", **fields}
        manifest = from_fields(body, tenant="t")[1].manifest
        assert manifest is not None
        manifests.append(manifest)
    return manifests


def test_a_pile_up_on_one_endpoint_is_told_once_a_minute() -> None:
    by_code = crowded("e1", "Europe/Berlin", "debian", jobs(21, "0 2 * * *"), NOW)
    assert [problem.code for problem in by_code] == ["crowded"]
    assert "21 jobs of this endpoint start at 2026-11-24 01:00 UTC" in by_code[0].message


def test_twenty_at_once_spread_or_paused_jobs_are_fine() -> None:
    assert crowded("e1", "UTC", "debian", jobs(20, "0 2 * * *"), NOW) == ()
    assert crowded("e1", "UTC", "debian", jobs(40, "H 2 * * *"), NOW) == ()
    assert crowded("e1", "UTC", "debian", jobs(40, "0 2 * * *", paused=True), NOW) == ()
    assert crowded("e1", "UTC", "debian", jobs(40, "0 2 * * *"), NOW, hours=1) == ()


def test_jobs_of_other_zones_meet_in_the_same_minute() -> None:
    mixed = [*jobs(11, "0 2 * * *", timezone="Europe/Berlin"), *jobs(11, "0 1 * * *", timezone="UTC")]
    assert len(crowded("e1", "Asia/Tokyo", "debian", mixed, NOW - timedelta(hours=1))) == 1


PARTS = st.sampled_from(
    ["*", "*/15", "0", "30", "1-5", "1,3", "H", "H/2", "2", "L", "5L", "1#2", "LW", "mon-fri", "jan"]
)
SCHEDULES = st.tuples(PARTS, PARTS, PARTS, PARTS, PARTS).map(" ".join) | st.sampled_from(
    ["@daily", "@reboot", "@hourly", "every 15m", "every 1d", "H H * * *", "0 0 29 2 *"]
)


@given(
    SCHEDULES, st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"])
)
def test_no_schedule_that_decodes_stops_the_lints(schedule: str, zone: str) -> None:
    body = {"name": "a", "namespace": "n", "schedule": schedule, "command": "/x", "timezone": zone}
    manifest = from_fields({**body, "checkin": {"maxRuntime": "2h"}}, tenant="t")[1].manifest
    if manifest is not None:
        assert all(problem.message for problem in lint(manifest, now=NOW))


@pytest.mark.parametrize("text", ["mysql ", "a.", "pass", "-", "token ", "a://b:"])
def test_a_hostile_command_is_searched_in_no_time(text: str) -> None:
    job = full().manifest
    assert job is not None
    begin = time.process_time()
    lint(replace(job, command="/x " + text * (32_000 // len(text))), now=NOW)
    assert time.process_time() - begin < 2
