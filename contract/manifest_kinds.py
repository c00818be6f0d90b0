"""Kinds of field values. Each kind reads a node, writes its value as plain data, and describes itself as JSON Schema.

The tables of fields (``manifest_fields``, ``policy_fields``) use these kinds; decoder, forms, schema and documentation
come from the tables. Reading continues after an error, so that a file reports all its errors.
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Callable, Optional

from contract.manifest_types import Problem
from contract.manifest_values import format_duration, format_size, parse_duration, parse_size
from contract.yaml_nodes import Fault, Node

BAD: Any = object()
"""What ``Kind.read`` returns after it has reported an error to the reader."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MANY = 100
_A = {"integer": "an integer", "map": "a map", "list": "a list", "null": "empty"}


class Reader:
    """Collects the problems of a file and the line and column of each field."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.errors: list[Problem] = []
        self.notes: list[Problem] = []
        self.places: dict[str, tuple[int, int]] = {}

    @property
    def full(self) -> bool:
        """Whether there are too many errors to add suggestions to further ones."""
        return len(self.errors) >= _MANY

    def error(self, at: Node, where: str, message: str, code: str = "value") -> Any:
        """Reports an error and returns ``BAD``."""
        self.errors.append(self._problem(at, where, message, code, "error"))
        return BAD

    def note(self, at: Node, where: str, message: str, code: str) -> None:
        self.notes.append(self._problem(at, where, message, code, "warning"))

    def fault(self, fault: Fault) -> None:
        """Reports a fault of the document."""
        at = Node("scalar", "", fault.line, fault.column)
        self.errors.append(self._problem(at, "", fault.message, fault.code, "error"))

    def problems(self) -> tuple[Problem, ...]:
        """The errors ordered by line and column. After the first hundred, one error with the number of the rest."""
        ordered = sorted(self.errors, key=lambda each: (each.line, each.column))
        if len(ordered) <= _MANY:
            return tuple(ordered)
        after = ordered[_MANY]
        more = f"and {len(ordered) - _MANY} more errors from here on"
        return (*ordered[:_MANY], replace(after, code="more", message=more, field=""))

    def _problem(self, at: Node, where: str, message: str, code: str, severity: str) -> Problem:
        return Problem(code, _clip(message, 600), self.path, at.line, at.column, _clip(where, 200), severity)

    def wrong_type(self, at: Node, where: str, expected: str) -> Any:
        kind = _A.get(at.type, f"a {at.type}")
        hint = f"; put it in quotes: '{at.value}'" if expected == "text" and at.kind == "scalar" and at.value else ""
        return self.error(at, where, f"`{where}` must be {expected}, not {kind}{hint}", "type")


class Kind(ABC):
    """``read`` returns the value or ``BAD``; ``plain`` is its inverse; ``schema`` describes the accepted values."""

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
    """A string. ``loose`` accepts unquoted numbers and booleans as text. ``check`` returns what is wrong, or None."""

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
        message = self._error(node.value)
        return reader.error(node, where, f"`{where}` {message}") if message else node.value

    def _error(self, text: str) -> str | None:
        control = _CONTROL.search(text)
        if control:
            return f"contains the control character U+{ord(control.group()):04X}"
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
        result: dict[str, Any] = {"type": ["string", "number", "boolean"] if self.loose else "string"}
        if self.pattern:
            result["pattern"] = self.pattern.replace(r"\Z", "$")
        elif not self.empty:
            result["pattern"] = r"\S"
        return {**result, "maxLength": self.longest}


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
    """A number from 0 to 1."""

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
class Quantity(Kind):
    """A duration or a size: text with a unit, or an integer. ``least`` and ``most`` bound the parsed value."""

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
        except ValueError as error:
            return reader.error(node, where, f"`{where}` {error}")
        if not self.least <= value <= self.most:
            bounds = f"from {self.show(self.least)} to {self.show(self.most)}"
            return reader.error(node, where, f"`{where}` must be {bounds}, not {node.value}")
        return value

    def plain(self, value: Any) -> Any:
        text = self.show(value)
        return int(text) if text.isdigit() else text

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": self.pattern}]}


def duration(least: timedelta = timedelta(seconds=1), most: timedelta = timedelta(days=400)) -> Quantity:
    pattern = r"^(?=.)(\d+|(\d+d)?(\d+h)?(\d+m)?(\d+s)?)$"
    return Quantity("a duration", parse_duration, format_duration, pattern, least, most)


def size(most: int) -> Quantity:
    return Quantity("a size", parse_size, format_size, r"^\d+\s?(B|KiB|MiB|GiB)?$", 0, most)


@dataclass(frozen=True)
class ListOf(Kind):
    """A list. ``single`` also accepts one value in place of a list."""

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
            return reader.error(node, where, f"`{where}` contains an entry twice; remove one")
        return values

    def plain(self, value: Any) -> Any:
        if self.single and len(value) == 1:
            return self.item.plain(value[0])
        return [self.item.plain(item) for item in value]

    def schema(self) -> dict[str, Any]:
        result: dict[str, Any] = {"type": "array", "items": self.item.schema(), "maxItems": self.most}
        result.update({"minItems": self.least} if self.least else {}, **({"uniqueItems": True} if self.unique else {}))
        return {"anyOf": [self.item.schema(), result]} if self.single else result


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
        result = {}
        for key, item in node.value:
            name = Text.read(self.key, Node("scalar", key.value, key.line, key.column), f"{where} key", reader)
            result[key.value] = self.item.read(item, f"{where}.{key.value}", reader)
            if name is BAD:
                result[key.value] = BAD
            reader.places[f"{where}.{key.value}"] = (item.line, item.column)
        return BAD if any(value is BAD for value in result.values()) else result

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
    """``first`` for scalars of ``types``, else ``other``."""

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
    return text if len(text) <= most else text[: most - 1] + "…"


def join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def did_you_mean(text: str, names: Iterable[str]) -> str:
    """A suggestion such as "; did you mean `x`?"; empty if no name is similar."""
    lower = {name.lower(): name for name in names}
    matches = difflib.get_close_matches(text[:64].lower(), lower, n=1, cutoff=0.6)
    return f"; did you mean `{lower[matches[0]]}`?" if matches else ""
