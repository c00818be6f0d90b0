"""Idempotency key of a form that creates something: a second click sends it again and creates nothing."""

from __future__ import annotations

import secrets
from typing import Any

import reflex as rx

NAME = "form_key"


def new_key() -> str:
    """A key for a form just opened, or emptied after it created something."""
    return secrets.token_urlsafe(16)


def hidden(key: Any) -> rx.Component:
    return rx.el.input(type="hidden", name=NAME, value=key, read_only=True)


def key_of(form: dict[str, Any]) -> str:
    """The key in a submitted form."""
    return str(form.get(NAME) or "")
