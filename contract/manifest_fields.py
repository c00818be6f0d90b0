"""The one table of a manifest's fields. Decoder, forms, JSON Schema and documentation are made from it."""

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
from contract.manifest_types import AgentTarget, Alerts, Checkin, Manifest, Output, Retry
from contract.schedule import ScheduleError, parse
from contract.yaml_nodes import Node

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z"
NAME_HINT = "is not a name: lower-case letters, digits and `-`, a letter or digit first and last"
UUID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
_ABSOLUTE = r"^(/|[A-Za-z]:[\\/])"
_LABEL = r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?\Z"


@lru_cache(maxsize=1024)
def check_zone(name: str) -> str | None:
    """What is wrong with a time zone's name, or None when it is one of IANA's."""
    if re.match(r"[A-Za-z0-9][A-Za-z0-9_+/-]*\Z", name) and name not in ("localtime", "posixrules", "Factory"):
        try:
            ZoneInfo(name)
            return None
        except (KeyError, ValueError, OSError):
            pass  # told below: unknown, malformed, or a folder of zones
    return f"{name!r} is not an IANA time zone{did_you_mean(name, available_timezones())}"


@lru_cache(maxsize=4096)
def _check_schedule(expression: str) -> str | None:
    try:
        parse(expression)
    except ScheduleError as wrong:
        # Some reasons name the whole expression themselves.
        return str(wrong) if str(wrong).startswith(f'"{expression}"') else f'"{expression}": {wrong}'
    return None


def _check_variables(text: str) -> str | None:
    """Every `$` is `$$` or `${NAME}`: a bare one would be read differently by different people."""
    if "$" in re.sub(r"\$\$|\$\{[A-Za-z_][A-Za-z0-9_]*\}", "", text):
        return "has a `$` that is neither `${NAME}` (read on the host) nor `$$` (a dollar)"
    return None


def _checkin_convert(made: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    """The first Crontopus' `secret` is dropped and its `timeout` becomes ``max_runtime``; both are told."""
    if made.pop("secret", None) is not None:
        told = f"`{where}.secret` does nothing: endpoint tokens authenticate check-ins now; remove it"
        reader.note(nodes["secret"], f"{where}.secret", told, "legacy-secret")
    timeout = made.pop("timeout", None)
    if timeout is None:
        return
    place = f"{where}.timeout"
    if "maxRuntime" in nodes:
        reader.error(
            nodes["timeout"], place, f"`{place}` is the old name of `maxRuntime`, which is given too; remove it"
        )
    made["max_runtime"] = timeout
    reader.note(nodes["timeout"], place, f"`{place}` is the old name of `{where}.maxRuntime`", "legacy-timeout")


def _retry_convert(made: dict[str, Any], nodes: Mapping[str, Node], where: str, reader: Reader) -> None:
    """The first Crontopus' `retry.enabled`: false means no attempts, true without a number meant three."""
    enabled = made.pop("enabled", None)
    if enabled is None:
        return
    made["attempts"] = made.get("attempts", 3) if enabled else 0
    told = f"`{where}.enabled` is not needed: `attempts: 0` means no retry"
    reader.note(nodes["enabled"], f"{where}.enabled", told, "legacy-retry-enabled")


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
            "id", "id", Text("a UUID", UUID_PATTERN, "is not a lower-case UUID"), "Identity, written once by Crontopus"
        ),
        Field(
            "name",
            "name",
            Text("a name", NAME_PATTERN, NAME_HINT, 63),
            "The file's name without its ending",
            True,
            "backup",
        ),
        Field("tenant", "tenant", Text("a name", longest=63), "If given, this repository's tenant"),
        Field("namespace", "namespace", Text("a name", longest=63), "If given, the first folder's name", legacy=True),
        Field("labels", "labels", _LABELS, "For filtering and grouping"),
        Field("annotations", "annotations", _ANNOTATIONS, "Notes for people: owner, runbook, …"),
    ),
    dict,
    moved={"uid": "write `id`", "title": "write `name`"},
    shape=Manifest,
)

OUTPUT = Object(
    (
        Field("head", "head", size(1024**2), "How much of the first output is kept"),
        Field("tail", "tail", size(1024**2), "How much of the last output is kept"),
        Field("mail", "mail", Choice(("keep", "drop")), "`keep`: cron's MAILTO still gets the output"),
    ),
    Output,
)

