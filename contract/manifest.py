"""Job manifest v1: decodes bytes to a ``Manifest`` or to all errors with their positions, and writes it as YAML.

``decode`` and ``from_fields`` never raise.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from contract.jobs_in_tree import Clash, IdentityClaim, clashes
from contract.manifest_fields import JOB, NAME_HINT, NAME_PATTERN
from contract.manifest_kinds import BAD, Reader
from contract.manifest_types import AgentTarget, Alerts, CheckinSpec, Decoded, Manifest, OutputSpec, Problem, Retry
from contract.manifest_write import document, emit, to_fields
from contract.yaml_nodes import Node, from_plain, load

__all__ = [
    "AgentTarget",
    "Alerts",
    "CheckinSpec",
    "Decoded",
    "Manifest",
    "OutputSpec",
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
    """The id of a job whose manifest has none: computed from its name, so every host gets the same."""
    return str(uuid.uuid5(_IDS, f"crontopus:{tenant}/{namespace}/{name}"))


def path_of(namespace: str, name: str) -> str:
    """The path of a new manifest."""
    return f"{namespace}/{name}.yaml"


def decode(
    data: bytes, path: str, tenant: str, *, defaults: Mapping[str, Any] | None = None, placed: bool = True
) -> Decoded:
    """The manifest in ``data``, or all its errors. Never raises.

    ``tenant``: compared with ``metadata.tenant`` unless empty. ``defaults``: spec fields from the tenant's policy, used
    where the manifest has none. ``placed`` False: the file is not in a repository, so its path is not checked.
    """
    reader = Reader(path)
    loaded = load(data)
    for fault in loaded.faults:
        reader.fault(fault)
    if loaded.root is None:
        return Decoded(None, reader.problems())
    _add_defaults(loaded.root, defaults)
    values = JOB.read(loaded.root, "", reader)
    namespace = _namespace(loaded.root, path, placed, reader)
    _check_identity(loaded.root, path, tenant, namespace, placed, reader)
    if reader.errors or values is BAD:
        return Decoded(None, reader.problems())
    manifest = _manifest(values, path, tenant, namespace)
    return Decoded(manifest, (), tuple(reader.notes), partial(_lint, manifest, reader.places))


def _lint(manifest: Manifest, places: Mapping[str, tuple[int, int]]) -> tuple[Problem, ...]:
    from contract.lints import lint  # imported here: an agent decodes thousands of manifests and lints none

    return lint(manifest, places)


def _manifest(values: dict[str, Any], path: str, tenant: str, namespace: str) -> Manifest:
    metadata = dict(values["metadata"])
    own_id = metadata.pop("id", None)
    for name in ("tenant", "namespace"):
        metadata.pop(name, None)
    identity = own_id or job_id(tenant, namespace, metadata["name"])
    return Manifest(id=identity, id_given=bool(own_id), namespace=namespace, path=path, **metadata, **values["spec"])


def _add_defaults(root: Node, defaults: Mapping[str, Any] | None) -> None:
    """Adds the policy's defaults to the spec's missing fields. Maps are merged."""
    spec = _child(root, "spec")
    if defaults and spec is not None and spec.kind == "map":
        _merge(spec, defaults)


def _merge(node: Node, defaults: Mapping[str, Any]) -> None:
    fields = {key.value: value for key, value in node.value}
    for name, value in defaults.items():
        current = fields.get(name)
        if current is None:
            node.value.append((from_plain(name, node), from_plain(value, node)))
        elif current.kind == "map" and isinstance(value, Mapping):
            _merge(current, value)


def _child(node: Node | None, name: str) -> Node | None:
    if node is None or node.kind != "map":
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _namespace(root: Node, path: str, placed: bool, reader: Reader) -> str:
    """The first folder of the path. For a file outside a repository: `metadata.namespace`, or its own folder."""
    parts = path.replace("\\", "/").split("/")
    if not placed:
        node = _child(_child(root, "metadata"), "namespace")
        named = [str(node.value)] if node is not None and node.kind == "scalar" else []
        return next((name for name in [*named, *parts[-2:-1]] if re.match(NAME_PATTERN, name)), "default")
    if len(parts) < 2:
        reader.error(
            root, "namespace", f"{path} is not in a namespace: move it to a folder such as `production/`", "path"
        )
    elif not re.match(NAME_PATTERN, parts[0]) or len(parts[0]) > 63:
        reader.error(root, "namespace", f"the folder {parts[0]!r} {NAME_HINT}", "path")
    elif any(part in ("", ".", "..") for part in parts):
        reader.error(root, "namespace", f"the path {path!r} must not contain empty parts, `.` or `..`", "path")
    return parts[0]


def _check_identity(root: Node, path: str, tenant: str, namespace: str, placed: bool, reader: Reader) -> None:
    """Reports a name, tenant or namespace in the metadata that differs from the file's path or the repository."""
    metadata = _child(root, "metadata")
    stem, dot, ending = path.rsplit("/", 1)[-1].rpartition(".")
    if placed and (not dot or ending not in ("yaml", "yml")):
        reader.error(root, "metadata.name", f"{path} must end in .yaml or .yml", "path")
    expected = {"tenant": tenant, "namespace": namespace, "name": stem if placed else ""}
    sources = {"tenant": "the repository's tenant is", "namespace": "the folder is", "name": "the file is named"}
    for name, value in expected.items():
        node = _child(metadata, name)
        if node is not None and node.type == "string" and node.value and value and node.value != value:
            message = f"`metadata.{name}` is {node.value!r}, but {sources[name]} {value!r}"
            reader.error(node, f"metadata.{name}", message, "identity")


