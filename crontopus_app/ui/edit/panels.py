"""Panels beside the editor: meaning of the schedule, plan, save status, conflict."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui.kit import next_runs, parts


def meaning(check: Any) -> rx.Component:
    """The schedule in words, next runs and nights with a clock change, by the hosts' zones."""
    zones = rx.foreach(check.zones, _zone)
    error = "The schedule has an error: see the field."
    none = rx.el.p(
        rx.cond(check.wrong["schedule"], error, "Enter a schedule to see what it means."), class_name="muted"
    )
    body = rx.el.div(
        rx.el.p(rx.el.b(check.words), id="words"),
        rx.cond(check.words, zones, none),
        rx.cond(check.more, rx.el.p(check.more, class_name="muted")),
    )
    return parts.card("What it means", body)


def _zone(one: Any) -> rx.Component:
    where = rx.cond(one.hosts, rx.fragment(one.forecast.zone, " · ", one.hosts), one.forecast.zone)
    head = rx.cond(one.forecast.next_runs, rx.el.h3(where))
    return rx.el.div(head, next_runs.slots(one.forecast), next_runs.nights(one.forecast), class_name="zone")


def plan(shown: Any) -> rx.Component:
    """The plan: removed, unchanged and added crontab lines of each host."""
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
        parts.dot(host.state), rx.el.span(host.label, class_name="muted"), " ", parts.link(host.name, host.href)
    )
    lines = rx.cond(host.lines, diff(host.lines))
    return rx.el.div(head, lines, rx.cond(host.note, rx.el.small(host.note)), class_name="plan-host")


def diff(lines: Any) -> rx.Component:
    """Diff lines, marked by sign and colour."""
    row = lambda line: rx.el.div(  # noqa: E731 -- a cell and a sign, used once
        rx.el.em(line.sign), rx.el.code(line.text), class_name=f"ln {line.css}"
    )
    return rx.el.div(rx.foreach(lines, row), class_name="lines diff", tab_index=0)


def saved(status: Any) -> rx.Component:
    """The status of the last save: saving, the commit and its hosts, or the error."""
    state = rx.match(status.state, ("done", "ok"), ("failed", "failed"), "running")
    text = rx.el.span(
        status.text,
        rx.cond(status.commit, rx.fragment(" ", rx.el.code(status.commit))),
        rx.cond(status.hosts, rx.fragment(" · ", status.hosts)),
    )
    link = rx.cond(status.href, parts.link(status.link, status.href))
    shown = rx.el.div(text, " ", link, class_name=f"note s-{state}")
    return rx.el.div(rx.cond(status.state, shown), role="status", id="saved", class_name="notes")


def conflict(shown: Any, choose: Any, settle: Any) -> rx.Component:
    """Another user's change of the file: a note, or the choices to make."""
    undo = rx.el.button("Undo", type="button", data_edit="undo")
    merge = rx.el.button("Merge now", type="button", data_edit="merge")
    body = rx.match(
        shown.state,
        ("noticed", _note(shown, " has changed this file since you opened it. ", merge)),
        ("merged", _note(shown, "'s change is merged into yours. Review it, then save. ", undo)),
        ("gone", parts.note("This job has been deleted; saving recreates it.", state="late")),
        ("open", _open(shown, choose, settle)),
        rx.fragment(),
    )
    return rx.el.div(body, id="conflict", role="status", class_name="notes")


def _note(shown: Any, text: str, action: rx.Component) -> rx.Component:
    commit = rx.fragment(rx.el.code(shown.commit), " ", parts.when(shown.at), " ")
    return rx.el.div(rx.el.span(rx.el.b(shown.who), text, commit), action, class_name="note s-late line")


def _open(shown: Any, choose: Any, settle: Any) -> rx.Component:
    head = rx.el.p(
        rx.el.b(shown.who), " changed the same lines (", rx.el.code(shown.commit), " ", parts.when(shown.at), "). ",
        "Choose a version for each conflict; the rest is merged.",
    )  # fmt: skip
    left = rx.cond(shown.left == 1, "1 conflict left", rx.fragment(shown.left, " conflicts left"))

    def button(text: Any, side: str, **props: Any) -> rx.Component:
        return rx.el.button(text, type="button", on_click=settle(side), **props)

    buttons = rx.el.div(
        button("Apply choices", "chosen", class_name="primary", disabled=shown.left > 0),
        button("Keep all of mine", "mine", title="your full version, without theirs"),
        button("Take all of theirs", "theirs", title="their full version, without yours"),
        button("Decide later", "later"),
        rx.cond(shown.left > 0, rx.el.span(left, class_name="muted")),
        class_name="flex",
    )
    both = rx.el.div(_side("Yours", shown.mine), _side("Theirs", shown.theirs), class_name="two")
    folded = rx.el.details(rx.el.summary("Show both files"), both, class_name="fold")
    return parts.card("Conflict", head, rx.foreach(shown.hunks, lambda hunk: _hunk(hunk, choose)), buttons, folded)


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
    return rx.el.div(rx.el.h3("From line ", hunk.line), sides, class_name="hunk")


def _side(title: str, lines: Any) -> rx.Component:
    return rx.el.div(rx.el.small(title), diff(lines))
