"""Sign in and register, which the browser sends to the API (assets/js/sign-in.js); and where no page is."""

from __future__ import annotations

from typing import Any, Literal

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import parts


def _door(kind: str, sentence: str, act: str, *fields: rx.Component, other: rx.Component) -> rx.Component:
    form = rx.el.form(
        *fields,
        rx.el.div(class_name="wrong", role="alert"),
        rx.el.button(act, type="submit", class_name="primary"),
        class_name="form",
        data_door=kind,
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
        rx.el.div(class_name="wrong", custom_attrs={"data-error": name}),
    )


def login() -> rx.Component:
    """``/login``; afterwards to where one wanted to go."""
    return _door(
        "session",
        "Cron jobs from Git, and every run of them seen.",
        "Sign in",
        _input("Name", "username", "text", "username", auto_capitalize="none"),
        _input("Password", "password", "password", "current-password"),
        other=rx.fragment("New here? ", parts.link("Register", "/register")),
    )


_NAME = "2 to 39 small letters, digits and single hyphens; names your repository."


def register() -> rx.Component:
    """``/register``; afterwards to the three steps of the start."""
    return _door(
        "register",
        "A repository of your own for your cron jobs, and a watch over every run.",
        "Register",
        _input("Name", "username", "text", "username", _NAME, auto_capitalize="none"),
        _input("E-mail", "email", "email", "email"),
        _input("Password", "password", "password", "new-password", "At least 10 characters."),
        other=rx.fragment("Already registered? ", parts.link("Sign in", "/login")),
    )


def missing() -> rx.Component:
    """Where no page is: an address mistyped or gone. It asks nobody, so it says the same to all."""
    ways = rx.el.div(
        parts.link("Overview", "/", css="button primary"),
        parts.link("Jobs", "/jobs", css="button"),
        parts.link("Search", "/search", css="button"),
        class_name="flex",
    )
    card = rx.el.div(
        shell.brand(),
        rx.el.h1("There is no such page"),
        rx.el.p("The address may be mistyped, or what it led to has another name now."),
        ways,
        class_name="card",
    )
    return rx.el.main(card, class_name="door", id="main")
