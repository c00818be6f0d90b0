"""Slots that were checked against the text of cron(8)."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from contract.schedule import next_slots

_VECTORS = Path(__file__).parents[1] / "vectors" / "debian_dst.csv"
_ROWS = list(csv.DictReader(_VECTORS.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: f"{row['expression']}-{row['zone']}-{row['start_local']}")
def test_debian_runs_what_the_vectors_say(row: dict[str, str]) -> None:
    start = datetime.fromisoformat(row["start_local"]).replace(tzinfo=ZoneInfo(row["zone"]))
    expected = [datetime.fromisoformat(row[f"n{number}"].replace("Z", "+00:00")) for number in range(1, 7)]
    assert next_slots(row["expression"], row["zone"], "debian", start, 6) == expected


def test_the_vectors_are_all_here() -> None:
    assert len(_ROWS) == 132
