"""What a schedule will do, as Job and Edit say it."""

from __future__ import annotations

from crontopus_app.ui.edit import rows
from crontopus_app.ui.kit.future import UNKNOWN, future, zone_of
from tests.cast import NOON


def test_the_zone_is_the_jobs_or_what_all_hosts_reported() -> None:
    assert zone_of("Europe/Berlin", ["UTC"]) == "Europe/Berlin"
    assert zone_of(None, ["Asia/Tokyo", "", "Asia/Tokyo"]) == "Asia/Tokyo"
    assert zone_of(None, []) == zone_of(None, ["UTC", "Asia/Tokyo"]) == ""


def test_without_a_zone_nothing_is_invented() -> None:
    told = future(["0 2 * * *"], "", "seed", NOON)
    assert (told.zone, told.coming, told.nights) == (UNKNOWN, (), ())


def test_five_runs_and_both_clock_changes() -> None:
    told = future(["30 12 * * *"], "Europe/Berlin", "seed", NOON)
    assert len(told.coming) == 5
    assert all(slot.there.endswith("12:30") and slot.utc in ("10:30", "11:30") for slot in told.coming)
    assert [night.state for night in told.nights] == ["ok", "ok"]


def test_errors_go_to_the_inputs_they_belong_to() -> None:
    form = rows.Form(name="Bad Name", schedule="61 2 * * *", timezone="Mars/Base")
    wrong = rows.check(rows.fresh(form), form, "t", NOON).wrong
    assert all((wrong.name, wrong.schedule, wrong.timezone, wrong.command))
    assert wrong.limit == ""
