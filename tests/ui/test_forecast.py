"""Forecasts of schedules, as shown on Job and Edit."""

from __future__ import annotations

from crontopus_app.monitoring.slots import Clock, Host, ScheduledJob
from crontopus_app.ui.kit.forecast import UNKNOWN, forecast, zone_of
from tests.cast import NOON


def job(expression: str) -> ScheduledJob:
    return ScheduledJob("j", (expression,))


def hosts(*crons: str) -> set[Host]:
    """Hosts h0, h1 … with these cron daemons."""
    return {Host(f"h{place}", Clock("Asia/Tokyo", cron)) for place, cron in enumerate(crons)}


def test_the_zone_is_the_jobs_or_what_all_hosts_reported() -> None:
    assert zone_of("Europe/Berlin", ["UTC"]) == "Europe/Berlin"
    assert zone_of(None, ["Asia/Tokyo", "", "Asia/Tokyo"]) == "Asia/Tokyo"
    assert zone_of(None, []) == zone_of(None, ["UTC", "Asia/Tokyo"]) == ""


def test_without_a_zone_there_are_no_next_runs() -> None:
    made = forecast(job("0 2 * * *"), "", set(), NOON)
    assert (made.zone, made.next_runs, made.nights, made.reason) == ("", (), (), UNKNOWN)


def test_a_job_at_boot_has_no_next_runs_but_a_reason() -> None:
    made = forecast(job("@reboot"), "UTC", set(), NOON)
    assert (made.next_runs, made.reason) == ((), "Runs at each start of the host.")


def test_utc_is_not_repeated_where_the_zone_has_the_same_clock() -> None:
    assert forecast(job("30 12 * * *"), "UTC", set(), NOON).next_runs[0].utc == ""


def test_five_runs_and_both_clock_changes() -> None:
    told = forecast(job("30 12 * * *"), "Europe/Berlin", hosts("debian"), NOON)
    assert len(told.next_runs) == 5
    assert all(slot.there.endswith("12:30") and slot.utc in ("10:30", "11:30") for slot in told.next_runs)
    assert [night.state for night in told.nights] == ["ok", "ok"]


def test_cron_daemons_that_differ_on_a_night_are_listed() -> None:
    told = forecast(job("30 2 * * *"), "Europe/Berlin", hosts("debian", "busybox"), NOON)
    spring = [night.text for night in told.nights if "02:30" in night.text]
    assert any(text.startswith("Debian cron") and "runs once, at" in text for text in spring)
    assert any(text.startswith("BusyBox crond") and "No run takes place" in text for text in spring)
    agreed = forecast(job("30 12 * * *"), "Europe/Berlin", hosts("debian", "busybox"), NOON)
    assert len(agreed.nights) == 2


def test_a_hash_gives_each_host_its_own_minute() -> None:
    one = forecast(job("H 12 * * *"), "UTC", hosts("debian"), NOON)
    both = forecast(job("H 12 * * *"), "UTC", hosts("debian", "debian"), NOON)
    assert {slot.at for slot in one.next_runs[:2]} < {slot.at for slot in both.next_runs}
