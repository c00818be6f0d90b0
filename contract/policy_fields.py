"""The table of crontopus.yaml's fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contract.manifest_fields import NAME_HINT, NAME_PATTERN, SPEC, check_zone
from contract.manifest_kinds import BAD, Choice, Kind, ListOf, MapOf, Number, Reader, Text, duration
from contract.manifest_object import Field, Object
from contract.policy_types import (
    DAYS,
    SEVERITIES,
    Escalation,
    Freeze,
    Group,
    Inhibition,
    Maintenance,
    Prune,
    Retention,
    Route,
    Silence,
    When,
)
from contract.time_intervals import (
    DayTime,
    TimeInterval,
    parse_days,
    parse_months,
    parse_time,
    parse_weekdays,
    parse_years,
)
from contract.yaml_nodes import Node, to_plain

_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z"


def instant(text: str) -> datetime:
    """An ISO 8601 date and time with its zone. Raises ``ValueError`` with what is wrong."""
    message = f"{text!r} is not a date and time with a zone; write 2027-01-31T18:00:00+01:00, or Z for UTC"
    try:
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise ValueError(message) from None
    if moment.tzinfo is None:
        raise ValueError(message)
    return moment


@dataclass(frozen=True)
class DateTime(Kind):
    words: str = "a date and time, ISO 8601 with zone"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.type != "string":
            return reader.wrong_type(node, where, self.words)
        try:
            return instant(node.value)
        except ValueError as error:
            return reader.error(node, where, f"`{where}` {error}")

    def plain(self, value: Any) -> Any:
        return value.isoformat()

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True)
class TimeOrDateTime(Kind):
    """The edge of a freeze window: `18:00` if it is weekly, a date and time if it is a single one."""

    words: str = "a time of day, or a date and time"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        clock = node.kind == "scalar" and len(node.value) == 5
        return (Text("a time of day", _CLOCK, "is not HH:MM") if clock else DateTime()).read(node, where, reader)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Text("", _CLOCK).schema(), DateTime().schema()]}


@dataclass(frozen=True)
class Parsed(Kind):
    """Text that ``parse`` turns into a value; its ``ValueError`` says what is wrong."""

    parse: Callable[[str], Any]
    words: str

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        if node.kind != "scalar" or node.type == "null":
            return reader.wrong_type(node, where, self.words)
        try:
            return self.parse(node.value)
        except ValueError as error:
            return reader.error(node, where, f"`{where}` {node.value[:80]!r} {error}")

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "integer"]}


@dataclass(frozen=True)
class Defaults(Kind):
    """Fields of a manifest's spec, none required. The value keeps them as plain data."""

    words: str = "fields of `spec`"

    def read(self, node: Node, where: str, reader: Reader) -> Any:
        values = SPEC.read_fields(node, where, reader, partial=True)
        return values if values is BAD else _plain_defaults(node)

    def schema(self) -> dict[str, Any]:
        return {**SPEC.schema(), "required": []}


def _plain_defaults(node: Node) -> dict[str, Any]:
    """A namespace's defaults as plain data."""
    return {key.value: _plain(value) for key, value in node.value}


def _plain(node: Node) -> Any:
    """Like ``to_plain``, but `0080` stays text, because an environment variable's value must not change."""
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


