"""The filter of job lists."""

from __future__ import annotations

import pytest

from crontopus_app.queries.job_filter import LONGEST, parse

LABELS = {"env": "Prod", "team": "db"}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("label:env", True),
        ("label:env=prod", True),
        ("LABEL:ENV=PROD", True),
        ("label:env=p*", True),
        ("label:env=test", False),
        ("label:zone", False),
        ("label:env=prod label:team=web", False),
        ("ns:production", True),
        ("namespace:prod*", True),
        ("ns:staging", False),
        ("backup", True),
        ("backup --all", True),
        ("backup nothing", False),
        ("label:", False),
        ("other:backup", False),
    ],
)
def test_the_terms_about_the_file(text: str, fits: bool) -> None:
    assert parse(text).fits_file("production", LABELS, "production/backup backup --all") is fits


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("state:ok", True),
        ("state:healthy", True),
        ("state:failing", False),
        ("host:db01", True),
        ("endpoint:DB*", True),
        ("host:none", False),
        ("host:db01 host:web01", True),
        ("host:db01 host:db02", False),
    ],
)
def test_the_terms_about_state_and_hosts(text: str, fits: bool) -> None:
    assert parse(text).fits_job("ok", ["db01", "web01"]) is fits


def test_a_job_on_no_host() -> None:
    assert parse("host:none").fits_job("waiting", [])


def test_words_are_kept_as_typed_and_a_long_text_is_cut() -> None:
    assert [term.word for term in parse("Label:env=Prod  Backup").terms] == ["Label:env=Prod", "Backup"]
    assert sum(len(term.word) for term in parse("x" * 1000).terms) == LONGEST
