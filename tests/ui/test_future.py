"""What a schedule will do, as Job and Edit say it."""

from __future__ import annotations

from crontopus_app.ui.kit.future import UNKNOWN, future, zone_of
from tests.cast import NOON


def test_the_zone_is_the_jobs_or_what_all_hosts_reported() -> None:
    assert zone_of("Europe/Berlin", ["UTC"]) == "Europe/Berlin"
    assert zone_of(None, ["Asia/Tokyo", "", "Asia/Tokyo"]) == "Asia/Tokyo"
    assert zone_of(None, []) == zone_of(None, ["UTC", "Asia/Tokyo"]) == ""


def test_without_a_zone_nothing_is_invented() -> None:
    told = future(["0 2 * * *"], "", [], NOON)
    assert (told.zone, told.coming, told.nights) == (UNKNOWN, (), ())


def test_five_runs_and_both_clock_changes() -> None:
    told = future(["30 12 * * *"], "Europe/Berlin", ["seed"], NOON)
    assert len(told.coming) == 5
    assert all(slot.there.endswith("12:30") and slot.utc in ("10:30", "11:30") for slot in told.coming)
    assert [night.state for night in told.nights] == ["ok", "ok"]


def test_crons_that_treat_a_night_differently_are_told_apart() -> None:
    told = future(["30 2 * * *"], "Europe/Berlin", [""], NOON, ["debian", "busybox"])
    spring = [night.text for night in told.nights if "02:30" in night.text]
    assert any(text.startswith("Debian's cron") and "runs once, at" in text for text in spring)
    assert any(text.startswith("BusyBox crond") and "No run takes place" in text for text in spring)
    agreed = future(["30 12 * * *"], "Europe/Berlin", [""], NOON, ["debian", "busybox"])
    assert len(agreed.nights) == 2


def test_a_hash_gives_each_host_its_own_minute() -> None:
    one = future(["H 12 * * *"], "UTC", ["a"], NOON)
    both = future(["H 12 * * *"], "UTC", ["a", "b"], NOON)
    assert {slot.at for slot in one.coming[:2]} < {slot.at for slot in both.coming}
