"""The table of a manifest's fields, from which decoder, forms, JSON Schema and documentation are generated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from contract.manifest_kinds import (
    Boolean,
    Choice,
    Either,
    Integer,
    ListOf,
    MapOf,
    Reader,
    Text,
    did_you_mean,
    duration,
    size,
)
from contract.manifest_object import Field, Object
from contract.manifest_types import AgentTarget, Alerts, CheckinSpec, Manifest, OutputSpec, Retry
from contract.schedule import ScheduleError, parse
from contract.yaml_nodes import Node

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z"
NAME_HINT = "is not a valid name; use lower-case letters, digits and hyphens, not a hyphen at the start or end"
UUID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
_ABSOLUTE = r"^(/|[A-Za-z]:[\\/])"
_LABEL = r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?\Z"


@lru_cache(maxsize=1024)
def check_zone(name: str) -> str | None:
    """What is wrong with a time zone's name; None for an IANA time zone."""
    if re.match(r"[A-Za-z0-9][A-Za-z0-9_+/-]*\Z", name) and name not in ("localtime", "posixrules", "Factory"):
        try:
            ZoneInfo(name)
            return None
        except (KeyError, ValueError, OSError):
            pass  # unknown, malformed, or a folder of zones: the message below
    return f"{name!r} is not an IANA time zone{did_you_mean(name, available_timezones())}"


@lru_cache(maxsize=4096)
def _check_schedule(expression: str) -> str | None:
    try:
        parse(expression)
    except ScheduleError as error:
        # Some messages begin with the expression.
        return str(error) if str(error).startswith(f'"{expression}"') else f'"{expression}": {error}'
    return None


def _check_variables(text: str) -> str | None:
    """Every `$` must be `$$` or `${NAME}`, because the meaning of a single `$` is ambiguous."""
    if "$" in re.sub(r"\$\$|\$\{[A-Za-z_][A-Za-z0-9_]*\}", "", text):
        return "has a single `$`; write `${NAME}` for a variable of the host, or `$$` for a dollar sign"
    return None


