"""Form and YAML on one truth: the YAML. Each field of the form is a place of the manifest, shown as text. Pure."""

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
    """The fields of the form as typed; an empty one is not in the manifest."""

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
    """How a value stands in the form: as text of a node, and as a node's value of text (None: not there)."""

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
    found = (line.partition("=") for line in _lines(text))
    return {name.strip(): value for name, _, value in found} or None


def _read_selector(text: str) -> dict[str, Any] | None:
    found = {name.strip(): _split(value, ",") for name, _, value in (line.partition("=") for line in _lines(text))}
    return {
        name: (values[0] if len(values) == 1 else values) if values else "" for name, values in found.items()
    } or None


def _read_schedule(text: str) -> Any:
    """Several expressions are typed with semicolons between."""
    parts = _split(text, ";")
    return parts if len(parts) > 1 else text.strip()


def _read_number(text: str) -> Any:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text or None


PLAIN = Kind(_text, lambda text: text.strip() or None)
# Left empty it stays where it is, so that what is typed next stands there again.
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
    """A new manifest of the form. It has its id from the start: what is planned of it is what it will do."""
    body = {"name": form.name, "schedule": form.schedule or FIRST, "command": form.command}
    data, _ = from_fields({**body, "namespace": form.namespace or "production"}, tenant="", given_id=job_id)
    return changed(data.decode(), replace(form, schedule=form.schedule or FIRST))[0]


def shown(yaml: str, form: Form) -> Form:
    """The form as the YAML says it, valid or not; a text that is not YAML leaves the form as it is."""
    root = load(yaml.encode()).root
    if root is None or root.kind != "map":
        return form
    found = {name: _at(root, place) for name, (place, _) in PLACES.items()}
    told = {name: PLACES[name][1].show(node) if node else "" for name, node in found.items()}
    if found["enabled"] is None:
        told["enabled"] = "yes"
    space = _at(root, ("metadata", "namespace"))
    return Form(namespace=_text(space) if space and _text(space) else form.namespace, **told)


def changed(anchor: str, form: Form, only: Iterable[str] = NAMES) -> tuple[str, str]:
    """The file with the fields of the form that say something else than it does, and why that cannot be, or nothing.

    Everything else in it is as it was, byte for byte: comments, order, quotes. A field that says again what the file
    says gives the file back.
    """
    before, wanted = asdict(shown(anchor, form)), asdict(form)
    differing = [name for name in only if name in PLACES and wanted[name] != before[name]]
    values: dict[Place, Any] = {PLACES[name][0]: PLACES[name][1].read(wanted[name]) for name in differing}
    if _says_namespace(anchor) and wanted["namespace"] != before["namespace"]:
        values["metadata", "namespace"] = wanted["namespace"]
    try:
        return edit(anchor.encode(), values).decode(), ""
    except (CrontopusError, ValueError) as error:
        return anchor, str(error)


def _says_namespace(yaml: str) -> bool:
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
    """The form's field at a manifest's place (``spec.env.PATH`` is in ``env``), or an empty string."""
    if place in ("namespace", "metadata.namespace"):
        return "namespace"
    dotted = ((".".join(path), name) for name, (path, _) in PLACES.items())
    return next(
        (name for path, name in dotted if place == path or place.startswith((f"{path}.", f"{path}[", f"{path} "))), ""
    )
