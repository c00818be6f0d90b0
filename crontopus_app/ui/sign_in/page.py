"""Sign-in, registration and the 404 page. The browser posts both forms to the API (assets/js/sign-in.js)."""

from __future__ import annotations

from typing import Any, Literal

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import parts


def _form_page(kind: str, sentence: str, submit: str, *fields: rx.Component, other: rx.Component) -> rx.Component:
    form = rx.el.form(
        *fields,
        rx.el.div(class_name="wrong", role="alert"),
        rx.el.button(submit, type="submit", class_name="primary"),
        class_name="form",
        data_door=kind,
        # The server checks all fields at once; the browser would name one at a time.
        no_validate=True,
    )
    foot = rx.el.p(other, class_name="door-other")
    card = rx.el.div(rx.el.h1(shell.brand()), rx.el.p(sentence), form, foot, class_name="card")
    return rx.el.main(card, class_name="door", id="main")


def _input(
    label: str, name: str, kind: Literal["text", "email", "password"], complete: str, hint: str = "", **props: Any
) -> rx.Component:
    control = rx.el.input(name=name, type=kind, auto_complete=complete, required=True, **props)
    return rx.el.div(
        rx.el.label(label, control, class_name="field"),
        rx.el.span(hint, class_name="hint") if hint else rx.fragment(),
        rx.el.div(class_name="wrong", id=f"{name}-error", custom_attrs={"data-error": name}),
    )


def login() -> rx.Component:
    """``/login``. After signing in the browser goes to the page named by ``next``."""
    return _form_page(
        "session",
        "Cron jobs in Git, every run monitored.",
        "Sign in",
        _input("User name", "username", "text", "username", auto_capitalize="none"),
        _input("Password", "password", "password", "current-password"),
        other=rx.fragment("New here? ", parts.link("Register", "/register")),
    )


_NAME_HINT = "2–39 lower-case letters, digits or hyphens. Becomes your repository's name."


def register() -> rx.Component:
    """``/register``. After registration the browser goes to ``/start``."""
    return _form_page(
        "register",
        "Your own Git repository for cron jobs, with every run monitored.",
        "Register",
        _input("User name", "username", "text", "username", _NAME_HINT, auto_capitalize="none"),
        _input("E-mail", "email", "email", "email"),
        _input("Password", "password", "password", "new-password", "At least 10 characters."),
        other=rx.fragment("Already registered? ", parts.link("Sign in", "/login")),
    )


def missing() -> rx.Component:
    """The 404 page. It reads no data, so it shows the same to everybody."""
    links = rx.el.div(
        parts.link("Overview", "/", css="button primary"),
        parts.link("Jobs", "/jobs", css="button"),
        parts.link("Search", "/search", css="button"),
        class_name="flex",
    )
    card = rx.el.div(
        shell.brand(),
        rx.el.h1("Page not found"),
        rx.el.p("Check the address, or the item may have been renamed."),
        links,
        class_name="card",
    )
    return rx.el.main(card, class_name="door", id="main")
