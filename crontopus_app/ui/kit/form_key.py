"""A key in each opened form that creates something: a second click sends it again and creates nothing more."""

from __future__ import annotations

import secrets
from typing import Any

import reflex as rx

NAME = "form_key"


def new_key() -> str:
    """For a form that is opened, or filled in anew after it created something."""
    return secrets.token_urlsafe(16)


def hidden(key: Any) -> rx.Component:
    return rx.el.input(type="hidden", name=NAME, value=key, read_only=True)


def key_of(form: dict[str, Any]) -> str:
    """The key that came with the form."""
    return str(form.get(NAME) or "")