def mark_duplicates(decoded: Sequence[Decoded]) -> list[Decoded]:
    """The same list, with an error for each manifest that shares its id, or namespace and name, with another one."""
    manifests = (each.manifest for each in decoded)
    all_clashes = clashes(IdentityClaim(each.path, each.id, each.namespace, each.name) for each in manifests if each)
    return [_marked(each, all_clashes) for each in decoded]


def _marked(each: Decoded, all_clashes: Mapping[str, Clash]) -> Decoded:
    clash = all_clashes.get(each.manifest.path) if each.manifest else None
    if clash is None or each.manifest is None:
        return each
    error = Problem("duplicate-id", clash.message, each.manifest.path, 1, 1, f"metadata.{clash.kind}", "error")
    return replace(each, manifest=None, errors=(*each.errors, error), lint=None)


def render(manifest: Manifest) -> bytes:
    """The YAML of a new file for ``manifest``. Equal manifests give equal bytes; ``decode`` is the inverse."""
    return emit(document(to_fields(manifest), manifest.id if manifest.id_given else None))


def from_fields(fields: Mapping[str, Any], *, tenant: str, given_id: str | None = None) -> tuple[bytes, Decoded]:
    """A new manifest from a REST job body: its YAML, and the same decoded. Never raises.

    Unknown fields, wrong types and wrong values are in ``errors``, each with the manifest's field (`spec.schedule`).
    """
    body = {str(key): value for key, value in fields.items() if value is not None}
    namespace_errors = _check_namespace(body.get("namespace"))
    namespace = "default" if namespace_errors else body["namespace"]
    name = body.get("name")
    file = name if isinstance(name, str) and re.match(NAME_PATTERN, name) else "job"
    try:
        data = emit(document(body, given_id))
    except ValueError as error:
        return b"", Decoded(None, (*namespace_errors, Problem("value", str(error), "", 1, 1)))
    decoded = decode(data, path_of(namespace, file), tenant, placed=False)
    if namespace_errors:
        decoded = replace(decoded, manifest=None, errors=(*namespace_errors, *decoded.errors))
    return data, decoded


def _check_namespace(namespace: Any) -> tuple[Problem, ...]:
    if namespace is None or namespace == "":
        return (Problem("missing", "`namespace` is missing", "", 1, 1, "namespace"),)
    if not isinstance(namespace, str) or len(namespace) > 63 or not re.match(NAME_PATTERN, namespace):
        return (Problem("value", f"`namespace` {str(namespace)[:80]!r} {NAME_HINT}", "", 1, 1, "namespace"),)
    return ()
