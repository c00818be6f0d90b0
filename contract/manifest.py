"""The job manifest v1: bytes to a ``Manifest`` with every error at its place, and back to bytes that never vary.

``decode`` and ``from_fields`` never raise, whatever they are given.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from contract.jobs_in_tree import Claim, Clash, clashes
from contract.manifest_fields import JOB, NAME_HINT, NAME_PATTERN
from contract.manifest_kinds import BAD, Reader
from contract.manifest_types import AgentTarget, Alerts, Checkin, Decoded, Manifest, Output, Problem, Retry
from contract.manifest_write import document, emit, to_fields
from contract.yaml_nodes import Node, from_plain, load

__all__ = [
    "AgentTarget",
    "Alerts",
    "Checkin",
    "Decoded",
    "Manifest",
    "Output",
    "Problem",
    "Retry",
    "decode",
    "from_fields",
    "job_id",
    "mark_duplicates",
    "path_of",
    "render",
    "to_fields",
]

_IDS = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562's namespace for URLs


def job_id(tenant: str, namespace: str, name: str) -> str:
    """The identity of a job whose manifest carries none: the same on every parse and every host."""
    return str(uuid.uuid5(_IDS, f"crontopus:{tenant}/{namespace}/{name}"))


def path_of(namespace: str, name: str) -> str:
    """Where a new manifest is written."""
    return f"{namespace}/{name}.yaml"


def decode(
    data: bytes, path: str, tenant: str, *, defaults: Mapping[str, Any] | None = None, placed: bool = True
) -> Decoded:
    """The manifest in ``data``, or all its errors at once. Never raises.

    ``tenant`` empty: not compared. ``defaults``: spec fields of the tenant's policy for this namespace, used where the
    manifest is silent. ``placed`` False: ``path`` is any file, not one of the repository, so its folders prove nothing.
    """
    reader = Reader(path)
    loaded = load(data)
    for fault in loaded.faults:
        reader.fault(fault)
    if loaded.root is None:
        return Decoded(None, reader.told())
    _fill(loaded.root, defaults)
    made = JOB.read(loaded.root, "", reader)
    namespace = _namespace(loaded.root, path, placed, reader)
    _check_identity(loaded.root, path, tenant, namespace, placed, reader)
    if reader.errors or made is BAD:
        return Decoded(None, reader.told())
    manifest = _manifest(made, path, tenant, namespace)
    return Decoded(manifest, (), tuple(reader.notes), partial(_lint, manifest, reader.places))


def _lint(manifest: Manifest, places: Mapping[str, tuple[int, int]]) -> tuple[Problem, ...]:
    from contract.lints import lint  # here, for agents decode thousands of manifests and lint none

    return lint(manifest, places)


def _manifest(made: dict[str, Any], path: str, tenant: str, namespace: str) -> Manifest:
    metadata = dict(made["metadata"])
    given = metadata.pop("id", None)
    for name in ("tenant", "namespace"):
        metadata.pop(name, None)
    identity = given or job_id(tenant, namespace, metadata["name"])
    return Manifest(id=identity, id_given=bool(given), namespace=namespace, path=path, **metadata, **made["spec"])


def _fill(root: Node, defaults: Mapping[str, Any] | None) -> None:
    """Adds the policy's defaults to the spec, where the manifest is silent; maps are merged."""
    spec = _child(root, "spec")
    if defaults and spec is not None and spec.kind == "map":
        _merge(spec, defaults)


def _merge(node: Node, defaults: Mapping[str, Any]) -> None:
    given = {key.value: value for key, value in node.value}
    for name, value in defaults.items():
        current = given.get(name)
        if current is None:
            node.value.append((from_plain(name, node), from_plain(value, node)))
        elif current.kind == "map" and isinstance(value, Mapping):
            _merge(current, value)


