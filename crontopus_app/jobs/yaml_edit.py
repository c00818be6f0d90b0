"""Changes single fields of a hand-written YAML file and keeps every other byte.

Replaces text at the positions that the parser reports, then parses the result: it must have exactly the requested
values, otherwise ``EditError`` is raised. (Round-trip YAML libraries re-indent and re-wrap; this does not.)
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from contract.manifest_write import lines_of, scalar
from contract.yaml_nodes import load, to_plain
from crontopus_app.base.errors import BadInput

Path = tuple[str, ...]
_METADATA = ("labels", "annotations")
# Text that a literal block can hold unchanged: the first line is not indented, the last not empty.
_SIMPLE = re.compile(r"[!-~\u00a1-\ud7ff][\n -~\u00a1-\u2027\u202a-\ud7ff]*[!-~\u00a1-\ud7ff]\n?\Z")


class EditError(BadInput):
    """The file cannot be edited in place; the message says why."""


def changes_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a REST job body by their path in the manifest, without ``name`` and ``namespace``."""
    return {
        f"metadata.{name}" if name in _METADATA else f"spec.{name}": value
        for name, value in body.items()
        if name not in ("name", "namespace")
    }


def edit(data: bytes, changes: Mapping[Any, Any]) -> bytes:
    """Sets each field (a dotted path, or a tuple if a key contains dots) to its value; None removes it.

    For a mapping, only differences from the existing one are written. Comments, order, quoting and indentation of
    everything else stay. Raises ``EditError`` for a file that is not YAML, or that has anchors in the edited part.
    """
    before = _plain(data)
    expected = copy.deepcopy(before)
    for path, value in changes.items():
        _set(expected, _path(path), value)
    bom = data.startswith(b"\xef\xbb\xbf")
    text = data.decode("utf-8-sig")
    for path, value in _differences(before, expected, ()):
        text = _Edit(text).put(path, value)
    result = (b"\xef\xbb\xbf" if bom else b"") + text.encode()
    if _plain(result) != expected:
        raise EditError("its layout does not allow this change; edit the YAML text")
    return result


def _plain(data: bytes) -> Any:
    document = load(data)
    if document.faults or document.root is None or document.root.kind != "map":
        problem = document.faults[0].message if document.faults else "it is not a mapping"
        raise EditError(f"the file cannot be edited: {problem}")
    return to_plain(document.root)


def _path(path: str | Path) -> Path:
    return tuple(path.split(".")) if isinstance(path, str) else path


def _set(target: Any, path: Path, value: Any) -> None:
    """Sets or removes (None) a field in plain data. Also removes mappings that become empty, except top-level ones."""
    *parents, name = path
    trail = [target]
    for parent in parents:
        child = trail[-1].get(parent)
        if not isinstance(child, dict):
            if value is None:
                return
            child = trail[-1][parent] = {}
        trail.append(child)
    if value is not None:
        trail[-1][name] = copy.deepcopy(value)
        return
    trail[-1].pop(name, None)
    for depth in range(len(parents) - 1, 0, -1):
        if not trail[depth + 1]:
            del trail[depth][parents[depth]]


