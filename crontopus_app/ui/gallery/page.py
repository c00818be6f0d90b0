"""``/kit``: all components in all states, in both themes. Only in development builds."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui.gallery import examples, pictures
from crontopus_app.ui.kit import charts, code, dialog, durations, next_runs, parts, run_table, skeleton, strip


def gallery() -> rx.Component:
    """Needs no session and calls no service: all content but the pills is fixed at build time."""
    head = rx.el.header(rx.el.h1("Component kit"), class_name="bar")
    sides = rx.el.div(_side("dark"), _side("light"), class_name="sides")
    # As on every page, times are rendered after hydration, so that the script writes them after React.
    shown = rx.cond(rx.State.is_hydrated, rx.fragment(sides, *_overlays()), skeleton.table())
    return rx.el.main(head, shown, custom_attrs={"id": "main"}, tab_index=-1)


def _side(theme: str) -> rx.Component:
    return rx.el.section(
        _words(),
        _figures(),
        _filters(),
        _tables(),
        pictures.day(),
        _charts(),
        _ahead(),
        _text(theme),
        *pictures.editors(theme),
        _forms(theme),
        *pictures.over(theme),
        *pictures.waiting(),
        class_name=f"in-{theme}",
        aria_label=f"{theme} theme",
    )


def _words() -> rx.Component:
    """Dots, tags, namespaces, states, times, ids, keys."""
    marks = [rx.el.span(parts.dot(state, state), parts.tag(state, state)) for state in examples.STATES]
    spaces = [parts.namespace(name) for name in ("production", "staging", "default")]
    states = [rx.el.span(word, class_name=f"state s-{word}") for word in ("ok", "running", "failed", "missed")]
    at = examples.AT.isoformat()
    moments = [parts.when(at, kind, "Europe/Berlin") for kind in ("ago", "clock", "day", "short", "exact")]
    more = [parts.moment(at, "24 Mar 02:00", "Europe/Berlin"), parts.when("", "ago"), parts.copy("4f1c2ab")]
    keys = [rx.el.kbd(key) for key in ("/", "g j", "?")]
    rows = (marks, spaces, states, moments, more, keys)
    return parts.card(
        "Words", *[rx.el.div(*row, class_name="flex") for row in rows], note="dot, tag, state, time, copy, key"
    )


def _figures() -> rx.Component:
    tiles = [parts.tile(number, state, state) for number, state in enumerate(examples.STATES[:6])]
    tiles += [parts.tile("17 / 18", "endpoints in sync", "accent", share="94%", wide=True)]
    tiles += [parts.tile("41", "a filter", "ok", href="/kit")]
    return rx.el.div(*tiles, class_name="tiles")


def _filters() -> rx.Component:
    """Pills bound to the address: ``/kit?state=failing`` opens with the second one active."""
    query: Any = rx.State.router.url.query  # pyright: ignore[reportAttributeAccessIssue] -- a var with the url's parts
    pills = [parts.pill(f"all {len(examples.STATES)}", "/kit", query == "")]
    pills += [parts.pill(f"{name} 1", f"/kit?state={name}", query == f"state={name}") for name in ("failing", "late")]
    return rx.el.div(*pills, class_name="filters", aria_label="filters", role="group")


def _tables() -> rx.Component:
    rows = rx.fragment(*[_row(state) for state in examples.STATES[:4]])
    small = parts.table(["Job", "Last 20", "Took", "Outcome"], rows, numeric=("Took",))
    runs: Any = rx.Var.create(examples.TABLE)
    return rx.fragment(
        parts.card("Table", small, rx.el.div(parts.pager("/kit?page=1", "/kit?page=3"), class_name="pane"), flush=True),
        parts.card("Runs", run_table.table(runs), flush=True, aside=parts.aside(parts.link("All runs", "/runs"))),
    )


def _row(state: str) -> rx.Component:
    bars: Any = rx.Var.create(examples.BARS)
    cells: list[Any] = [
        parts.link("nightly-backup", "/kit"),
        charts.spark(bars, "the last 20 runs"),
    ]
    took = rx.el.td("41:12", class_name="num")
    return rx.el.tr(*[rx.el.td(cell) for cell in cells], took, rx.el.td(parts.tag(state, state)))


def _charts() -> rx.Component:
    took: Any = rx.Var.create(examples.DURATIONS)
    legend = parts.legend(*((f"s-{state}", state) for state in examples.STATES[:5]))
    return parts.card(
        "30 days",
        strip.strip(examples.CELLS, 30, "an example of thirty days"),
        rx.el.h2("Duration", rx.el.small(took.summary), durations.key(took)),
        durations.chart(took),
        aside=legend,
    )


def _ahead() -> rx.Component:
    ahead: Any = rx.Var.create(examples.AHEAD)
    facts = rx.el.dl(parts.fact("Endpoint", "db01"), parts.fact("Exit", "0"), class_name="facts pad")
    return parts.card("Next runs", next_runs.slots(ahead), next_runs.nights(ahead), facts, note="in Europe/Berlin")


def _text(theme: str) -> rx.Component:
    left_out = rx.Var.create("1,204 lines left out here")
    shown = (
        code.block(examples.LINES, f"an example file, {theme}"),
        code.block(examples.DIFFERENCE, f"an example difference, {theme}"),
        rx.el.pre(
            rx.foreach(examples.PIECES, lambda piece: rx.el.span(piece.text, class_name=piece.css)),
            rx.el.span(left_out, class_name="cut"),
            rx.foreach(examples.TAIL, lambda piece: rx.el.span(piece.text, class_name=piece.css)),
            class_name="term",
        ),
        parts.copy_line("crontopus-agent enroll --url https://cron.example.org"),
    )
    return parts.card("Text", *shown, note="file, difference, terminal, command")


def _forms(theme: str) -> rx.Component:
    option = rx.el.select(rx.el.option("Europe/Berlin"), name=f"zone-{theme}")
    fields = (
        parts.field("Name", rx.el.input(name=f"name-{theme}", placeholder="nightly-backup")),
        parts.field(
            "Schedule",
            rx.el.input(name=f"schedule-{theme}"),
            error="minute must be 0–59",
            hint="Cron, @daily or every 15m",
        ),
        parts.field("Time zone", option),
    )
    buttons = [rx.el.button(word, type="button", class_name=css) for word, css in _BUTTONS]
    off = rx.el.button("Disabled", type="button", disabled=True)
    notes = [parts.note(f"A note that is {state}.", state=state) for state in ("ok", "late", "failed", "accent")]
    return parts.card(
        "Forms", rx.el.div(*fields, class_name="form"), rx.el.p(*buttons, off, class_name="flex pad"), *notes
    )


_BUTTONS = (
    ("Button", ""),
    ("Primary", "primary"),
    ("Danger", "danger"),
    ("Delete", "danger solid"),
    ("Small", "small"),
)


def _overlays() -> tuple[rx.Component, ...]:
    """Buttons that open a dialog and toasts over the page."""
    opener = dialog.opens("Open a dialog", "example", word="3 hosts")
    says = [
        rx.el.button(f"Say {state}", type="button", on_click=rx.call_script(_SAY.replace("STATE", state)))
        for state in ("ok", "late", "failed")
    ]
    shown = dialog.dialog(
        "example", "Delete production/nightly-backup", rx.el.p("Removes 1 line on ", dialog.given("word"), "."),
        acts=(rx.el.button("Delete", type="button", class_name="danger solid", data_close=""),), close="Cancel",
    )  # fmt: skip
    return rx.el.p(opener, *says, class_name="flex"), shown


_SAY = "crontopus.say({text: 'Said as STATE.', state: 'STATE', href: '/kit', label: 'Open'})"