def _child(node: Node | None, name: str) -> Node | None:
    if node is None or node.kind != "map":
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _namespace(root: Node, path: str, placed: bool, reader: Reader) -> str:
    """The first folder, as it must be; for a file from anywhere what `metadata.namespace` or its folder says."""
    parts = path.replace("\\", "/").split("/")
    if not placed:
        told = _child(_child(root, "metadata"), "namespace")
        named = [str(told.value)] if told is not None and told.kind == "scalar" else []
        return next((name for name in [*named, *parts[-2:-1]] if re.match(NAME_PATTERN, name)), "default")
    if len(parts) < 2:
        reader.error(
            root, "namespace", f"{path} is not in a namespace: move it to a folder such as `production/`", "path"
        )
    elif not re.match(NAME_PATTERN, parts[0]) or len(parts[0]) > 63:
        reader.error(root, "namespace", f"the folder {parts[0]!r} {NAME_HINT}", "path")
    elif any(part in ("", ".", "..") for part in parts):
        reader.error(root, "namespace", f"{path!r} is not a plain path", "path")
    return parts[0]


def _check_identity(root: Node, path: str, tenant: str, namespace: str, placed: bool, reader: Reader) -> None:
    """Name, tenant and namespace say what the file's place says."""
    metadata = _child(root, "metadata")
    stem, dot, ending = path.rsplit("/", 1)[-1].rpartition(".")
    if placed and (not dot or ending not in ("yaml", "yml")):
        reader.error(root, "metadata.name", f"{path} must end in .yaml or .yml", "path")
    expected = {"tenant": tenant, "namespace": namespace, "name": stem if placed else ""}
    meant = {"tenant": "the repository's tenant is", "namespace": "the folder is", "name": "the file is named"}
    for name, value in expected.items():
        node = _child(metadata, name)
        if node is not None and node.type == "string" and node.value and value and node.value != value:
            told = f"`metadata.{name}` is {node.value!r}, but {meant[name]} {value!r}"
            reader.error(node, f"metadata.{name}", told, "identity")


def mark_duplicates(decoded: Sequence[Decoded]) -> list[Decoded]:
    """The same list, where files that share an id, or a namespace and name, are all invalid, each naming the others."""
    found = clashes(
        Claim(each.path, each.id, each.namespace, each.name) for each in (one.manifest for one in decoded) if each
    )
    return [_marked(each, found) for each in decoded]


def _marked(each: Decoded, found: Mapping[str, Clash]) -> Decoded:
    clash = found.get(each.manifest.path) if each.manifest else None
    if clash is None or each.manifest is None:
        return each
    error = Problem("duplicate-id", clash.message, each.manifest.path, 1, 1, f"metadata.{clash.kind}", "error")
    return replace(each, manifest=None, errors=(*each.errors, error), lint=None)


def render(manifest: Manifest) -> bytes:
    """A new file for ``manifest``; equal manifests give equal bytes, and ``decode`` gives the manifest back."""
    return emit(document(to_fields(manifest), manifest.id if manifest.id_given else None))


def from_fields(fields: Mapping[str, Any], *, tenant: str, given_id: str | None = None) -> tuple[bytes, Decoded]:
    """A new manifest from a REST job body, as bytes and decoded. Never raises: what is wrong is in ``errors``.

    Unknown fields, wrong types and wrong values are errors whose ``field`` is the manifest's (`spec.schedule`).
    """
    body = {str(key): value for key, value in fields.items() if value is not None}
    wrong = _wrong_namespace(body.get("namespace"))
    namespace = "default" if wrong else body["namespace"]
    name = body.get("name")
    file = name if isinstance(name, str) and re.match(NAME_PATTERN, name) else "job"
    try:
        data = emit(document(body, given_id))
    except ValueError as error:
        return b"", Decoded(None, (*wrong, Problem("value", str(error), "", 1, 1)))
    decoded = decode(data, path_of(namespace, file), tenant, placed=False)
    return data, replace(decoded, manifest=None, errors=(*wrong, *decoded.errors)) if wrong else decoded


def _wrong_namespace(namespace: Any) -> tuple[Problem, ...]:
    if namespace is None or namespace == "":
        return (Problem("missing", "`namespace` is missing", "", 1, 1, "namespace"),)
    if not isinstance(namespace, str) or len(namespace) > 63 or not re.match(NAME_PATTERN, namespace):
        return (Problem("value", f"`namespace` {str(namespace)[:80]!r} {NAME_HINT}", "", 1, 1, "namespace"),)
    return ()
