"""What stands around the editor: the meaning, the plan, how a save went, and a conflict to settle."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui.kit import next_runs, parts


def meaning(check: Any) -> rx.Component:
    """Words, next runs and nights with a clock change, by the hosts' zones."""
    told = rx.foreach(check.zones, _zone)
    none = rx.el.p("Write a schedule to see what it means.", class_name="muted")
    body = rx.el.div(
        rx.el.p(rx.el.b(check.words), id="words"),
        rx.cond(check.words, told, none),
        rx.cond(check.more, rx.el.p(check.more, class_name="muted")),
    )
    return parts.card("What it means", body)


def _zone(one: Any) -> rx.Component:
    where = rx.cond(one.hosts, rx.fragment(one.forecast.zone, " · ", one.hosts), one.forecast.zone)
    head = rx.cond(one.forecast.next_runs, rx.el.h3(where))
    return rx.el.div(head, next_runs.slots(one.forecast), next_runs.nights(one.forecast), class_name="zone")


def plan(shown: Any) -> rx.Component:
    """Host by host: the lines that go, stay and come."""
    body = rx.el.div(
        rx.cond(shown.nobody, parts.note(shown.nobody, state="late")),
        rx.cond(shown.unknown, parts.note(shown.unknown, state="late")),
        rx.foreach(shown.hosts, _host),
        rx.cond(shown.more, rx.el.p(shown.more, class_name="muted")),
        id="plan",
    )
    return parts.card("Plan", body, note=shown.summary)


def _host(host: Any) -> rx.Component:
    head = rx.el.div(
        parts.dot(host.state), parts.link(host.name, host.href), " ", rx.el.span(host.label, class_name="muted")
    )
    lines = rx.cond(host.lines, diff(host.lines))
    return rx.el.div(head, lines, rx.cond(host.note, rx.el.small(host.note)), class_name="plan-host")


def diff(lines: Any) -> rx.Component:
    """Lines with their signs, so that colour is not alone."""
    row = lambda line: rx.el.div(  # noqa: E731 -- a cell and a sign, used once
        rx.el.em(line.sign), rx.el.code(line.text), class_name=f"ln {line.css}"
    )
    return rx.el.div(rx.foreach(lines, row), class_name="lines diff", tab_index=0)


def saved(told: Any) -> rx.Component:
    """In one place, so that nothing moves: saving, saved as, on how many hosts, or why not."""
    state = rx.match(told.state, ("done", "ok"), ("failed", "failed"), "running")
    said = rx.el.span(
        told.text,
        rx.cond(told.commit, rx.fragment(" ", rx.el.code(told.commit))),
        rx.cond(told.hosts, rx.fragment(" · ", told.hosts)),
    )
    shown = rx.el.div(said, " ", rx.cond(told.href, parts.link(told.link, told.href)), class_name=f"note s-{state}")
    return rx.el.div(rx.cond(told.state, shown), role="status", id="saved", class_name="notes")


def conflict(told: Any, choose: Any, settle: Any) -> rx.Component:
    """What somebody else did to the file meanwhile, quietly until one has to choose."""
    undo = rx.el.button("Undo", type="button", data_edit="undo")
    merge = rx.el.button("Merge now", type="button", data_edit="merge")
    body = rx.match(
        told.state,
        ("noticed", _said(told, " changed this file meanwhile. ", merge)),
        ("merged", _said(told, "'s change is merged into yours. Look at it, then save. ", undo)),
        ("gone", parts.note("This job was deleted meanwhile: Save makes it again.", state="late")),
        ("open", _open(told, choose, settle)),
        rx.fragment(),
    )
    return rx.el.div(body, id="conflict", role="status", class_name="notes")


def _said(told: Any, words: str, act: rx.Component) -> rx.Component:
    commit = rx.fragment(rx.el.code(told.commit), " ", parts.when(told.at), " ")
    return rx.el.div(rx.el.span(rx.el.b(told.who), words, commit), act, class_name="note s-late line")


def _open(told: Any, choose: Any, settle: Any) -> rx.Component:
    head = rx.el.p(
        rx.el.b(told.who), " changed the same lines as you (", rx.el.code(told.commit), " ", parts.when(told.at), "). ",
        "Choose for each; the rest is merged.",
    )  # fmt: skip
    use = rx.cond(told.left, rx.fragment(told.left, " left to choose"), "Use what is chosen")

    def act(words: Any, side: str, **props: Any) -> rx.Component:
        return rx.el.button(words, type="button", on_click=settle(side), **props)

    acts = rx.el.div(
        act(use, "chosen", class_name="primary", disabled=told.left > 0),
        act("All of mine", "mine", title="your whole version, without theirs"),
        act("All of theirs", "theirs", title="their whole version, without yours"),
        act("Later", "later"),
        class_name="flex",
    )
    whole = rx.el.div(_side("Yours", told.mine), _side("Theirs", told.theirs), class_name="two")
    folded = rx.el.details(rx.el.summary("Both versions whole"), whole, class_name="fold")
    return parts.card("Two versions", head, rx.foreach(told.hunks, lambda hunk: _hunk(hunk, choose)), acts, folded)


def _hunk(hunk: Any, choose: Any) -> rx.Component:
    pick = lambda side, label: rx.el.button(  # noqa: E731 -- the same button for both sides
        label,
        type="button",
        on_click=choose(hunk.index, side),
        aria_pressed=rx.cond(hunk.choice == side, "true", "false"),
        class_name=rx.cond(hunk.choice == side, "on", ""),
    )
    sides = rx.el.div(
        rx.el.div(_side("Yours", hunk.mine), pick("mine", "Take mine")),
        rx.el.div(_side("Theirs", hunk.theirs), pick("theirs", "Take theirs")),
        class_name="two",
    )
    return rx.el.div(rx.el.h3("from line ", hunk.line), sides, class_name="hunk")


def _side(title: str, lines: Any) -> rx.Component:
    return rx.el.div(rx.el.small(title), diff(lines))
