"""Skeletons shown while a page's first data loads: each has its page's shape, so that nothing moves afterwards.

Each piece is one element; CSS draws its rows. Heights are those of the real components in console.css.
"""

from __future__ import annotations

import reflex as rx

LINE, TALL, LANE, CODE = 34, 51, 27, 25
HEAD, TITLED = 33, 78


def block(height: int) -> rx.Component:
    """A card of ``height`` pixels."""
    return rx.el.span(class_name="skeleton", style={"height": f"{height}px"})


def rows(count: int, height: int = LINE, head: int = HEAD) -> rx.Component:
    """A table, list or lanes: ``count`` rows of ``height`` pixels under a head."""
    return rx.el.span(
        class_name="skeleton rows", style={"--n": str(count), "--row": f"{height}px", "--head": f"{head}px"}
    )


def tiles(narrow: int, wide: int = 0) -> rx.Component:
    kinds = ["skeleton tile"] * narrow + ["skeleton tile wide"] * wide
    return rx.el.div(*[rx.el.span(class_name=kind) for kind in kinds], class_name="tiles")


def pills(count: int) -> rx.Component:
    """A row of filters."""
    return rx.el.div(*[rx.el.span(class_name="skeleton pill") for _ in range(count)], class_name="filters")


def beside(*pieces: rx.Component, css: str = "cols even") -> rx.Component:
    """Panes side by side; one below the other on a narrow page."""
    return rx.el.div(*pieces, class_name=css)


def waiting(*pieces: rx.Component) -> rx.Component:
    """The pieces as one loading region."""
    return rx.el.div(*pieces, class_name="waiting", aria_busy="true", aria_label="loading", role="status")


def overview() -> rx.Component:
    return waiting(rows(1, 62, 42), tiles(6, 2), rows(8, LANE, 66), rows(8, LINE, TITLED), rows(5, 54, 42))


def table(height: int = LINE) -> rx.Component:
    """Filters above a table."""
    return waiting(pills(6), rows(12, height))


def job() -> rx.Component:
    return waiting(
        rx.el.span(class_name="skeleton head"),
        block(64),
        beside(block(252), block(252), css="cols w"),
        rows(12, LINE, 71),
    )


def run() -> rx.Component:
    return waiting(rx.el.span(class_name="skeleton head"), block(66), block(220), rows(6, LINE, TITLED))


def endpoint() -> rx.Component:
    return waiting(tiles(2, 2), rows(14, CODE, 56), rows(5, LINE, TITLED))


def editor() -> rx.Component:
    """Form, YAML and forecast side by side."""
    return waiting(beside(rx.el.div(block(560)), rx.el.div(block(420)), rx.el.div(block(150)), css="cols even panes"))


def forms() -> rx.Component:
    """Two forms above a table."""
    return waiting(beside(block(216), block(216)), rows(6, LINE, TITLED))


def repository() -> rx.Component:
    return waiting(block(63), beside(rows(3, LINE, 42), block(190)), rows(10, LINE, TITLED))


def steps() -> rx.Component:
    """The three steps of Start."""
    return waiting(rx.el.span(class_name="skeleton start"))


def figures(count: int = 8, height: int = LINE) -> rx.Component:
    """Figures above a table with a title: the operator's pages."""
    return waiting(tiles(5), rows(count, height, TITLED))
