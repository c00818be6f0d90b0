"""Maps with a fixed set of fields, as a table for decoder, forms, schema and documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Callable

from contract.manifest_kinds import BAD, Kind, Reader, did_you_mean, join
from contract.yaml_nodes import Node


@dataclass(frozen=True)
class Field:
    """One field: its name in the manifest, its attribute in the dataclass, and its documentation."""

    name: str
    attr: str
    kind: Kind
    doc: str
    required: bool = False
    example: str = ""
    legacy: bool = False


@dataclass(frozen=True)
class Object(Kind):
    """A map with a fixed set of fields. ``build`` creates the value from the attributes that are set.

    ``moved``: field names that do not exist, with what to write instead. ``convert`` checks and changes all attributes
    together. ``shape``: the dataclass with the defaults, if ``build`` is no dataclass.
    """

    fields: tuple[Field, ...]
    build: Callable[..., Any]
    moved: Mapping[str, str] = field(default_factory=dict)
    convert: Callable[[dict[str, Any], Mapping[str, Node], str, Reader], None] | None = None
    shape: Any = None
    words: str = "a map"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        values = self.read_fields(node, where, reader)
        return values if values is BAD else self.build(**values)

    def read_fields(self, node: Node, where: str, reader: Reader, partial: bool = False) -> Any:
        """The attributes that are set; ``BAD`` if any is invalid. ``partial``: no field is required."""
        if node.kind != "map":
            return reader.wrong_type(node, where or "the document", "a map")
        nodes: dict[str, Node] = {}
        before = len(reader.errors)
        for key, value in node.value:
            self._take(key, value, nodes, where, reader)
        entries = {entry.name: entry for entry in self.fields}
        values = {entries[name].attr: self._value(entries[name], value, where, reader) for name, value in nodes.items()}
        if not partial:
            self._check_missing(node, nodes, where, reader)
        if len(reader.errors) > before:
            return BAD
        if self.convert:
            self.convert(values, nodes, where, reader)
        return values if len(reader.errors) == before else BAD

    def _take(self, key: Node, value: Node, nodes: dict[str, Node], where: str, reader: Reader) -> None:
        names = [entry.name for entry in self.fields]
        path = join(where, key.value)
        if key.value in names:
            reader.places[path] = (value.line, value.column)
            if value.type != "null":
                nodes[key.value] = value
        elif key.value in self.moved:
            reader.error(key, path, f"`{path}` is not a field: {self.moved[key.value]}", "moved-field")
        else:
            current = [entry.name for entry in self.fields if not entry.legacy]
            hint = "" if reader.full else did_you_mean(key.value, current) or f"; fields here: {', '.join(current)}"
            reader.error(key, path, f"`{path}` is not a field{hint}", "unknown-field")

    def _value(self, entry: Field, node: Node, where: str, reader: Reader) -> Any:
        return entry.kind.read(node, join(where, entry.name), reader)

    def _check_missing(self, node: Node, nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
        for entry in self.fields:
            if entry.required and entry.name not in nodes:
                path = join(where, entry.name)
                example = f", for example `{entry.name}: {entry.example}`" if entry.example else ""
                reader.error(node, path, f"`{path}` is missing{example}", "missing")

    def plain(self, value: Any) -> Any:
        """The fields whose value differs from the default."""
        result = {}
        for entry in self.fields:
            current = getattr(value, entry.attr, None)
            if not entry.legacy and current is not None and current != self.default(entry):
                result[entry.name] = entry.kind.plain(current)
        return result

    def default(self, entry: Field) -> Any:
        """The default of the field; ``BAD`` if it has none."""
        attribute = getattr(self.shape or self.build, "__dataclass_fields__", {}).get(entry.attr)
        if attribute is None or entry.required:
            return BAD
        if attribute.default_factory is not MISSING:
            return attribute.default_factory()
        return BAD if attribute.default is MISSING else attribute.default

    def schema(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "type": "object",
            "properties": {entry.name: _property(self, entry) for entry in self.fields},
            "additionalProperties": False,
        }
        required = [entry.name for entry in self.fields if entry.required]
        return {**result, "required": required} if required else result


def _property(owner: Object, entry: Field) -> dict[str, Any]:
    result = entry.kind.schema()
    if not entry.required:
        result = {"anyOf": [*result["anyOf"], {"type": "null"}]} if set(result) == {"anyOf"} else _or_null(result)
    result = {"description": entry.doc, **result}
    default = owner.default(entry)
    if default is not BAD and default not in (None, {}, ()) and not isinstance(entry.kind, Object):
        result["default"] = entry.kind.plain(default)
    return {**result, "deprecated": True} if entry.legacy else result


def _or_null(result: dict[str, Any]) -> dict[str, Any]:
    kind = result.get("type")
    if kind is None:
        return {"enum": [*result["enum"], None]} if "enum" in result else {"anyOf": [result, {"type": "null"}]}
    return {**result, "type": [*(kind if isinstance(kind, list) else [kind]), "null"]}
