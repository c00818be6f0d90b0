"""Maps with known fields: the tables that decoder, forms, schema and documentation are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Callable

from contract.manifest_kinds import BAD, Kind, Reader, did_you_mean, join
from contract.yaml_nodes import Node


@dataclass(frozen=True)
class Field:
    """One field: its name in the manifest, the attribute it becomes, and the sentence that documents it."""

    name: str
    attr: str
    kind: Kind
    doc: str
    required: bool = False
    example: str = ""
    legacy: bool = False


@dataclass(frozen=True)
class Object(Kind):
    """A map with known fields. ``build`` makes the value from the attributes that were given.

    ``moved``: names that people try, with what to do instead. ``convert`` looks at all attributes together.
    ``shape`` is the dataclass that knows the defaults, where ``build`` is none.
    """

    fields: tuple[Field, ...]
    build: Callable[..., Any]
    moved: Mapping[str, str] = field(default_factory=dict)
    convert: Callable[[dict[str, Any], Mapping[str, Node], str, Reader], None] | None = None
    shape: Any = None
    words: str = "a map"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        given = self.read_fields(node, where, reader)
        return given if given is BAD else self.build(**given)

    def read_fields(self, node: Node, where: str, reader: Reader, partial: bool = False) -> Any:
        """Attributes that are given and good; ``BAD`` when any is not. ``partial``: nothing is required."""
        if node.kind != "map":
            return reader.wrong_type(node, where or "the document", "a map")
        nodes: dict[str, Node] = {}
        before = len(reader.errors)
        for key, value in node.value:
            self._take(key, value, nodes, where, reader)
        known = {entry.name: entry for entry in self.fields}
        made = {known[name].attr: self._value(known[name], value, where, reader) for name, value in nodes.items()}
        if not partial:
            self._check_missing(node, nodes, where, reader)
        if len(reader.errors) > before:
            return BAD
        if self.convert:
            self.convert(made, nodes, where, reader)
        return made if len(reader.errors) == before else BAD

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
            shown = [entry.name for entry in self.fields if not entry.legacy]
            hint = "" if reader.full else did_you_mean(key.value, shown) or f"; known here: {', '.join(shown)}"
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
        """Fields whose value is not what ``build`` gives by default."""
        made = {}
        for entry in self.fields:
            current = getattr(value, entry.attr, None)
            if not entry.legacy and current is not None and current != self.default(entry):
                made[entry.name] = entry.kind.plain(current)
        return made

    def default(self, entry: Field) -> Any:
        """What the field is when absent; ``BAD`` where there is no such value."""
        made = getattr(self.shape or self.build, "__dataclass_fields__", {}).get(entry.attr)
        if made is None or entry.required:
            return BAD
        if made.default_factory is not MISSING:
            return made.default_factory()
        return BAD if made.default is MISSING else made.default

    def schema(self) -> dict[str, Any]:
        made: dict[str, Any] = {
            "type": "object",
            "properties": {entry.name: _property(self, entry) for entry in self.fields},
            "additionalProperties": False,
        }
        required = [entry.name for entry in self.fields if entry.required]
        return {**made, "required": required} if required else made


def _property(owner: Object, entry: Field) -> dict[str, Any]:
    made = entry.kind.schema()
    if not entry.required:
        made = {"anyOf": [*made["anyOf"], {"type": "null"}]} if set(made) == {"anyOf"} else _or_null(made)
    made = {"description": entry.doc, **made}
    default = owner.default(entry)
    if default is not BAD and default not in (None, {}, ()) and not isinstance(entry.kind, Object):
        made["default"] = entry.kind.plain(default)
    return {**made, "deprecated": True} if entry.legacy else made


def _or_null(made: dict[str, Any]) -> dict[str, Any]:
    kind = made.get("type")
    if kind is None:
        return {"enum": [*made["enum"], None]} if "enum" in made else {"anyOf": [made, {"type": "null"}]}
    return {**made, "type": [*(kind if isinstance(kind, list) else [kind]), "null"]}
