"""Errors for people: a sentence on the page, errors at the fields, a reference that is also in the log."""

from __future__ import annotations

import logging
import secrets

from reflex.event import EventSpec

from crontopus_app.base.errors import CrontopusError
from crontopus_app.ui.kit import toast

log = logging.getLogger(__name__)


def sentence(error: CrontopusError) -> str:
    """What happened and what to do; a page has no need of the marks around commands and names."""
    return error.message.replace("`", "")


def fields(error: CrontopusError) -> dict[str, str]:
    """Field name → what is wrong there; problems without a field are under an empty name."""
    found: dict[str, str] = {}
    for problem in error.problems:
        name = problem.field.removeprefix("spec.").removeprefix("metadata.")
        found.setdefault(name, problem.message)
    return found or {"": error.message}


def announce(exception: Exception) -> EventSpec:
    """Reflex's handler for what no page caught: said in the browser, whatever page is open."""
    return toast.say(unexpected(exception), "failed")


def unexpected(error: Exception) -> str:
    """Logs an error that nobody foresaw; gives the sentence with its reference."""
    reference = secrets.token_hex(4)
    log.error("reference %s", reference, exc_info=error)
    return f"Something went wrong here, not with you. Reference {reference}: it is also in the server's log."
