"""Small components shared by all pages. They take values or vars and name no colour."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex_components_core.react_router.dom import ReactRouterLink


def link(text: Any, to: Any, *, css: Any = "link", **props: Any) -> rx.Component:
    """A link to a page of the console, without a reload of the document."""
    return ReactRouterLink.create(text, to=to, class_name=css, **props)


def dot(state: Any, title: Any = "") -> rx.Component:
    """A state as a mark, distinguished by shape as well as colour."""
    return rx.el.s(class_name=f"dot s-{state}", title=title)


def tag(text: Any, state: Any) -> rx.Component:
    return rx.el.span(text, class_name=f"tag s-{state}")


def namespace(name: Any) -> rx.Component:
    return rx.el.span(name, class_name=f"ns {name}")


def tile(value: Any, label: Any, state: str, *, href: str = "", share: Any = None, wide: bool = False) -> rx.Component:
    """A figure. ``href`` makes it a link; ``share`` (``94%``) draws a bar at its foot."""
    parts = [rx.el.b(value), rx.el.span(label)]
    if share is not None:
        parts.append(rx.el.u(style={"width": share}))
    css = f"tile s-{state}" + (" wide" if wide else "")
    return ReactRouterLink.create(*parts, to=href, class_name=css) if href else rx.el.div(*parts, class_name=css)


def when(at: Any, kind: str = "ago", zone: Any = "") -> rx.Component:
    """A time, kept current by the browser; the exact time in up to three zones on hover and focus.

    ``kind`` is ago (past or future; beyond an hour with the time itself), since, clock (time of day), day, short (to
    the minute, with the date if it is not today), exact, zoned (exact, with the zone's name), or yours (``15:32 your
    time``, empty where the viewer's clock agrees with that of ``zone``).
    """
    return rx.cond(at, rx.el.time("…", date_time=at, data_time=kind, data_zone=zone), rx.el.span("–"))


def moment(at: Any, text: Any, zone: Any = "") -> rx.Component:
    """A time with the fixed ``text``, such as a wall clock in another zone; tooltip as for ``when``."""
    return rx.el.time(text, date_time=at, data_time="text", data_zone=zone)


def copy(text: Any, label: str = "copy") -> rx.Component:
    """A button that copies ``text``."""
    return rx.el.button(label, class_name="copy", type="button", data_copy=text, aria_label=f"copy {text}")


def copy_line(text: Any) -> rx.Component:
    """A command with a copy button."""
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
    """Content at the right end of a card's heading."""
    return rx.el.span(*body, class_name="aside")


def table(heads: list[str], rows: rx.Component, *, numeric: tuple[str, ...] = ()) -> rx.Component:
    """A table with a sticky head; ``rows`` is a foreach of ``tr``."""
    cells = [rx.el.th(head, class_name="num" if head in numeric else "", scope="col") for head in heads]
    body = rx.el.table(rx.el.thead(rx.el.tr(*cells)), rx.el.tbody(rows))
    # The box is focusable: arrow keys scroll it even if no row has a focusable element.
    return rx.el.div(body, class_name="scroll", tab_index=0, role="group", aria_label=", ".join(filter(None, heads)))


def empty(title: Any, *body: rx.Component) -> rx.Component:
    """An empty state: what is missing and what to do next."""
    return rx.el.div(rx.el.h2(title), *body, class_name="empty")


def pill(text: Any, href: Any, on: Any, apart: Any = False) -> rx.Component:
    """A filter link; a rule separates one that is ``apart``."""
    css = rx.cond(on, "pill on", "pill")
    css = rx.cond(apart, f"{css} apart", css)
    return link(text, href, css=css, aria_current=rx.cond(on, "true", "false"))


def pills(shown: Any) -> rx.Component:
    """A foreach of ``filters.Pill``."""
    return rx.foreach(shown, lambda one: pill(one.text, one.href, one.on, one.apart))


def field(label: str, control: rx.Component, error: Any = "", hint: Any = "", error_id: str = "") -> rx.Component:
    """A labelled control with hint and error; the control's ``aria-describedby`` refers to ``error_id``."""
    props: dict[str, Any] = {"id": error_id} if error_id else {}
    return rx.el.div(
        rx.el.label(label, control, class_name="field"),
        rx.cond(hint, rx.el.span(hint, class_name="hint")),
        rx.cond(error, rx.el.div(error, class_name="wrong", role="alert", **props)),
    )


def note(*body: Any, state: Any = "late") -> rx.Component:
    return rx.el.div(*body, class_name=f"note s-{state}")


def fact(label: str, value: Any) -> rx.Component:
    return rx.el.div(rx.el.dt(label), rx.el.dd(value))


def legend(*states: tuple[str, str]) -> rx.Component:
    """A legend of (class, text) pairs."""
    marks = [part for css, word in states for part in (rx.el.i(class_name=css), word)]
    return rx.el.span(*marks, class_name="legend")


def pager(before: Any, after: Any, words: tuple[str, str] = ("Newer", "Older"), summary: Any = "") -> rx.Component:
    """Links to the previous and the next page; an empty address draws none. ``summary``: ``1–100 of 250``."""
    return rx.el.nav(
        rx.cond(summary, rx.el.span(summary, class_name="muted")),
        rx.cond(before, link(words[0], before, css="button")),
        rx.cond(after, link(words[1], after, css="button")),
        class_name="flex pager",
        aria_label="pages of the list",
    )
