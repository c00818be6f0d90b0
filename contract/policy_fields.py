"""The table of crontopus.yaml's fields, made of the same kinds as a manifest's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contract.manifest_fields import NAME_HINT, NAME_PATTERN, SPEC, check_zone
from contract.manifest_kinds import BAD, Choice, Kind, ListOf, MapOf, Number, Reader, Text, duration
from contract.manifest_object import Field, Object
from contract.policy_types import DAYS, Freeze, Prune, Retention, Route, Silence, When
from contract.yaml_nodes import Node, to_plain

_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z"


def instant(text: str) -> datetime:
    """An ISO 8601 moment with its zone; ``ValueError`` says what is wrong otherwise."""
    wrong = f"{text!r} is not a moment with its zone; write 2027-01-31T18:00:00+01:00, or Z for UTC"
    try:
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise ValueError(wrong) from None
    if moment.tzinfo is None:
        raise ValueError(wrong)
    return moment


@dataclass(frozen=True)
class Instant(Kind):
    words: str = "a moment, ISO 8601 with its zone"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.type != "string":
            return reader.wrong_type(node, where, self.words)
        try:
            return instant(node.value)
        except ValueError as wrong:
            return reader.error(node, where, f"`{where}` {wrong}")

    def plain(self, value: Any) -> Any:
        return value.isoformat()

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True)
class ClockOrInstant(Kind):
    """`18:00` of a weekly window, or a moment of one that comes once."""

    words: str = "a time of day or a moment"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        clock = node.kind == "scalar" and len(node.value) == 5
        return (Text("a time of day", _CLOCK, "is not HH:MM") if clock else Instant()).read(node, where, reader)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Text("", _CLOCK).schema(), Instant().schema()]}


@dataclass(frozen=True)
class Defaults(Kind):
    """Spec fields, checked as a manifest's are, none required; kept as they are written."""

    words: str = "fields of `spec`"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        made = SPEC.read_fields(node, where, reader, partial=True)
        return made if made is BAD else _plain_defaults(node)

    def schema(self) -> dict[str, Any]:
        return {**SPEC.schema(), "required": []}


def _plain_defaults(node: Node) -> dict[str, Any]:
    """A namespace's defaults as plain data, as ``Policy.defaults`` keeps them."""
    return {key.value: _plain(value) for key, value in node.value}


def _plain(node: Node) -> Any:
    """As ``to_plain``, but `0080` stays text: an environment's values are kept as they are written."""
    if node.kind == "map":
        return _plain_defaults(node)
    if node.kind == "list":
        return [_plain(item) for item in node.value]
    value = to_plain(node)
    return (
        node.value
        if isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) != node.value
        else value
    )


def _check_silence(made: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    if made.get("starts") is not None and made["starts"] >= made["until"]:
        reader.error(nodes["until"], f"{where}.until", f"`{where}.until` is not after `from`")


def _check_freeze(made: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    starts, until = made["starts"], made["until"]
    if type(starts) is not type(until):
        reader.error(
            nodes["until"], f"{where}.until", f"`{where}`: `from` and `until` are both times of day or both moments"
        )
    elif isinstance(starts, datetime):
        _check_silence(made, nodes, where, reader)
        for name in ("days", "timezone"):
            if name in nodes:
                reader.error(nodes[name], f"{where}.{name}", f"`{where}.{name}` belongs to a window of times of day")
    elif "timezone" not in made:
        reader.error(
            nodes["from"], f"{where}.timezone", f"`{where}.timezone` is missing: whose clock is meant?", "missing"
        )
    elif starts == until:
        reader.error(nodes["until"], f"{where}.until", f"`{where}` is empty: `from` equals `until`")


_NAME = Text("a name", pattern=NAME_PATTERN, hint=NAME_HINT, longest=63)
_NAMESPACE = Text("a namespace or `*`", r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)\Z", "is neither a namespace nor `*`", 63)
_PATTERN = Text("a pattern", longest=255)
_REASON = Text("text", longest=1024)
_DAY = timedelta(days=1)

WHEN = Object(
    (
        Field("namespaces", "namespaces", ListOf(_NAME, single=True), "Any of these namespaces"),
        Field("jobs", "jobs", ListOf(_PATTERN, single=True), "Patterns of `namespace/name`"),
        Field("endpoints", "endpoints", ListOf(_PATTERN, single=True), "Patterns of endpoints' names"),
        Field(
            "labels", "labels", MapOf(Text("a name", longest=63), ListOf(_PATTERN, single=True)), "Labels of the job"
        ),
    ),
    When,
)

ROUTE = Object(
    (
        Field(
            "channels", "channels", ListOf(_PATTERN, least=1, most=20, unique=True), "Channels by name", True, "[mail]"
        ),
        Field("when", "when", WHEN, "Conditions; absent: always"),
    ),
    Route,
)

SILENCE = Object(
    (
        Field("until", "until", Instant(), "Its end; every silence has one", True, '"2027-01-31T18:00:00Z"'),
        Field("from", "starts", Instant(), "Absent: since always"),
        Field("when", "when", WHEN, "What is silenced; absent: everything"),
        Field("reason", "reason", _REASON, "For people"),
    ),
    Silence,
    convert=_check_silence,
)

FREEZE = Object(
    (
        Field("from", "starts", ClockOrInstant(), "A moment, or a time of day", True, '"18:00"'),
        Field("until", "until", ClockOrInstant(), "A moment, or a time of day", True, '"06:00"'),
        Field(
            "days", "days", ListOf(Choice(DAYS), single=True, unique=True), "Days on which it begins; absent: every day"
        ),
        Field("timezone", "timezone", Text("a time zone", longest=64, check=check_zone), "Whose time of day"),
        Field("reason", "reason", _REASON, "For people"),
    ),
    Freeze,
    convert=_check_freeze,
)

PRUNE = Object(
    (Field("maxShare", "max_share", Number(), "A pass that would remove more of a host's jobs than this is blocked"),),
    Prune,
)

RETENTION = Object(
    (
        Field("runs", "runs", duration(_DAY, timedelta(days=4000)), "Rows of runs"),
        Field("successOutput", "success_output", duration(_DAY, timedelta(days=4000)), "Outputs of good runs"),
        Field("failureOutput", "failure_output", duration(_DAY, timedelta(days=4000)), "Outputs of all others"),
    ),
    Retention,
)

POLICY = Object(
    (
        Field("defaults", "defaults", MapOf(_NAMESPACE, Defaults()), "Fields of `spec` per namespace, `*` for all"),
        Field("routes", "routes", MapOf(_NAME, ROUTE), "Where problems go, by name"),
        Field("silences", "silences", ListOf(SILENCE), "Mutes with an end"),
        Field("freeze", "freeze", ListOf(FREEZE), "Windows in which agents apply nothing"),
        Field("prune", "prune", PRUNE, "The brake on removals"),
        Field("drift", "drift", Choice(("heal", "report")), "What an agent does about foreign edits of its block"),
        Field("retention", "retention", RETENTION, "How long things are kept"),
    ),
    dict,
)
