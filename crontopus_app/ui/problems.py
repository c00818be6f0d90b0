"""Errors as the console shows them: a sentence, messages at form fields, a reference to the server's log."""

from __future__ import annotations

import logging
import secrets

from reflex.event import EventSpec

from crontopus_app.base.errors import CrontopusError
from crontopus_app.ui.kit import toast, words

log = logging.getLogger(__name__)


def sentence(error: CrontopusError) -> str:
    """The error's message as plain text: without the backticks that mark commands and names."""
    return words.plain(error.message)


def fields(error: CrontopusError) -> dict[str, str]:
    """Messages by form field; those of no field under an empty name."""
    messages: dict[str, str] = {}
    for problem in error.problems:
        name = problem.field.removeprefix("spec.").removeprefix("metadata.")
        messages.setdefault(name, words.plain(problem.message))
    return messages or {"": sentence(error)}


def announce(exception: Exception) -> EventSpec:
    """Reflex's handler for exceptions that no page caught: a toast on whatever page is open."""
    return toast.say(unexpected(exception), "failed")


def unexpected(error: Exception) -> str:
    """Logs an unexpected exception and returns a sentence with its reference."""
    reference = secrets.token_hex(4)
    log.error("reference %s", reference, exc_info=error)
    return f"Server error. Reference {reference} (also in the server's log)."