def _differences(before: Any, after: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The smallest set of changes from ``before`` to ``after``; None removes a field."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict) and old and new:
            yield from _differences(old, new, (*path, name))
        elif name not in after or name not in before or not _same(old, new):
            yield (*path, name), new


def _same(old: Any, new: Any) -> bool:
    return type(old) is type(new) and old == new


class _Edit:
    """A change of a text, at the positions of a fresh parse."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end_of_line = "\r\n" if "\r\n" in text else "\n"
        try:
            self.root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:  # accepted by the strict reader: libyaml and PyYAML differ in rare cases
            raise EditError(f"the file cannot be edited in place: {error}") from error

    def put(self, path: Path, value: Any) -> str:
        node = self.root
        for depth, name in enumerate(path):
            pair = _pair(node, name)
            last = depth == len(path) - 1
            if pair is None or (not last and not isinstance(pair[1], yaml.MappingNode)):
                nested = _nested(path[depth + 1 :], value)
                return self.text if value is None else self._write(node, pair, name, nested)
            if last:
                return self._remove(node, pair) if value is None else self._write(node, pair, name, value)
            node = pair[1]
        return self.text

    def _write(self, parent: Any, pair: Any, name: str, value: Any) -> str:
        if pair is not None:
            return self._replace(pair, value)
        return self._insert_flow(parent, name, value) if parent.flow_style else self._insert_block(parent, name, value)

    def _replace(self, pair: Any, value: Any) -> str:
        key, node = pair
        start, end = node.start_mark.index, self._end(node)
        if _is_block(node) and isinstance(value, (dict, list, tuple)) and value:
            column = node.start_mark.column
            minimum = key.start_mark.column + (2 if isinstance(value, dict) else 0)  # a list need not be indented
            return self._splice(start, end, self._lines(value, max(column, minimum))[column:])
        if _is_block(node):
            colon = self.text.index(":", key.end_mark.index) + 1
            start = colon if not self.text[colon:start].strip() else start
            return self._splice(start, end, (" " if start == colon else "") + _flow(value))
        if start == end:
            return self._splice(start, end, " " + _flow(value))
        return self._splice(start, end, self._literal(node, value) or _like(node, value))

    def _literal(self, node: Any, value: Any) -> str:
        """The new lines of a literal block (``|``), indented as the old ones; empty if this is not such a block."""
        first, *lines = self.text[node.start_mark.index : self._end(node)].splitlines()
        indent = next((line[: -len(line.lstrip())] for line in lines if line.strip()), "")
        fits = isinstance(value, str) and "\n" in value[:-1] and _SIMPLE.match(value)
        if not (indent and fits and re.match(r"\|[-+]?(\s|\Z)", first)):
            return ""
        header = re.sub(r"\A\|[-+]?", "|" if value.endswith("\n") else "|-", first)
        return self.end_of_line.join([header, *(line and indent + line for line in value.split("\n"))]).rstrip("\n")

    def _insert_block(self, parent: Any, name: str, value: Any) -> str:
        end = self._end(parent)
        line_end = self._line_end(end)
        column = parent.value[0][0].start_mark.column
        lines = self._lines({name: value}, column)
        before = "" if self.text[:line_end].endswith("\n") else self.end_of_line
        return self._splice(line_end, line_end, before + lines + self.end_of_line)

    def _insert_flow(self, parent: Any, name: str, value: Any) -> str:
        entry = f"{scalar(name)}: {_flow(value)}"
        if not parent.value:
            return self._splice(parent.start_mark.index, parent.end_mark.index, "{" + entry + "}")
        end = self._end(parent.value[-1][1])
        return self._splice(end, end, f", {entry}")

    def _remove(self, parent: Any, pair: Any) -> str:
        if parent.flow_style:
            return self._remove_flow(parent, pair)
        start = pair[0].start_mark.index - pair[0].start_mark.column
        return self._splice(start, self._line_end(self._end(pair[1])), "")

    def _remove_flow(self, parent: Any, pair: Any) -> str:
        at = parent.value.index(pair)
        if at + 1 < len(parent.value):
            return self._splice(pair[0].start_mark.index, parent.value[at + 1][0].start_mark.index, "")
        start = self._end(parent.value[at - 1][1]) if at else pair[0].start_mark.index
        return self._splice(start, self._end(pair[1]), "")

    def _end(self, node: Any) -> int:
        """The end of a value's own text. The parser's mark of a block includes following blanks and comments."""
        if _is_block(node):
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        start, end = node.start_mark.index, node.end_mark.index
        return start + len(self.text[start:end].rstrip())

    def _line_end(self, index: int) -> int:
        """The index after the line break of the line that contains ``index``."""
        line_break = self.text.find("\n", index)
        return len(self.text) if line_break < 0 else line_break + 1

    def _lines(self, value: Any, column: int) -> str:
        return self.end_of_line.join(" " * column + line for line in lines_of(value))

    def _splice(self, start: int, end: int, text: str) -> str:
        return self.text[:start] + text + self.text[end:]


def _pair(node: Any, name: str) -> Any:
    return next((pair for pair in node.value if pair[0].value == name), None)


def _nested(names: Sequence[str], value: Any) -> Any:
    for name in reversed(names):
        value = {name: value}
    return value


def _is_block(node: Any) -> bool:
    return not isinstance(node, yaml.ScalarNode) and not node.flow_style and bool(node.value)


def _like(node: Any, value: Any) -> str:
    """The new value, quoted like the old one if possible."""
    if not isinstance(value, str) or not isinstance(node, yaml.ScalarNode) or not node.value:
        return _flow(value)  # an empty string is always quoted, so its quotes say nothing about style
    if node.style == "'" and re.fullmatch(r"[ -~\u00a1-\ud7ff]*", value):
        return "'" + value.replace("'", "''") + "'"
    text = scalar(value)
    return f'"{text}"' if node.style == '"' and not text.startswith('"') else text


def _flow(value: Any) -> str:
    if isinstance(value, dict) and value:
        return "{" + ", ".join(f"{scalar(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)) and value:
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return scalar(value)