def _check_silence(values: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    if values.get("starts") is not None and values["starts"] >= values["until"]:
        reader.error(nodes["until"], f"{where}.until", f"`{where}.until` must be later than `from`")


def _check_freeze(values: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    starts, until = values["starts"], values["until"]
    if type(starts) is not type(until):
        reader.error(
            nodes["until"],
            f"{where}.until",
            f"`{where}` mixes two forms: write `from` and `until` both as times of day, or both with a date",
        )
    elif isinstance(starts, datetime):
        _check_silence(values, nodes, where, reader)
        for name in ("days", "timezone"):
            if name in nodes:
                message = f"`{where}.{name}` is only for windows of times of day; remove it"
                reader.error(nodes[name], f"{where}.{name}", message)
    elif "timezone" not in values:
        message = f"`{where}.timezone` is missing; times of day need a zone, such as Europe/Berlin"
        reader.error(nodes["from"], f"{where}.timezone", message, "missing")
    elif starts == until:
        reader.error(nodes["until"], f"{where}.until", f"`{where}.until` must differ from `from`")


def _check_times(values: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    if values["start"] >= values["end"]:
        message = (
            f"`{where}.end_time` must be later than `start_time`; write 24:00 for midnight, and two ranges over it"
        )
        reader.error(nodes["end_time"], f"{where}.end_time", message)


def _check_maintenance(values: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    if "until" not in nodes and "during" not in nodes:
        message = f"`{where}` never ends; give `until`, or `during` for one that recurs"
        reader.error(nodes.get("from") or next(iter(nodes.values())), where, message, "missing")
    if "starts" in values and "until" in values:
        _check_silence(values, nodes, where, reader)


_NAME = Text("a name", pattern=NAME_PATTERN, hint=NAME_HINT, longest=63)
_NAMESPACE = Text("a namespace or `*`", r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)\Z", "is neither a namespace nor `*`", 63)
_PATTERN = Text("a pattern", longest=255)
_REASON = Text("text", longest=1024)
_DAY = timedelta(days=1)

WHEN = Object(
    (
        Field("namespaces", "namespaces", ListOf(_NAME, single=True), "Any of these namespaces"),
        Field("jobs", "jobs", ListOf(_PATTERN, single=True), "Patterns of `namespace/name`"),
        Field("endpoints", "endpoints", ListOf(_PATTERN, single=True), "Patterns of endpoint names"),
        Field(
            "labels", "labels", MapOf(Text("a name", longest=63), ListOf(_PATTERN, single=True)), "Labels of the job"
        ),
    ),
    When,
)

_ANY = 20
DAY_TIME = Object(
    (
        Field("start_time", "start", Parsed(parse_time, "HH:MM"), "First minute", True, '"22:00"'),
        Field("end_time", "end", Parsed(parse_time, "HH:MM"), "End, not included; 24:00 is midnight", True, '"24:00"'),
    ),
    DayTime,
    convert=_check_times,
)
INTERVAL = Object(
    (
        Field("times", "times", ListOf(DAY_TIME, most=_ANY), "Times of day"),
        Field(
            "weekdays",
            "weekdays",
            ListOf(Parsed(parse_weekdays, "days of the week"), single=True, most=_ANY),
            "As `saturday` or `monday:friday`",
        ),
        Field(
            "days_of_month",
            "days_of_month",
            ListOf(Parsed(parse_days, "days of the month"), single=True, most=_ANY),
            "As `1`, `1:7` or `-3:-1` (the last three)",
        ),
        Field(
            "months",
            "months",
            ListOf(Parsed(parse_months, "months"), single=True, most=_ANY),
            "As `december`, `12` or `june:august`",
        ),
        Field(
            "years",
            "years",
            ListOf(Parsed(parse_years, "years"), single=True, most=_ANY),
            "As `2027` or `2027:2029`",
        ),
        Field("location", "location", Text("a time zone", longest=64, check=check_zone), "Zone; default: UTC"),
    ),
    TimeInterval,
)
_INTERVALS = ListOf(INTERVAL, least=1, most=_ANY)

_CHANNELS = ListOf(_PATTERN, least=1, most=20, unique=True)
_GROUPED_BY = Text(
    "what to group by",
    r"^(namespace|endpoint|cause|job|label:.+)\Z",
    "is not `namespace`, `endpoint`, `cause`, `job` or `label:NAME`",
)

GROUP = Object(
    (
        Field("by", "by", ListOf(_GROUPED_BY, single=True, most=10, unique=True), "What a message has in common"),
        Field("wait", "wait", duration(timedelta(0), timedelta(hours=1)), "Delay of the first message"),
        Field("interval", "interval", duration(timedelta(0), _DAY), "Time between two messages of a group"),
    ),
    Group,
)

ESCALATION = Object(
    (
        Field(
            "after", "after", duration(timedelta(minutes=1), 7 * _DAY), "Time since the incident opened", True, "15m"
        ),
        Field("channels", "channels", _CHANNELS, "Channels that are told too", True, "[phone]"),
    ),
    Escalation,
)

ROUTE = Object(
    (
        Field("channels", "channels", _CHANNELS, "Channel names", True, "[mail]"),
        Field("when", "when", WHEN, "Conditions; default: always"),
        Field("group", "group", GROUP, "Which incidents share a message, and its delays"),
        Field("repeat", "repeat", duration(timedelta(minutes=1)), "Interval of reminders until it is acknowledged"),
        Field("escalate", "escalate", ListOf(ESCALATION, most=10), "Further channels if nobody acknowledges it"),
        Field("hours", "hours", _INTERVALS, "Times at which it tells; what is open then is told; default: always"),
        Field("severity", "severity", Choice(SEVERITIES), "The least severe that it tells of; default: all"),
    ),
    Route,
)

SILENCE = Object(
    (
        Field("until", "until", DateTime(), "End", True, '"2027-01-31T18:00:00Z"'),
        Field("from", "starts", DateTime(), "Start; default: in force already"),
        Field("when", "when", WHEN, "What is silenced; default: everything"),
        Field("reason", "reason", _REASON, "Note for people"),
    ),
    Silence,
    convert=_check_silence,
)

MAINTENANCE = Object(
    (
        Field("when", "when", WHEN, "What is worked on; default: everything"),
        Field("from", "starts", DateTime(), "Start; default: in force already"),
        Field("until", "until", DateTime(), "End"),
        Field("during", "during", _INTERVALS, "Times at which it recurs"),
        Field("reason", "reason", _REASON, "Note for people"),
    ),
    Maintenance,
    convert=_check_maintenance,
)

INHIBITION = Object(
    (
        Field("when", "when", WHEN, "What has an open incident", True, '{jobs: "production/vpn"}'),
        Field("mutes", "mutes", WHEN, "What is then not told", True, "{labels: {needs: vpn}}"),
        Field(
            "equal", "equal", ListOf(_GROUPED_BY, single=True, most=10, unique=True), "What both must have in common"
        ),
    ),
    Inhibition,
)

FREEZE = Object(
    (
        Field("from", "starts", TimeOrDateTime(), "Start: a time of day, or a date and time", True, '"18:00"'),
        Field("until", "until", TimeOrDateTime(), "End: a time of day, or a date and time", True, '"06:00"'),
        Field(
            "days",
            "days",
            ListOf(Choice(DAYS), single=True, unique=True),
            "Days on which it starts; default: every day",
        ),
        Field("timezone", "timezone", Text("a time zone", longest=64, check=check_zone), "Zone of the times of day"),
        Field("reason", "reason", _REASON, "Note for people"),
    ),
    Freeze,
    convert=_check_freeze,
)

PRUNE = Object(
    (Field("maxShare", "max_share", Number(), "Largest share of a host's jobs that one pass may remove"),),
    Prune,
)

RETENTION = Object(
    (
        Field(
            "runs", "runs", duration(_DAY, timedelta(days=4000)), "Runs; default: 400 days, or the operator's setting"
        ),
        Field(
            "successOutput",
            "success_output",
            duration(_DAY, timedelta(days=4000)),
            "Output of successful runs; default: 30 days, or the operator's setting",
        ),
        Field(
            "failureOutput",
            "failure_output",
            duration(_DAY, timedelta(days=4000)),
            "Output of all other runs; default: 180 days, or the operator's setting",
        ),
    ),
    Retention,
)

POLICY = Object(
    (
        Field("defaults", "defaults", MapOf(_NAMESPACE, Defaults()), "Fields of `spec` per namespace, `*` for all"),
        Field("routes", "routes", MapOf(_NAME, ROUTE), "Named sets of channels that receive problems"),
        Field("silences", "silences", ListOf(SILENCE), "Periods without notifications"),
        Field("maintenance", "maintenance", ListOf(MAINTENANCE), "Windows in which nothing that begins is a problem"),
        Field("inhibit", "inhibit", ListOf(INHIBITION), "What is not told while something else has an open incident"),
        Field("freeze", "freeze", ListOf(FREEZE), "Windows in which agents apply nothing"),
        Field("prune", "prune", PRUNE, "Limit on removals"),
        Field("drift", "drift", Choice(("heal", "report")), "What the agent does about manual edits of its block"),
        Field("retention", "retention", RETENTION, "How long runs and their output are kept"),
    ),
    dict,
)
