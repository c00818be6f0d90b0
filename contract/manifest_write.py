"""Writes manifests as YAML in one fixed layout, and converts them to REST job bodies."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from contract.manifest_fields import SPEC
from contract.manifest_types import Manifest
from contract.yaml_nodes import MAX_DEPTH, plain_type

_METADATA = ("name", "tenant", "labels", "annotations")
_SPEC = tuple(entry.name for entry in SPEC.fields)
# Text that YAML 1.1 and 1.2 both parse as the same string without quotes.
_BARE = re.compile(
    r"(?!.*:( |\Z))[A-Za-z_/.][A-Za-z0-9_/.@+=:-]*( [A-Za-z0-9_/.@+=:-]+)*\Z"
    r"|(\d+[dhms])+\Z|\d+[KMG]iB\Z|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
)
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def to_fields(manifest: Manifest) -> dict[str, Any]:
    """The REST job body of ``manifest``: name, namespace and every field that differs from its default."""
    body: dict[str, Any] = {"name": manifest.name, "namespace": manifest.namespace}
    for name in ("labels", "annotations"):
        if getattr(manifest, name):
            body[name] = dict(getattr(manifest, name))
    return {**body, **SPEC.plain(manifest)}


def document(body: Mapping[str, Any], given_id: str | None) -> dict[str, Any]:
    """The manifest document of a REST job body, in the order of the manual. Unknown fields go to the spec."""
    metadata = {"id": given_id} if given_id else {}
    metadata.update((name, body[name]) for name in _METADATA if name in body)
    spec = {name: body[name] for name in _SPEC if name in body}
    spec.update((name, value) for name, value in body.items() if name not in (*_METADATA, *_SPEC, "namespace"))
    return {"apiVersion": "v1", "kind": "Job", "metadata": metadata, "spec": spec}


def emit(data: Mapping[str, Any]) -> bytes:
    """The YAML text of JSON-able data. Raises ``ValueError`` for text that YAML cannot represent."""
    return ("\n".join(lines_of(data)) + "\n").encode()


def lines_of(value: Any) -> list[str]:
    """The lines of a non-empty map or list in block style."""
    return [*(_map(value, 0) if isinstance(value, Mapping) else _list(value, 0))]


def _map(data: Mapping[str, Any], depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} levels of nesting")
    pad = "  " * depth
    for key, value in data.items():
        name = scalar(str(key))
        if isinstance(value, Mapping) and value:
            yield f"{pad}{name}:"
            yield from _map(value, depth + 1)
        elif isinstance(value, (list, tuple)) and value:
            yield f"{pad}{name}:"
            yield from _list(value, depth + 1)
        else:
            yield f"{pad}{name}: {scalar(value)}"


def _list(items: Any, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} levels of nesting")
    pad = "  " * depth
    for item in items:
        if isinstance(item, Mapping) and item:
            first, *rest = _map(item, depth + 1)
            yield f"{pad}- {first.lstrip(' ')}"
            yield from rest
        elif isinstance(item, (list, tuple)) and item:
            yield f"{pad}-"
            yield from _list(item, depth + 1)
        else:
            yield f"{pad}- {scalar(item)}"


def scalar(value: Any) -> str:
    """A scalar on one line: unquoted if every YAML parser agrees on it, else quoted as JSON, which is valid YAML."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else json.dumps(str(value)[:40])
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else json.dumps(str(value))
    if isinstance(value, (list, tuple)):
        return "[]"
    if isinstance(value, Mapping):
        return "{}"
    return _text(str(value))


def _text(text: str) -> str:
    if _BARE.match(text) and text.lower() not in _WORDS and plain_type(text) == "string" and len(text) < 4096:
        return text
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("the text contains half of a UTF-16 surrogate pair, which is no character")
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda match: f"\\u{ord(match.group()):04x}", quoted)