def _checkin_convert(values: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    """Fields of the first Crontopus: ignores `secret`, converts `timeout` to ``max_runtime``, and warns about both."""
    if values.pop("secret", None) is not None:
        message = f"`{where}.secret` has no effect: endpoint tokens authenticate check-ins; remove it"
        reader.note(nodes["secret"], f"{where}.secret", message, "legacy-secret")
    timeout = values.pop("timeout", None)
    if timeout is None:
        return
    place = f"{where}.timeout"
    if "maxRuntime" in nodes:
        reader.error(nodes["timeout"], place, f"`{place}` is the old name of `maxRuntime`, which is set too; remove it")
    values["max_runtime"] = timeout
    reader.note(
        nodes["timeout"],
        place,
        f"`{place}` is the old name of `{where}.maxRuntime`; rename it",
        "legacy-timeout",
    )


def _retry_convert(values: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    """The first Crontopus' `retry.enabled`: false means no retries, true without `attempts` means three."""
    enabled = values.pop("enabled", None)
    if enabled is None:
        return
    values["attempts"] = values.get("attempts", 3) if enabled else 0
    message = f"`{where}.enabled` is not needed; write `attempts: 0` for no retries"
    reader.note(nodes["enabled"], f"{where}.enabled", message, "legacy-retry-enabled")


_LINE = Text("text", loose=True, longest=1024, empty=True)
_LABELS = MapOf(Text("a name", pattern=_LABEL, hint="is not a label's name", longest=63), _LINE, most=64)
_NOTE = Text("text", loose=True, longest=4096, lines=True, empty=True)
_ANNOTATIONS = MapOf(Text("a name", pattern=_LABEL, hint="is not an annotation's name", longest=63), _NOTE, most=64)
_EXPRESSION = Text("a schedule", longest=256, check=_check_schedule)
_PATH = Text("an absolute path", pattern=_ABSOLUTE, hint="is not an absolute path")
_VARIABLE = Text("a name", pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z", hint="is not a variable's name", longest=128)
_VALUE = Text("text", loose=True, longest=32_768, lines=True, empty=True, check=_check_variables)
_ENDPOINT = Text("an endpoint's name", longest=255)
_CODE = Integer(0, 255)
_SELECTED = Text("text", loose=True, longest=255)
_USER = Text("a user", pattern=r"^[A-Za-z_][-A-Za-z0-9_.@\\]*\$?\Z", hint="is not a user's name", longest=64)
_SHELL = Text("a path", pattern=r"^(/\S+|[A-Za-z]:[\\/].+|[\w.-]+\.exe|pwsh)\Z", hint="is not a shell's path")

METADATA = Object(
    (
        Field(
            "id", "id", Text("a UUID", UUID_PATTERN, "is not a lower-case UUID"), "Identity; Crontopus writes it once"
        ),
        Field(
            "name",
            "name",
            Text("a name", NAME_PATTERN, NAME_HINT, 63),
            "File name without extension",
            True,
            "backup",
        ),
        Field("tenant", "tenant", Text("a name", longest=63), "If set, must be the repository's tenant"),
        Field("namespace", "namespace", Text("a name", longest=63), "If set, must be the first folder", legacy=True),
        Field("labels", "labels", _LABELS, "For filtering and grouping"),
        Field("annotations", "annotations", _ANNOTATIONS, "Notes for people: owner, runbook, …"),
    ),
    dict,
    moved={"uid": "write `id`", "title": "write `name`"},
    shape=Manifest,
)

OUTPUT = Object(
    (
        Field("head", "head", size(1024**2), "Bytes kept from the start of the output"),
        Field("tail", "tail", size(1024**2), "Bytes kept from the end of the output"),
        Field("mail", "mail", Choice(("keep", "drop")), "`keep`: cron also mails the output to MAILTO"),
    ),
    OutputSpec,
)

CHECKIN = Object(
    (
        Field("enabled", "enabled", Boolean(), "`false`: scheduled but not monitored"),
        Field(
            "startGrace",
            "start_grace",
            duration(timedelta(0)),
            "Delay after which a start is missed; default: 5 % of the interval, 2 minutes to 1 hour",
        ),
        Field("maxRuntime", "max_runtime", duration(), "Time limit; then TERM, and KILL after `killGrace`"),
        Field("killGrace", "kill_grace", duration(timedelta(0), timedelta(hours=1)), "Time between TERM and KILL"),
        Field(
            "finishBy",
            "finish_by",
            Text("a time of day", r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z", "is not a time of day; write HH:MM"),
            "Deadline as a time of day in the job's zone",
        ),
        Field("minRuntime", "min_runtime", duration(timedelta(0)), "A shorter run is flagged"),
        Field("minOutputBytes", "min_output_bytes", size(1024**3), "A run with less output is flagged"),
        Field(
            "successExitCodes",
            "success_exit_codes",
            ListOf(_CODE, least=1, most=256, unique=True),
            "Exit codes that count as success",
        ),
        Field("output", "output", OUTPUT, "How much output is kept"),
        Field("secret", "secret", Text("text", empty=True), "First Crontopus; has no effect", legacy=True),
        Field("timeout", "timeout", duration(), "First Crontopus: `maxRuntime` in seconds", legacy=True),
    ),
    CheckinSpec,
    moved={
        "url": "the agent knows where to report; remove it",
        "grace": "write `startGrace` (late start) or `maxRuntime` (long run)",
    },
    convert=_checkin_convert,
)

RETRY = Object(
    (
        Field("attempts", "attempts", Integer(0, 100), "Retries after the first attempt"),
        Field("backoff", "backoff", Choice(("fixed", "exponential")), "`exponential` doubles the delay each time"),
        Field("delay", "delay", duration(timedelta(0), timedelta(days=1)), "Delay before the next attempt"),
        Field("enabled", "enabled", Boolean(), "First Crontopus: `false` is `attempts: 0`", legacy=True),
    ),
    Retry,
    moved={"maxAttempts": "write `attempts`", "max": "write `attempts`"},
    convert=_retry_convert,
)

AGENT = Object(
    (
        Field(
            "selector",
            "selector",
            MapOf(_LABELS.key, ListOf(_SELECTED, single=True, least=1, most=200), most=20),
            "Labels an endpoint must have, all keys; a list allows any of its values; `hostname`: host name",
        ),
        Field(
            "endpoints",
            "endpoints",
            ListOf(_ENDPOINT, most=1000, unique=True),
            "Further endpoints by name; `[]` without `selector`: none, the job only sends pings",
        ),
    ),
    AgentTarget,
    moved={"hostname": "write `selector: {hostname: …}`", "labels": "write `selector`"},
)

ALERTS = Object(
    (
        Field("after", "after", Integer(1, 1000), "Bad runs in a row that open an incident"),
        Field("recover", "recover", Integer(1, 20), "Good runs in a row that close it"),
        Field(
            "rate",
            "rate",
            Text("a rate", r"^([1-9]|1[0-9]|20)/([1-9]|1[0-9]|20)\Z", "is not a rate up to 20/20; write 3/10"),
            "So many bad runs among the last so many open an incident too",
        ),
        Field(
            "noSuccessFor",
            "no_success_for",
            duration(timedelta(minutes=1)),
            "A time without any success that opens an incident, whatever `after` forgives",
        ),
        Field("route", "route", Text("a route", NAME_PATTERN, NAME_HINT, 63), "Route from crontopus.yaml"),
        Field("remind", "remind", duration(timedelta(minutes=1)), "Interval of reminders while the incident is open"),
    ),
    Alerts,
)

SPEC = Object(
    (
        Field(
            "schedule",
            "schedule",
            ListOf(_EXPRESSION, single=True, least=1, most=50, unique=True),
            "Five cron fields, a nickname such as `@daily`, or `every 15m`; or a list of these",
            True,
            '"0 2 * * *"',
        ),
        Field(
            "timezone",
            "timezone",
            Text("a time zone", longest=64, check=check_zone),
            "IANA time zone; default: the host's",
        ),
        Field(
            "command",
            "command",
            Text("a command", longest=32_768, lines=True),
            "Command line, run by `shell`",
            True,
            "/opt/backup.sh",
        ),
        Field(
            "args",
            "args",
            ListOf(Text("text", loose=True, longest=32_768, lines=True, empty=True)),
            "Arguments appended to the command, quoted",
        ),
        Field("shell", "shell", _SHELL, "Shell that runs the command"),
        Field("user", "user", _USER, "User who runs the job; only if the agent runs as root"),
        Field("workingDir", "working_dir", _PATH, "Working directory; default: the user's home"),
        Field("env", "env", MapOf(_VARIABLE, _VALUE), "Variables; `${VAR}`: from the host, `$$`: a dollar sign"),
        Field("envFile", "env_file", _PATH, "File of KEY=value lines on the host, for secrets"),
        Field("umask", "umask", Text("octal text", r"^0?[0-7]{3}\Z", 'is not a umask; write "0027"'), "File mode mask"),
        Field("nice", "nice", Integer(-20, 19), "CPU priority; 19 is the lowest"),
        Field(
            "concurrency",
            "concurrency",
            Choice(("allow", "forbid", "replace")),
            "What a run does if the previous one is still going; uses a lock on the host",
        ),
        Field("retry", "retry", RETRY, "Retries within one run"),
        Field("checkin", "checkin", CHECKIN, "Monitoring: deadlines, limits, output"),
        Field("agent", "agent", AGENT, "Endpoints; default: all of the tenant"),
        Field(
            "expect",
            "expect",
            Either(Integer(1, 100_000), ("integer",), Choice(("all", "any"))),
            "How many endpoints must succeed in each slot",
        ),
        Field("alerts", "alerts", ALERTS, "When to open an incident and whom to notify"),
        Field("enabled", "enabled", Boolean(), "`false`: removed from all hosts, monitor paused"),
        Field("paused", "paused", Boolean(), "`true`: line commented out on the hosts, monitor paused"),
    ),
    dict,
    moved={
        "dependsOn": "it is not supported in v1",
        "retryPolicy": "write `retry: {attempts: …, backoff: …, delay: …}`",
        "maxRetries": "write `retry: {attempts: …}`",
        "environment": "write `env`, a map: `env: {NAME: value}`",
        "checkIn": "write `checkin`",
        "timeout": "write `checkin: {maxRuntime: …}`",
        "maxRuntime": "write `checkin: {maxRuntime: …}`",
        "selector": "write `agent: {selector: …}`",
        "endpoints": "write `agent: {endpoints: …}`",
        "cron": "write `schedule`",
        "cwd": "write `workingDir`",
        "suspend": "write `paused`",
        "concurrencyPolicy": "write `concurrency: allow`, `forbid` or `replace`",
    },
    shape=Manifest,
)

JOB = Object(
    (
        Field("apiVersion", "api_version", Choice(("v1",)), "Always `v1`", True, "v1"),
        Field("kind", "kind", Choice(("Job",)), "Always `Job`", True, "Job"),
        Field("metadata", "metadata", METADATA, "Name and labels", True),
        Field("spec", "spec", SPEC, "Schedule, command and options", True),
    ),
    dict,
)
