"""The documentation shows what `make screenshots` takes, and nothing else."""

from __future__ import annotations

import re
import struct

import pytest

from crontopus_app.programs import demo
from crontopus_app.ui.pages import PAGES
from scripts import screenshots
from scripts.screenshots import IMAGES, PICTURES, Picture
from tests.docs.test_docs import PAGES as DOCUMENTS
from tests.docs.test_docs import ROOT

LARGEST_KB = 300


def test_every_picture_that_is_shown_is_taken_and_every_one_that_is_taken_is_shown() -> None:
    texts = [page.read_text() for page in DOCUMENTS]
    shown = {name for text in texts for name in re.findall(r"!\[[^\]]+\]\([^)]*images/([^)]+)\)", text)}
    assert shown == {picture.file for picture in PICTURES}
    assert {path.name for path in IMAGES.iterdir()} == shown


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_has_its_size_and_is_small(picture: Picture) -> None:
    data = (IMAGES / picture.file).read_bytes()
    assert struct.unpack(">II", data[16:24]) == picture.size
    assert len(data) < LARGEST_KB * 1000


def test_every_picture_is_of_a_page_and_every_fate_of_a_job_of_the_demo() -> None:
    routes = [re.sub(r"\[\w+\]", "[^/]+", page.route) for page in PAGES]
    ids = {"run": "some-run", "endpoint": "some-endpoint"}
    for picture in PICTURES:
        address = picture.address.format(**ids)
        assert any(re.fullmatch(route, address) for route in routes), address
    names = {job["name"] for job in demo.JOBS}
    assert {job for job, _, _ in screenshots.FATES} | {*demo.FIRST} <= names


def test_the_readme_shows_the_overview() -> None:
    assert "](docs/images/overview.png)" in (ROOT / "README.md").read_text()
