"""Keeps form and YAML equal; the YAML is authoritative. Each form field is one place of the manifest, as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from contract.manifest import from_fields
from contract.yaml_nodes import Node, load
from crontopus_app.base.errors import CrontopusError
from crontopus_app.jobs.yaml_edit import edit

Place = tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """The form's fields as typed. An empty field is absent from the manifest."""

    name: str = ""
    namespace: str = "production"
    schedule: str = ""
    timezone: str = ""
    command: str = ""
    args: str = ""
    endpoints: str = ""
    selector: str = ""
    enabled: str = "yes"
    limit: str = ""
    grace: str = ""
    concurrency: str = ""
    attempts: str = ""
    delay: str = ""
    backoff: str = ""
    workdir: str = ""
    user: str = ""
    env: str = ""
    description: str = ""
    owner: str = ""
    runbook: str = ""
    labels: str = ""


NAMES = tuple(field.name for field in fields(Form))
FIRST = "0 2 * * *"


@dataclass(frozen=True)
class Kind:
    """Converts a manifest node to a form field's text, and that text to the node's value (None: absent)."""

    show: Callable[[Node], str]
    read: Callable[[str], Any]


def _text(node: Node) -> str:
    return str(node.value) if node.kind == "scalar" and node.type != "null" else ""


def _items(node: Node) -> list[str]:
    return [_text(item) for item in node.value] if node.kind == "list" else [_text(node)]


def _pairs(node: Node) -> str:
    pairs = node.value if node.kind == "map" else []
    return "\n".join(f"{key.value}={', '.join(_items(value))}" for key, value in pairs)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _split(text: str, mark: str) -> list[str]:
    return [part.strip() for part in text.split(mark) if part.strip()]


def _read_pairs(text: str) -> dict[str, str] | None:
    pairs = (line.partition("=") for line in _lines(text))
    return {name.strip(): value for name, _, value in pairs} or None


def _read_selector(text: str) -> dict[str, Any] | None:
    pairs = {name.strip(): _split(value, ",") for name, _, value in (line.partition("=") for line in _lines(text))}
    return {
        name: (values[0] if len(values) == 1 else values) if values else "" for name, values in pairs.items()
    } or None


def _read_schedule(text: str) -> Any:
    """Expressions are separated by semicolons."""
    parts = _split(text, ";")
    return parts if len(parts) > 1 else text.strip()


def _read_number(text: str) -> Any:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text or None


PLAIN = Kind(_text, lambda text: text.strip() or None)
# An empty field keeps its place in the YAML, for the value typed next.
NEEDED = Kind(_text, lambda text: text.strip())
SCHEDULE = Kind(lambda node: "; ".join(_items(node)), _read_schedule)
NUMBER = Kind(_text, _read_number)
LINES = Kind(lambda node: "\n".join(_items(node)), lambda text: _lines(text) or None)
LISTED = Kind(lambda node: ", ".join(_items(node)), lambda text: _split(text, ",") or None)
PAIRS = Kind(_pairs, _read_pairs)
SELECTOR = Kind(_pairs, _read_selector)
SWITCH = Kind(lambda node: "" if _text(node).lower() == "false" else "yes", lambda text: None if text else False)
WHOLE = Kind(_text, lambda text: text.replace("\r\n", "\n"))

PLACES: Mapping[str, tuple[Place, Kind]] = {
    "name": (("metadata", "name"), NEEDED),
    "schedule": (("spec", "schedule"), SCHEDULE),
    "timezone": (("spec", "timezone"), PLAIN),
    "command": (("spec", "command"), WHOLE),
    "args": (("spec", "args"), LINES),
    "endpoints": (("spec", "agent", "endpoints"), LISTED),
    "selector": (("spec", "agent", "selector"), SELECTOR),
    "enabled": (("spec", "enabled"), SWITCH),
    "limit": (("spec", "checkin", "maxRuntime"), NUMBER),
    "grace": (("spec", "checkin", "startGrace"), NUMBER),
    "concurrency": (("spec", "concurrency"), PLAIN),
    "attempts": (("spec", "retry", "attempts"), NUMBER),
    "delay": (("spec", "retry", "delay"), NUMBER),
    "backoff": (("spec", "retry", "backoff"), PLAIN),
    "workdir": (("spec", "workingDir"), PLAIN),
    "user": (("spec", "user"), PLAIN),
    "env": (("spec", "env"), PAIRS),
    "description": (("metadata", "annotations", "description"), PLAIN),
    "owner": (("metadata", "annotations", "owner"), PLAIN),
    "runbook": (("metadata", "annotations", "runbook"), PLAIN),
    "labels": (("metadata", "labels"), PAIRS),
}


def fresh(form: Form, job_id: str) -> str:
    """A new manifest from the form. It has its id at once, so that the plan shows the lines that will be installed."""
    body = {"name": form.name, "schedule": form.schedule or FIRST, "command": form.command}
    data, _ = from_fields({**body, "namespace": form.namespace or "production"}, tenant="", given_id=job_id)
    return changed(data.decode(), replace(form, schedule=form.schedule or FIRST))[0]


def shown(yaml: str, form: Form) -> Form:
    """The form for a manifest, valid or not. If the text is not YAML, ``form`` is returned."""
    root = load(yaml.encode()).root
    if root is None or root.kind != "map":
        return form
    nodes = {name: _at(root, place) for name, (place, _) in PLACES.items()}
    texts = {name: PLACES[name][1].show(node) if node else "" for name, node in nodes.items()}
    if nodes["enabled"] is None:
        texts["enabled"] = "yes"
    space = _at(root, ("metadata", "namespace"))
    return Form(namespace=_text(space) if space and _text(space) else form.namespace, **texts)


def changed(anchor: str, form: Form, only: Iterable[str] = NAMES) -> tuple[str, str]:
    """The file with the form's differences applied, and an empty string; or the file unchanged, and the reason.

    Everything else keeps its bytes: comments, order, quotes. A form equal to the file returns the file.
    """
    before, after = asdict(shown(anchor, form)), asdict(form)
    differing = [name for name in only if name in PLACES and after[name] != before[name]]
    values: dict[Place, Any] = {PLACES[name][0]: PLACES[name][1].read(after[name]) for name in differing}
    if _has_namespace(anchor) and after["namespace"] != before["namespace"]:
        values["metadata", "namespace"] = after["namespace"]
    try:
        return edit(anchor.encode(), values).decode(), ""
    except (CrontopusError, ValueError) as error:
        return anchor, str(error)


def _has_namespace(yaml: str) -> bool:
    root = load(yaml.encode()).root
    return root is not None and _at(root, ("metadata", "namespace")) is not None


def _at(root: Node, place: Place) -> Node | None:
    node: Node | None = root
    for name in place:
        if node is None or node.kind != "map":
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node


def field_at(place: str) -> str:
    """The form field of a manifest path (``spec.env.PATH`` → ``env``), or an empty string."""
    if place in ("namespace", "metadata.namespace"):
        return "namespace"
    dotted = ((".".join(path), name) for name, (path, _) in PLACES.items())
    return next(
        (name for path, name in dotted if place == path or place.startswith((f"{path}.", f"{path}[", f"{path} "))), ""
    )
