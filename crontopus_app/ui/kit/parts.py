"""The small components that pages are made of. Each takes typed values or vars and names no colour."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex_components_core.react_router.dom import ReactRouterLink


def link(text: Any, to: Any, *, css: Any = "link", **props: Any) -> rx.Component:
    """A link to one of our pages, without loading the document again."""
    return ReactRouterLink.create(text, to=to, class_name=css, **props)


def dot(state: Any, title: Any = "") -> rx.Component:
    """A state as a mark; its shape differs too, colour is never the only sign."""
    return rx.el.s(class_name=f"dot s-{state}", title=title)


def tag(text: Any, state: Any) -> rx.Component:
    return rx.el.span(text, class_name=f"tag s-{state}")


def namespace(name: Any) -> rx.Component:
    return rx.el.span(name, class_name=f"ns {name}")


def tile(value: Any, label: Any, state: str, *, href: str = "", share: Any = None, wide: bool = False) -> rx.Component:
    """A figure; with ``href`` it is a filter, with ``share`` (``94%``) it has a bar at its foot."""
    parts = [rx.el.b(value), rx.el.span(label)]
    if share is not None:
        parts.append(rx.el.u(style={"width": share}))
    css = f"tile s-{state}" + (" wide" if wide else "")
    return ReactRouterLink.create(*parts, to=href, class_name=css) if href else rx.el.div(*parts, class_name=css)


def when(at: Any, kind: str = "ago", zone: Any = "") -> rx.Component:
    """A moment, kept current by the browser; the exact time in three zones on hover and on focus.

    ``kind`` is ago (either way), since, clock, day, short (to the minute, the day where it is not today) or exact.
    """
    return rx.cond(at, rx.el.time("…", date_time=at, data_time=kind, data_zone=zone), rx.el.span("–"))


def moment(at: Any, text: Any, zone: Any = "") -> rx.Component:
    """A moment in words that are not the browser's, such as a wall clock elsewhere; the three zones as for ``when``."""
    return rx.el.time(text, date_time=at, data_time="text", data_zone=zone)


def copy(text: Any, label: str = "copy") -> rx.Component:
    """A button that copies ``text``."""
    return rx.el.button(label, class_name="copy", type="button", data_copy=text, aria_label=f"copy {text}")


def copy_line(text: Any) -> rx.Component:
    """A command to paste into a terminal, with its button."""
    return rx.el.div(
        rx.el.pre(text, tab_index=0), rx.el.button("copy", type="button", data_copy=text), class_name="copyline"
    )


def card(title: Any, *body: rx.Component, note: Any = "", flush: bool = False, aside: Any = None) -> rx.Component:
    """A section with a heading."""
    head: list[Any] = [title, rx.el.small(note)]
    if aside is not None:
        head.append(aside)
    return rx.el.section(rx.el.h2(*head), *body, class_name="card flush" if flush else "card")


def aside(*body: Any) -> rx.Component:
    """What stands at the right end of a card's heading: a link to all of it."""
    return rx.el.span(*body, class_name="aside")


def table(heads: list[str], rows: rx.Component, *, numeric: tuple[str, ...] = ()) -> rx.Component:
    """A table whose head stays in view; ``rows`` is a foreach of ``tr``."""
    cells = [rx.el.th(head, class_name="num" if head in numeric else "", scope="col") for head in heads]
    body = rx.el.table(rx.el.thead(rx.el.tr(*cells)), rx.el.tbody(rows))
    # The box takes the focus, so that arrow keys scroll it also where no row holds anything to focus.
    return rx.el.div(body, class_name="scroll", tab_index=0, role="group", aria_label=", ".join(filter(None, heads)))


def empty(title: Any, *body: rx.Component) -> rx.Component:
    """What to do next where there is nothing yet."""
    return rx.el.div(rx.el.h2(title), *body, class_name="empty")


def pill(text: Any, href: Any, on: Any, apart: Any = False) -> rx.Component:
    """A filter that lives in the URL; a rule stands before one that is ``apart``."""
    css = rx.cond(on, "pill on", "pill")
    css = rx.cond(apart, f"{css} apart", css)
    return link(text, href, css=css, aria_current=rx.cond(on, "true", "false"))


def pills(shown: Any) -> rx.Component:
    """A foreach of ``filters.Pill``."""
    return rx.foreach(shown, lambda one: pill(one.text, one.href, one.on, one.apart))


def field(label: str, control: rx.Component, error: Any = "", hint: Any = "", error_id: str = "") -> rx.Component:
    """A labelled control with its hint and its error; ``error_id`` is for the control's ``aria-describedby``."""
    named: dict[str, Any] = {"id": error_id} if error_id else {}
    return rx.el.div(
        rx.el.label(label, control, class_name="field"),
        rx.cond(hint, rx.el.span(hint, class_name="hint")),
        rx.cond(error, rx.el.div(error, class_name="wrong", role="alert", **named)),
    )


def note(*body: Any, state: Any = "late") -> rx.Component:
    return rx.el.div(*body, class_name=f"note s-{state}")


def fact(label: str, value: Any) -> rx.Component:
    return rx.el.div(rx.el.dt(label), rx.el.dd(value))


def legend(*states: tuple[str, str]) -> rx.Component:
    """Pairs of class and word."""
    marks = [part for css, word in states for part in (rx.el.i(class_name=css), word)]
    return rx.el.span(*marks, class_name="legend")


def pager(before: Any, after: Any, words: tuple[str, str] = ("Newer", "Older"), said: Any = "") -> rx.Component:
    """Server-side pages: links, so that each page can be sent to a colleague; an empty address draws none.

    ``said`` tells before them what is shown: ``1–100 of 250``.
    """
    return rx.el.nav(
        rx.cond(said, rx.el.span(said, class_name="muted")),
        rx.cond(before, link(words[0], before, css="button")),
        rx.cond(after, link(words[1], after, css="button")),
        class_name="flex pager",
        aria_label="pages of the list",
    )
