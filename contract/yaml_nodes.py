"""A YAML document as a tree of ``Node``s with line and column, built from parser events without recursion or tags.

Scalars keep their text: the field that reads a scalar decides what a plain `no`, `0027` or `06:00` means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from contract.jobs_in_tree import MAX_BYTES

MAX_DEPTH = 32
# Nodes after all aliases are expanded. A manifest has some dozens; more than ten thousand is a "billion laughs" attack.
MAX_NODES = 10_000

# The most common error: a value such as `*/30 * * * *` or `@daily` begins with a character that is YAML syntax.
_NEEDS_QUOTES = re.compile(r"\s*(?:- )?(?P<key>[\w.-]+):\s+(?P<value>[*@%&!`].*?)\s*(?:\s#.*)?\Z")

# What a parser's message means for the author of the file. Patterns fit libyaml's and PyYAML's own messages.
_CAUSES = (
    (r"mapping values are not allowed", "a second `: ` in one value; put the value in quotes, or start a new line"),
    (r"unexpected end of stream", "a quote is not closed"),
    (r"expected ',' or", "a comma or a closing bracket is missing"),
    (r"expected key|expected <block end>|'-' indicator", "the indentation differs from the lines above"),
    (r"could not find expected ':'", "a `:` is missing after the name"),
    (r"unknown escape", r"an unknown escape after `\`; write `\\`, or use single quotes"),
    (r"alphabetic or numeric", "`*` or `&` needs quotes around the value"),
    (r"cannot start any token", "a character here needs quotes around the value"),
    (r"indentation", "the line is indented with a tab; use spaces"),
)

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z|[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), "null"),
    **dict.fromkeys(("true", "True", "TRUE", "false", "False", "FALSE"), "boolean"),
}


class Node:
    """A value in a document: ``kind`` is scalar, list or map; ``line`` and ``column`` count from one."""

    __slots__ = ("column", "kind", "line", "plain", "value", "weight")

    def __init__(self, kind: str, value: Any, line: int, column: int, plain: bool = False) -> None:
        self.kind = kind
        self.value = value
        self.line = line
        self.column = column
        self.plain = plain
        self.weight = 1

    @property
    def type(self) -> str:
        """string, integer, number, boolean, null (YAML 1.2's core schema), list or map."""
        if self.kind != "scalar":
            return self.kind
        return plain_type(self.value) if self.plain else "string"


def plain_type(text: str) -> str:
    """The type of unquoted text by YAML 1.2's core schema: `no`, `on` and `12:30` are strings."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return "integer"
    return "number" if _FLOAT.match(text) else "string"


@dataclass(frozen=True)
class Fault:
    """A fault of the document, as opposed to one of its fields."""

    code: str
    message: str
    line: int = 1
    column: int = 1


class _Stop(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True)
class Document:
    """The root, None if the document cannot be parsed, and all faults."""

    root: Node | None
    faults: tuple[Fault, ...]


def load(data: bytes) -> Document:
    """The one document in ``data``. Never raises, whatever the bytes are."""
    text = ""
    try:
        text = _text(data)
        builder = _Builder()
        builder.read(text)
    except _Stop as stop:
        return Document(None, (stop.fault,))
    except yaml.MarkedYAMLError as error:
        return Document(None, (_syntax(error, text),))
    except yaml.YAMLError as error:
        return Document(None, (Fault("yaml", f"this is not valid YAML: {error}".replace("\n", " ")),))
    return Document(builder.root, tuple(builder.faults))


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _Stop(Fault("too-large", f"the file has {len(data)} bytes; the limit is {MAX_BYTES} (256 KiB)"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode("utf-8", "replace"))
        raise _Stop(Fault("encoding", "this byte is not UTF-8; save the file as UTF-8", line, column)) from None
    control = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)
    if control:
        line, column = _place(text[: control.start()])
        message = f"control character U+{ord(control.group()):04X}; only tabs and line ends are allowed"
        raise _Stop(Fault("control-character", message, line, column))
    return text


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _syntax(error: yaml.MarkedYAMLError, text: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    wrong = next(iter(text.split("\n")[line - 1 : line]), "")
    if unquoted := _NEEDS_QUOTES.match(wrong):
        quoted = unquoted["value"].strip().replace("\\", r"\\").replace('"', r"\"")
        start = unquoted["value"][0]
        hint = f'put the value in quotes, because `{start}` is YAML syntax: {unquoted["key"]}: "{quoted}"'
        return Fault("yaml", hint, line, unquoted.start("value") + 1)
    if "\t" in wrong[: len(wrong) - len(wrong.lstrip())]:
        return Fault("yaml", "this line is indented with a tab; use spaces", line, 1)
    problem = error.problem or ""
    causes = (cause for pattern, cause in _CAUSES if re.search(pattern, problem))
    return Fault("yaml", f"this is not valid YAML: {next(causes, problem)}", line, column)


class _Builder:
    """Builds the tree from the parser's events with an explicit stack."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.faults: list[Fault] = []
        self._stack: list[Node] = []
        self._keys: list[Node | None] = []
        self._anchors: dict[str, Node] = {}

    def read(self, text: str) -> None:
        parser = _Parser(text)
        try:
            while parser.check_event():
                self._take(parser.get_event())
        finally:
            parser.dispose()
        if self.root is None:
            raise _Stop(Fault("empty", "the file is empty; a manifest starts with `apiVersion: v1`"))

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._check_tag(event)
            self._add(self._anchored(event, "scalar", event.value, not event.style))
        elif kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
            self._open(event, "map" if kind is yaml.MappingStartEvent else "list")
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            self._close()
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent and self.root is not None:
            raise _Stop(_at(event, "documents", "a second document starts here; put each job in its own file"))

    def _anchored(self, event: Any, kind: str, value: Any, plain: bool = False) -> Node:
        mark = event.start_mark
        node = Node(kind, value, mark.line + 1, mark.column + 1, plain)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _check_tag(self, event: Any) -> None:
        if event.tag:
            self.faults.append(_at(event, "tag", f"the tag {event.tag} is not allowed; write the value without it"))

    def _open(self, event: Any, kind: str) -> None:
        self._check_tag(event)
        if len(self._stack) >= MAX_DEPTH:
            raise _Stop(_at(event, "depth", f"the nesting is deeper than {MAX_DEPTH} levels"))
        self._stack.append(self._anchored(event, kind, []))
        self._keys.append(None)

    def _close(self) -> None:
        node = self._stack.pop()
        self._keys.pop()
        if node.kind == "map":
            self._check_keys(node)
        self._add(node)

    def _alias(self, event: Any) -> None:
        node = self._anchors.get(event.anchor)
        if node is None or any(node is outer for outer in self._stack):
            raise _Stop(_at(event, "alias", f"the alias *{event.anchor} has no anchor &{event.anchor} above it"))
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.weight += node.weight
        if parent.weight > MAX_NODES:
            message = f"the file has more than {MAX_NODES} values when its aliases are expanded"
            raise _Stop(Fault("bomb", message, node.line, node.column))
        if parent.kind == "list":
            parent.value.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = node
        else:
            parent.value.append((self._keys[-1], node))
            self._keys[-1] = None

    def _check_keys(self, node: Node) -> None:
        first: dict[str, Node] = {}
        kept = []
        for key, value in node.value:
            fault = _key_fault(key, first)
            if fault:
                self.faults.append(fault)
            else:
                first[key.value] = key
                kept.append((key, value))
        node.value = kept


def _key_fault(key: Node, first: dict[str, Node]) -> Fault | None:
    if key.kind != "scalar":
        return Fault("key", f"a {key.kind} cannot be a name; write text before the `:`", key.line, key.column)
    if key.plain and key.value == "<<":
        return Fault("merge-key", "merge keys (`<<`) are not supported; write each field", key.line, key.column)
    if key.value in first:
        message = f"`{key.value}` is set twice; the first is in line {first[key.value].line}"
        return Fault("duplicate-key", message, key.line, key.column)
    return None


def _at(event: Any, code: str, message: str) -> Fault:
    return Fault(code, message, event.start_mark.line + 1, event.start_mark.column + 1)


def from_plain(value: Any, at: Node | None = None) -> Node:
    """The node of JSON-able data, at the position of ``at``."""
    line, column = (at.line, at.column) if at else (1, 1)
    if isinstance(value, dict):
        pairs = [(Node("scalar", str(key), line, column), from_plain(item, at)) for key, item in value.items()]
        return Node("map", pairs, line, column)
    if isinstance(value, (list, tuple)):
        return Node("list", [from_plain(item, at) for item in value], line, column)
    if isinstance(value, str):
        return Node("scalar", value, line, column)
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    return Node("scalar", text, line, column, plain=True)


def to_plain(node: Node) -> Any:
    """The node as JSON-able data; scalars are converted by YAML 1.2's core schema."""
    if node.kind == "map":
        return {key.value: to_plain(value) for key, value in node.value}
    if node.kind == "list":
        return [to_plain(item) for item in node.value]
    kind = node.type
    if kind == "integer":
        return _integer(node.value)
    if kind == "number":
        return float(node.value.replace(".inf", "inf").replace(".nan", "nan"))
    return {"null": None, "boolean": node.value.lower() == "true"}.get(kind, node.value)


def _integer(text: str) -> int:
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text, 16) if text.startswith("0x") else int(text)