CHECKIN = Object(
    (
        Field("enabled", "enabled", Boolean(), "`false`: scheduled, not monitored"),
        Field("startGrace", "start_grace", duration(timedelta(0)), "How late a start may be"),
        Field("maxRuntime", "max_runtime", duration(), "Then TERM to the process group, KILL after `killGrace`"),
        Field("killGrace", "kill_grace", duration(timedelta(0), timedelta(hours=1)), "Time between TERM and KILL"),
        Field(
            "finishBy",
            "finish_by",
            Text("a time of day", r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z", "is not a time of day; write HH:MM"),
            "Deadline on the clock in the job's zone",
        ),
        Field("minRuntime", "min_runtime", duration(timedelta(0)), "A faster run is suspicious"),
        Field("minOutputBytes", "min_output_bytes", size(1024**3), "A quieter run is suspicious"),
        Field(
            "successExitCodes",
            "success_exit_codes",
            ListOf(_CODE, least=1, most=256, unique=True),
            "Exit codes that count as success",
        ),
        Field("output", "output", OUTPUT, "What is kept of the output"),
        Field("secret", "secret", Text("text", empty=True), "Of the first Crontopus; does nothing", legacy=True),
        Field("timeout", "timeout", duration(), "Of the first Crontopus: `maxRuntime` in seconds", legacy=True),
    ),
    Checkin,
    moved={
        "url": "the agent knows where to report; remove it",
        "grace": "write `startGrace` (late start) or `maxRuntime` (long run)",
    },
    convert=_checkin_convert,
)

RETRY = Object(
    (
        Field("attempts", "attempts", Integer(0, 100), "Attempts after the first"),
        Field("backoff", "backoff", Choice(("fixed", "exponential")), "`exponential` doubles the delay each time"),
        Field("delay", "delay", duration(timedelta(0), timedelta(days=1)), "Before the next attempt"),
        Field("enabled", "enabled", Boolean(), "Of the first Crontopus: `false` is `attempts: 0`", legacy=True),
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
            "Labels an endpoint must have, every key; a list means any of; `hostname` is the host's name",
        ),
        Field(
            "endpoints",
            "endpoints",
            ListOf(_ENDPOINT, most=1000, unique=True),
            "Endpoints by name, besides those selected; `[]` alone: no endpoint, the job only pings",
        ),
    ),
    AgentTarget,
    moved={"hostname": "write `selector: {hostname: …}`", "labels": "write `selector`"},
)

ALERTS = Object(
    (
        Field("after", "after", Integer(1, 1000), "Failures in a row before an incident"),
        Field("route", "route", Text("a route", NAME_PATTERN, NAME_HINT, 63), "A route of crontopus.yaml"),
        Field("remind", "remind", duration(timedelta(minutes=1)), "Repeat while the incident is open"),
    ),
    Alerts,
)

SPEC = Object(
    (
        Field(
            "schedule",
            "schedule",
            ListOf(_EXPRESSION, single=True, least=1, most=50, unique=True),
            "When: five cron fields, `@daily` and the like, `every 15m`; or a list of them",
            True,
            '"0 2 * * *"',
        ),
        Field(
            "timezone",
            "timezone",
            Text("a time zone", longest=64, check=check_zone),
            "IANA name; absent: the host's zone",
        ),
        Field(
            "command",
            "command",
            Text("a command", longest=32_768, lines=True),
            "Run by `shell`",
            True,
            "/opt/backup.sh",
        ),
        Field(
            "args",
            "args",
            ListOf(Text("text", loose=True, longest=32_768, lines=True, empty=True)),
            "One argument each",
        ),
        Field("shell", "shell", _SHELL, "Runs the command with the quoted arguments"),
        Field("user", "user", _USER, "Only where the agent runs as root"),
        Field("workingDir", "working_dir", _PATH, "Absent: the user's home"),
        Field("env", "env", MapOf(_VARIABLE, _VALUE), "`${VAR}` is read on the host, `$$` is a dollar"),
        Field("envFile", "env_file", _PATH, "KEY=value lines on the host, for secrets"),
        Field("umask", "umask", Text("octal text", r"^0?[0-7]{3}\Z", 'is not a umask; write "0027"'), "File mode mask"),
        Field("nice", "nice", Integer(-20, 19), "Priority"),
        Field(
            "concurrency",
            "concurrency",
            Choice(("allow", "forbid", "replace")),
            "What a run does while the one before is running; held with a lock on the host",
        ),
        Field("retry", "retry", RETRY, "Attempts of one run"),
        Field("checkin", "checkin", CHECKIN, "What is watched and when it is late"),
        Field("agent", "agent", AGENT, "Where; absent: every endpoint of the tenant"),
        Field(
            "expect",
            "expect",
            Either(Integer(1, 100_000), ("integer",), Choice(("all", "any"))),
            "How many of its endpoints must succeed per slot",
        ),
        Field("alerts", "alerts", ALERTS, "When and where to tell"),
        Field("enabled", "enabled", Boolean(), "`false`: on no host, monitor paused"),
        Field("paused", "paused", Boolean(), "`true`: the line stays, commented out; monitor paused"),
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
        Field("metadata", "metadata", METADATA, "Who it is", True),
        Field("spec", "spec", SPEC, "What it does", True),
    ),
    dict,
)
