"""The differences between two versions of a manifest, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contract.yaml_nodes import load, to_plain

SHORT = 40
MOST = 4
# Crontopus writes it once, and users do not change it.
IDENTITY = "metadata.id"
# The values of variables may be secrets, so only their names appear.
VARIABLES = "spec.env."
SWITCHES = {"spec.paused": ("paused", "resumed"), "spec.enabled": ("enabled", "disabled")}
DEFAULTS = {"spec.paused": False, "spec.enabled": True}
_ABSENT = object()


def in_words(before: bytes, after: bytes) -> str:
    """The fields that differ, such as ``schedule 30 1 * * * → 0 2 * * *, maxRuntime 20m, paused``.

    Lists at most ``MOST`` fields, in the order of the newer file. Empty if one of the files is not a YAML map.
    """
    old_root, new_root = load(before).root, load(after).root
    if old_root is None or new_root is None or {old_root.kind, new_root.kind} != {"map"}:
        return ""
    old, new = DEFAULTS | dict(_flat("", to_plain(old_root))), DEFAULTS | dict(_flat("", to_plain(new_root)))
    places = [place for place in [*new, *(place for place in old if place not in new)] if place != IDENTITY]
    phrases = [
        _phrase(place, old.get(place, _ABSENT), new.get(place, _ABSENT))
        for place in places
        if old.get(place, _ABSENT) != new.get(place, _ABSENT)
    ]
    if not phrases:
        return "saved without a change" if before == after else "comments and layout"
    rest = len(phrases) - MOST
    return ", ".join(phrases[:MOST]) + (f" and {rest} more" if rest > 0 else "")


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Pairs of a field's path, such as ``spec.output.head``, and its value. A list is one value."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(f"{place}.{name}" if place else str(name), inner)
    else:
        yield place, value


def _phrase(place: str, old: Any, new: Any) -> str:
    if place in SWITCHES and new in (True, False):
        return SWITCHES[place][not new]
    name = place.removeprefix("spec.").removeprefix("metadata.")
    name = name if len(name) <= SHORT and name.isprintable() else "a field"
    old_text, new_text = _short(place, old), _short(place, new)
    if new is _ABSENT:
        return f"{name} removed" if old_text is None else f"{name} {old_text} removed"
    if old is _ABSENT:
        return f"{name} set" if new_text is None else f"{name} {new_text}"
    return f"{name} changed" if old_text is None or new_text is None else f"{name} {old_text} → {new_text}"


def _short(place: str, value: Any) -> str | None:
    """The value as one line of at most ``SHORT`` characters; None if it is longer, or may be a secret."""
    if place.startswith(VARIABLES) or isinstance(value, Mapping):
        return None
    if isinstance(value, list):
        texts = [_short(place, item) for item in value]
        text = ", ".join(one for one in texts if one is not None) if None not in texts else ""
    else:
        text = {True: "true", False: "false", None: "null"}.get(value, value) if not isinstance(value, str) else value
        text = str(text)
    return text if 0 < len(text) <= SHORT and text.isprintable() else None
