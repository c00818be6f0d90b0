"""What differs between two versions of a manifest, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contract.yaml_nodes import load, to_plain

SHORT = 40
MOST = 4
# Written once by Crontopus itself.
IDENTITY = "metadata.id"
# A variable's value may be a secret, and the list of changes is looked at over shoulders.
UNSAID = "spec.env."
SWITCHES = {"spec.paused": ("paused", "resumed"), "spec.enabled": ("enabled", "disabled")}
DEFAULTS = {"spec.paused": False, "spec.enabled": True}
_ABSENT = object()


def in_words(before: bytes, after: bytes) -> str:
    """``schedule 30 1 * * * → 0 2 * * *, maxRuntime 20m, paused``: the fields that differ, as the newer file has them.

    At most ``MOST`` of them. Empty where one of the files is no YAML that can be read, or none with fields.
    """
    was, becomes = load(before).root, load(after).root
    if was is None or becomes is None or {was.kind, becomes.kind} != {"map"}:
        return ""
    old, new = DEFAULTS | dict(_flat("", to_plain(was))), DEFAULTS | dict(_flat("", to_plain(becomes)))
    places = [place for place in [*new, *(place for place in old if place not in new)] if place != IDENTITY]
    told = [
        _said(place, old.get(place, _ABSENT), new.get(place, _ABSENT))
        for place in places
        if old.get(place, _ABSENT) != new.get(place, _ABSENT)
    ]
    if not told:
        return "saved without a change" if before == after else "comments and layout"
    rest = len(told) - MOST
    return ", ".join(told[:MOST]) + (f" and {rest} more" if rest > 0 else "")


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each value by its place, such as ``spec.output.head``; a list is one value."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(f"{place}.{name}" if place else str(name), inner)
    else:
        yield place, value


def _said(place: str, old: Any, new: Any) -> str:
    if place in SWITCHES and new in (True, False):
        return SWITCHES[place][not new]
    name = place.removeprefix("spec.").removeprefix("metadata.")
    name = name if len(name) <= SHORT and name.isprintable() else "a field"
    was, becomes = _short(place, old), _short(place, new)
    if new is _ABSENT:
        return f"{name} removed" if was is None else f"{name} {was} removed"
    if old is _ABSENT:
        return f"{name} set" if becomes is None else f"{name} {becomes}"
    return f"{name} changed" if was is None or becomes is None else f"{name} {was} → {becomes}"


def _short(place: str, value: Any) -> str | None:
    """The value in a few characters of one line; None where that cannot be or must not be."""
    if place.startswith(UNSAID) or isinstance(value, Mapping):
        return None
    if isinstance(value, list):
        told = [_short(place, item) for item in value]
        text = ", ".join(one for one in told if one is not None) if None not in told else ""
    else:
        text = {True: "true", False: "false", None: "null"}.get(value, value) if not isinstance(value, str) else value
        text = str(text)
    return text if 0 < len(text) <= SHORT and text.isprintable() else None
