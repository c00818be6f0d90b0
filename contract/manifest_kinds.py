"""Kinds of values: each reads a node, writes the value back as plain data, and describes itself as JSON Schema.

The tables of fields (``manifest_fields``, ``policy_fields``) are made of these, so that decoder, forms, schema and
documentation cannot disagree. A reader keeps going after an error: all errors of a file are told at once.
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Callable, Optional

from contract.manifest_types import Problem
from contract.manifest_values import format_duration, format_size, parse_duration, parse_size
from contract.yaml_nodes import Fault, Node

BAD: Any = object()
"""What a kind returns after it has told the reader an error."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MANY = 100
_A = {"integer": "an integer", "map": "a map", "list": "a list", "null": "empty"}


class Reader:
    """Collects problems and where each field stands."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.errors: list[Problem] = []
        self.notes: list[Problem] = []
        self.places: dict[str, tuple[int, int]] = {}

    @property
    def full(self) -> bool:
        """So many errors that suggestions for more help nobody."""
        return len(self.errors) >= _MANY

    def error(self, at: Node, where: str, message: str, code: str = "value") -> Any:
        """Tells an error and returns ``BAD``."""
        self.errors.append(self._problem(at, where, message, code, "error"))
        return BAD

    def note(self, at: Node, where: str, message: str, code: str) -> None:
        self.notes.append(self._problem(at, where, message, code, "warning"))

    def fault(self, fault: Fault) -> None:
        """An error of the document itself."""
        at = Node("scalar", "", fault.line, fault.column)
        self.errors.append(self._problem(at, "", fault.message, fault.code, "error"))

    def told(self) -> tuple[Problem, ...]:
        """The errors in the order of their places; after the first hundred only how many more there are."""
        ordered = sorted(self.errors, key=lambda each: (each.line, each.column))
        if len(ordered) <= _MANY:
            return tuple(ordered)
        after = ordered[_MANY]
        more = f"and {len(ordered) - _MANY} more errors from here on"
        return (*ordered[:_MANY], replace(after, code="more", message=more, field=""))

    def _problem(self, at: Node, where: str, message: str, code: str, severity: str) -> Problem:
        return Problem(code, _clip(message, 600), self.path, at.line, at.column, _clip(where, 200), severity)

    def wrong_type(self, at: Node, where: str, wanted: str) -> Any:
        kind = _A.get(at.type, f"a {at.type}")
        hint = f"; put it in quotes: '{at.value}'" if wanted == "text" and at.kind == "scalar" and at.value else ""
        return self.error(at, where, f"`{where}` must be {wanted}, this is {kind}{hint}", "type")


class Kind(ABC):
    """Base: ``read`` returns the value or ``BAD``; ``plain`` is its inverse; ``schema`` describes what is accepted."""

    words: str

    @abstractmethod
    def read(self, node: Node, where: str, reader: Reader) -> Any: ...

    def plain(self, value: Any) -> Any:
        return value

    @abstractmethod
    def schema(self) -> dict[str, Any]: ...


Check = Callable[[str], Optional[str]]


@dataclass(frozen=True)
class Text(Kind):
    """A string. ``loose``: plain numbers and booleans count as their text. ``check`` answers with what is wrong."""

    words: str = "text"
    pattern: str = ""
    hint: str = ""
    longest: int = 4096
    lines: bool = False
    empty: bool = False
    loose: bool = False
    check: Check | None = None

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.kind != "scalar" or not (node.type == "string" or (self.loose and node.type != "null")):
            return reader.wrong_type(node, where, "text")
        wrong = self._wrong(node.value)
        return reader.error(node, where, f"`{where}` {wrong}") if wrong else node.value

    def _wrong(self, text: str) -> str | None:
        found = _CONTROL.search(text)
        if found:
            return f"contains the control character U+{ord(found.group()):04X}"
        if not self.lines and "\n" in text:
            return "must be a single line"
        if not text.strip() and not self.empty:
            return "must not be empty"
        if len(text) > self.longest:
            return f"is longer than {self.longest} characters"
        if self.pattern and not re.search(self.pattern, text):
            return f"{text!r} {self.hint or 'does not match ' + self.pattern}"
        return self.check(text) if self.check else None

    def schema(self) -> dict[str, Any]:
        made: dict[str, Any] = {"type": ["string", "number", "boolean"] if self.loose else "string"}
        if self.pattern:
            made["pattern"] = self.pattern.replace(r"\Z", "$")
        elif not self.empty:
            made["pattern"] = r"\S"
        return {**made, "maxLength": self.longest}


@dataclass(frozen=True)
class Integer(Kind):
    least: int = 0
    most: int = 1_000_000
    words: str = "an integer"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.type != "integer" or not re.match(r"[-+]?(0|[1-9][0-9]{0,8})\Z", node.value):
            return reader.wrong_type(
                node, where, "an integer" if node.type != "integer" else "a decimal integer of at most nine digits"
            )
        value = int(node.value)
        if not self.least <= value <= self.most:
            return reader.error(node, where, f"`{where}` must be from {self.least} to {self.most}, not {value}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Number(Kind):
    """A share between 0 and 1."""

    words: str = "a number from 0 to 1"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.type not in ("integer", "number") or not re.match(r"[-+.\d]{1,20}\Z", node.value):
            return reader.wrong_type(node, where, "a number")
        value = float(node.value)
        return value if 0 <= value <= 1 else reader.error(node, where, f"`{where}` must be from 0 to 1, not {value}")

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True)
class Boolean(Kind):
    words: str = "true or false"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.type != "boolean":
            shown = f", not {node.value!r}" if node.kind == "scalar" and node.value else ""
            return reader.error(node, where, f"`{where}` must be true or false{shown}", "type")
        return node.value.lower() == "true"

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Choice(Kind):
    options: tuple[str, ...]

    @property
    def words(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - computed from the options
        return " | ".join(f"`{option}`" for option in self.options)

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.kind == "scalar" and node.value in self.options:
            return node.value
        if node.kind != "scalar":
            return reader.wrong_type(node, where, " or ".join(self.options))
        hint = did_you_mean(node.value, self.options)
        return reader.error(node, where, f"`{where}` must be {' or '.join(self.options)}, not {node.value!r}{hint}")

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.options)}


@dataclass(frozen=True)
class Measured(Kind):
    """A number with a unit, text or bare integer; bounds are in the parsed unit."""

    words: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    pattern: str
    least: Any
    most: Any

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.kind != "scalar" or node.type in ("null", "boolean"):
            return reader.wrong_type(node, where, self.words)
        try:
            value = self.parse(node.value)
        except ValueError as wrong:
            return reader.error(node, where, f"`{where}` {wrong}")
        if not self.least <= value <= self.most:
            bounds = f"from {self.show(self.least)} to {self.show(self.most)}"
            return reader.error(node, where, f"`{where}` must be {bounds}, not {node.value}")
        return value

    def plain(self, value: Any) -> Any:
        text = self.show(value)
        return int(text) if text.isdigit() else text

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": self.pattern}]}


def duration(least: timedelta = timedelta(seconds=1), most: timedelta = timedelta(days=400)) -> Measured:
    pattern = r"^(?=.)(\d+|(\d+d)?(\d+h)?(\d+m)?(\d+s)?)$"
    return Measured("a duration", parse_duration, format_duration, pattern, least, most)


def size(most: int) -> Measured:
    return Measured("a size", parse_size, format_size, r"^\d+\s?(B|KiB|MiB|GiB)?$", 0, most)


@dataclass(frozen=True)
class ListOf(Kind):
    """A list; ``single``: one bare value is a list of it."""

    item: Kind
    single: bool = False
    least: int = 0
    most: int = 1000
    unique: bool = False

    @property
    def words(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - computed from the item
        return f"{self.item.words}, or a list of them" if self.single else f"a list: {self.item.words}"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if self.single and node.kind != "list":
            value = self.item.read(node, where, reader)
            return value if value is BAD else (value,)
        if node.kind != "list":
            return reader.wrong_type(node, where, "a list")
        if not self.least <= len(node.value) <= self.most:
            return reader.error(node, where, f"`{where}` must have {self.least} to {self.most} entries")
        values = tuple(self.item.read(item, f"{where}[{n}]", reader) for n, item in enumerate(node.value))
        if any(value is BAD for value in values):
            return BAD
        if self.unique and len(set(values)) < len(values):
            return reader.error(node, where, f"`{where}` has an entry twice")
        return values

    def plain(self, value: Any) -> Any:
        if self.single and len(value) == 1:
            return self.item.plain(value[0])
        return [self.item.plain(item) for item in value]

    def schema(self) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "array", "items": self.item.schema(), "maxItems": self.most}
        made.update({"minItems": self.least} if self.least else {}, **({"uniqueItems": True} if self.unique else {}))
        return {"anyOf": [self.item.schema(), made]} if self.single else made


@dataclass(frozen=True)
class MapOf(Kind):
    """A map from names to values."""

    key: Text
    item: Kind
    most: int = 200

    @property
    def words(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - computed from the item
        return f"a map: {self.item.words}"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.kind != "map":
            return reader.wrong_type(node, where, "a map")
        if len(node.value) > self.most:
            return reader.error(node, where, f"`{where}` has more than {self.most} entries")
        made = {}
        for key, item in node.value:
            name = Text.read(self.key, Node("scalar", key.value, key.line, key.column), f"{where} key", reader)
            made[key.value] = self.item.read(item, f"{where}.{key.value}", reader)
            if name is BAD:
                made[key.value] = BAD
            reader.places[f"{where}.{key.value}"] = (item.line, item.column)
        return BAD if any(value is BAD for value in made.values()) else made

    def plain(self, value: Any) -> Any:
        return {key: self.item.plain(item) for key, item in value.items()}

    def schema(self) -> dict[str, Any]:
        names = {key: value for key, value in self.key.schema().items() if key != "type"}
        return {
            "type": "object",
            "propertyNames": names,
            "additionalProperties": self.item.schema(),
            "maxProperties": self.most,
        }


@dataclass(frozen=True)
class Either(Kind):
    """The first kind whose scalar type fits; the last one tells the error."""

    first: Kind
    types: tuple[str, ...]
    other: Kind

    @property
    def words(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - computed from both
        return f"{self.other.words} | {self.first.words}"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        return (self.first if node.type in self.types else self.other).read(node, where, reader)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.first.schema(), self.other.schema()]}


def _clip(text: str, most: int) -> str:
    """What is told stays readable, whatever was written in the file."""
    return text if len(text) <= most else text[: most - 1] + "…"


def join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """`; did you mean `x`?`, or nothing when no name is near."""
    names: Sequence[str] = list(known)
    lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(text[:64].lower(), lower, n=1, cutoff=0.6)
    return f"; did you mean `{lower[found[0]]}`?" if found else ""
