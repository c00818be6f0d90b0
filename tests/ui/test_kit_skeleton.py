"""Skeletons: each page has its own, and screen readers hear that it is loading."""

from __future__ import annotations

import pytest

from crontopus_app.ui.kit import skeleton
from crontopus_app.ui.pages import PAGES, Page


@pytest.mark.parametrize("page", [page for page in PAGES if page.on_load], ids=lambda page: page.route)
def test_every_page_with_data_waits_in_a_shape(page: Page) -> None:
    drawn = str(page.component().render())
    assert drawn.count("aria-busy") == 1
    assert "skeleton" in drawn


def test_a_table_waits_with_as_many_lines_as_asked() -> None:
    drawn = str(skeleton.rows(12, skeleton.TALL, skeleton.TITLED).render())
    assert all(each in drawn for each in ('"12"', '"51px"', '"78px"', "skeleton rows"))


def test_figures_and_filters_wait_one_by_one() -> None:
    assert str(skeleton.tiles(6, 2).render()).count("skeleton tile") == 8
    assert str(skeleton.tiles(6, 2).render()).count("wide") == 2
    assert str(skeleton.pills(4).render()).count("skeleton pill") == 4


def test_a_reader_hears_that_it_loads() -> None:
    drawn = str(skeleton.waiting(skeleton.block(40)).render())
    assert all(each in drawn for each in ("loading", "status", "40px"))


def test_shapes_differ() -> None:
    shapes = (
        skeleton.overview(), skeleton.table(), skeleton.job(), skeleton.run(), skeleton.endpoint(), skeleton.editor(),
        skeleton.forms(), skeleton.repository(), skeleton.steps(), skeleton.figures(),
    )  # fmt: skip
    assert len({str(each.render()) for each in shapes}) == len(shapes)
