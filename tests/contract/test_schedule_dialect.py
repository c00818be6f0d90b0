"""Valid and invalid schedules, and the error messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.schedule import ScheduleError, parse, parse_all, resolve, seed


@pytest.mark.parametrize(
    ("expression", "plain"),
    [
        ("0 2 * * *", "0 2 * * *"),
        ("  0\t2 *  * * ", "0 2 * * *"),
        ("0 9 * jan mon-fri", "0 9 * JAN MON-FRI"),
        ("0 0 * * 7", "0 0 * * 7"),
        ("0 0 L * *", "0 0 L * *"),
        ("0 0 LW * *", "0 0 LW * *"),
        ("0 0 * * 5L", "0 0 * * 5L"),
        ("0 0 * * MON#2", "0 0 * * MON#2"),
        ("5/15 * * * *", "5-59/15 * * * *"),
        ("1,30/10 4/6 * * *", "1,30-59/10 4-23/6 * * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@Midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@reboot", "@reboot"),
        ("every 1m", "* * * * *"),
        ("every 15m", "*/15 * * * *"),
        ("every 15 minutes", "*/15 * * * *"),
        ("every 900s", "*/15 * * * *"),
        ("Every 1h", "0 * * * *"),
        ("every 60m", "0 * * * *"),
        ("every 4h", "0 */4 * * *"),
        ("every 1h60m", "0 */2 * * *"),
        ("every 1d", "0 0 * * *"),
    ],
)
def test_what_is_accepted_becomes_plain_cron(expression: str, plain: str) -> None:
    assert resolve(expression, "any") == plain
    assert resolve(plain, "any") == plain


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("0 2 * *", "4 fields"),
        ("soon", "1 field;"),
        ("0 0 2 * * *", "6 fields"),
        ("0 0 2 * * * 2026", "neither seconds nor years"),
        ("0 0 31 2 *", '"0 0 31 2 *" never runs: February has no day 31.'),
        ("0 0 30-31 2 *", "February has no day 30-31."),
        ("0 0 31 4,6,9,11 *", "April, June, September and November have no day 31."),
        ("0 24 * * *", "midnight is 0"),
        ("0 22-24 * * *", "midnight is 0"),
        ("TZ=UTC 0 2 * * *", "Put the zone in the time zone field"),
        ("CRON_TZ=Europe/Berlin 0 2 * * *", "Put the zone in the time zone field"),
        ("0 2 * * * Europe/Berlin", "Put the zone in the time zone field"),
        ("0 0 ? * *", 'Write "*"'),
        ("60 * * * *", '"60" is not a minute: use 0-59'),
        ("0 0 0 * *", "day of the month: use 1-31"),
        ("0 0 * 13 *", '"13" is not a month'),
        ("0 0 * * 8", "day of the week: use 0-7"),
        ("0 0 * * MOND", '"MOND" is not a day of the week'),
        ("*/0 * * * *", "step of 0"),
        ("0 22-2 * * *", "one from 22 up, one up to 2"),
        ("0 0 * * FRI-MON", "runs backwards"),
        ("-5 * * * *", "not a minute"),
        ("1,,2 * * * *", "not a minute"),
        ("* * * * MON#6", "not a day of the week"),
        ("R * * * *", "not a minute"),
        ("٣ * * * *", "not a minute"),
        ("H(9-3) * * * *", "H(0-29)"),
        ("H(0-99) * * * *", "H(0-29)"),
        ("HH * * * *", "not a minute"),
        ("@fortnightly", "@weekly"),
        ("every 45m", 'Nearest: "every 30m" or "every 1h"'),
        ("every 90m", 'Nearest: "every 1h" or "every 2h"'),
        ("every 30s", 'Nearest: "every 1m"'),
        ("every 2d", 'Nearest: "every 24h"'),
        ("every", 'Write "every 15m"'),
        ("every 15", 'Write "every 15m"'),
        ("every 3 fortnights", 'Write "every 15m"'),
        ("0 " * 600, "the limit is 1000"),
        ("9" * 400 + " * * * *", "not a minute"),
    ],
)
def test_what_is_refused_says_why(expression: str, says: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse(expression)
    assert says in str(refused.value)
    assert str(refused.value).endswith(".")


def test_a_thursday_is_no_hash() -> None:
    assert not parse("0 0 * * THU").hashed
    assert parse("H 0 * MARCH-APR *".replace("MARCH", "MAR")).hashed


def test_h_differs_between_endpoints_and_stays_for_each() -> None:
    places = {resolve("H H * * *", seed("5b0c7c9e", f"endpoint-{number}")) for number in range(50)}
    assert len(places) > 40
    assert resolve("H H * * *", "5b0c7c9e/endpoint-1") == "43 15 * * *"


def test_h_keeps_to_its_step_and_its_range() -> None:
    minutes = [int(minute) for minute in resolve("H/15 * * * *", "a").split()[0].split(",")]
    assert [minute - minutes[0] for minute in minutes] == [0, 15, 30, 45]
    assert all(int(resolve("H(0-9) * * * *", str(number)).split()[0]) < 10 for number in range(50))


def test_h_leaves_the_other_fields_alone() -> None:
    assert resolve("H 3 L */2 MON#2", "a").split()[1:] == ["3", "L", "*/2", "MON#2"]


def test_a_list_is_understood_whole_and_may_not_be_empty() -> None:
    assert [item.plain for item in parse_all(["@daily", parse("0 2 * * *")])] == ["0 0 * * *", "0 2 * * *"]
    with pytest.raises(ScheduleError, match="empty"):
        parse_all([])
    with pytest.raises(ScheduleError, match="midnight is 0"):
        parse_all(["0 2 * * *", "0 24 * * *"])


def test_two_spellings_of_the_same_fields_are_equal() -> None:
    assert parse("@daily") == parse("0 0 * * *")
    assert parse("0 0 * * *") != parse("0 1 * * *")


def test_a_reboot_is_no_schedule_of_times() -> None:
    assert parse("@reboot").on_boot
    assert parse("@reboot").times == ()
    assert not parse("@daily").on_boot


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    _understood_or_refused(text)


@given(st.lists(st.text("0123456789*/-,LWH#()MONJAF?@", min_size=1, max_size=6), min_size=4, max_size=6))
def test_anything_like_cron_is_understood_or_refused(fields: list[str]) -> None:
    _understood_or_refused(" ".join(fields))


def _understood_or_refused(text: str) -> None:
    try:
        schedule = parse(text)
    except ScheduleError:
        return
    assert parse(resolve(text, "seed")).plain == resolve(text, "seed")
    assert schedule.on_boot or len(schedule.fields) == 5


@pytest.mark.parametrize(
    ("expression", "hint"),
    [("0 2 * *", False), ("0 0 2 * * *", True), ("0 0 2 * * * 2027", True), ("0 0 2 * * * 2027 1", False)],
)
def test_six_or_seven_fields_are_explained_by_seconds_and_years(expression: str, hint: bool) -> None:
    with pytest.raises(ScheduleError, match="cron has five") as raised:
        parse(expression)
    assert ("neither seconds nor years" in str(raised.value)) == hint
