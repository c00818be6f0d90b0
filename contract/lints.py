"""Lints: warnings about a valid manifest that is probably not what its author intends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone

from contract.manifest_types import Manifest, Problem
from contract.manifest_values import format_duration
from contract.schedule import Schedule, change_nights, next_slots, parse, resolve, seed, slots

Finding = tuple[str, str, str]
"""Code, field, message."""

# Enough slots to contain the shortest distance between two runs of an ordinary day.
_SLOTS_COMPARED = 64
# Only this many characters of a command are searched for secrets: the patterns are slow on hostile text.
_CHARACTERS_SEARCHED = 4096

_NAMES_OF_SECRETS = r"(pass(word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?)"
_SECRETS = (
    re.compile(rf"(?i)(^|[^a-z]){_NAMES_OF_SECRETS}\s*[=:]\s*['\"]?(?![$'\"\s]|%[A-Z])\S{{3,}}"),
    re.compile(rf"(?i)--?{_NAMES_OF_SECRETS}\s+['\"]?(?![-$'\"\s/])\S{{3,}}"),
    re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@$]+:[^\s/@$]{3,}@"),
    re.compile(r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|xox[abpr]-[A-Za-z0-9-]{10,}|glpat-[A-Za-z0-9_-]{20,})"),
    re.compile(r"(?i)\bauthorization:\s*(bearer|basic)\s+(?!\$)\S{6,}"),
    re.compile(r"\b(mysql|mysqldump|mysqladmin)\b.*\s-p(?![\s$])\S+"),
)
_SHELL_WORDS = re.compile(
    r"(cd|test|\[|\[\[|if|for|while|until|case|exec|export|set|umask|ulimit|trap|eval|true|false|echo|printf|exit|"
    r"sleep|\.|source|:|\{|\(|!|time|nice|ionice|env|flock|timeout|command)(\s|$|;)"
)


def lint(
    manifest: Manifest, places: Mapping[str, tuple[int, int]] | None = None, *, now: datetime | None = None
) -> tuple[Problem, ...]:
    """All lints of one manifest, ordered by line and column. ``places`` maps each field to its line and column."""
    instant = now or datetime.now(timezone.utc)
    findings = [*_owner(manifest), *_command(manifest), *_timing(manifest, instant)]
    problems = [_problem(manifest, places or {}, *finding) for finding in findings]
    return tuple(sorted(problems, key=lambda each: (each.line, each.column)))


def _problem(manifest: Manifest, places: Mapping[str, tuple[int, int]], code: str, field: str, message: str) -> Problem:
    line, column = places.get(field) or places.get(field.rsplit(".", 1)[0]) or (1, 1)
    return Problem(code, message, manifest.path, line, column, field, "warning")


def _owner(manifest: Manifest) -> Iterator[Finding]:
    if manifest.namespace == "production" and not manifest.annotations.get("owner"):
        yield (
            "no-owner",
            "metadata.annotations.owner",
            "No owner set. Add the annotation `owner` so that people know whom to ask.",
        )


def _command(manifest: Manifest) -> Iterator[Finding]:
    command = manifest.command
    if "%" in command:
        yield (
            "percent",
            "spec.command",
            "The command contains `%`. In a crontab, cron would cut it there; the runner passes it to the shell.",
        )
    if _is_relative(command):
        word = command.split()[0]
        message = f"`{word}` may not be found, as cron's PATH is short. Write the absolute path."
        yield "relative-command", "spec.command", message
    for field, text in _texts(manifest):
        if any(pattern.search(text[:_CHARACTERS_SEARCHED]) for pattern in _SECRETS):
            message = f"`{field}` seems to contain a secret. Move it to `envFile`, a file that stays on the host."
            yield "secret", field, message


def _texts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "spec.command", " ".join([manifest.command, *manifest.args])
    for name, value in manifest.env.items():
        yield f"spec.env.{name}", f"{name}={value}"


def _is_relative(command: str) -> bool:
    """Whether the first word is a program name without a folder, and neither a shell word nor an assignment."""
    text = command.strip()
    if _SHELL_WORDS.match(text) or re.match(r"[A-Za-z_][A-Za-z0-9_]*=", text):
        return False
    return not re.match(r"[\"']?(/|~|\$|[A-Za-z]:[\\/]|%)", text)


def _timing(manifest: Manifest, now: datetime) -> Iterator[Finding]:
    schedules = [parse(resolve(each, manifest.id)) for each in manifest.schedule]
    timed = [schedule for schedule in schedules if not schedule.on_boot]
    for schedule in timed:
        yield from _every_minute(schedule)
        yield from _two_days(schedule)
        if manifest.timezone:
            yield from _clock_changes(schedule, manifest.timezone, now)
    yield from _overlap(manifest, timed, now)


def _every_minute(schedule: Schedule) -> Iterator[Finding]:
    minute, hour = schedule.fields[:2]
    if minute in ("*", "*/1") and not hour.startswith("*"):
        message = f'"{schedule.expression}" runs {len(schedule.times)} times a day: every minute of hour {hour}.'
        yield "every-minute", "spec.schedule", f'{message} For one run an hour write "0 {hour} …".'


def _two_days(schedule: Schedule) -> Iterator[Finding]:
    if not schedule.fields[2].startswith("*") and not schedule.fields[4].startswith("*"):
        message = f'"{schedule.expression}" sets a day of the month and a weekday. Cron runs it when either matches.'
        yield "either-day", "spec.schedule", message


def _clock_changes(schedule: Schedule, zone: str, now: datetime) -> Iterator[Finding]:
    """The clock changes of the next year that affect a fixed time. Wildcard times follow the clock: no lint."""
    if schedule.follows:
        return
    nights = (change_nights(schedule, zone, policy, now) for policy in ("debian", "busybox"))
    for debian, busybox in zip(*nights):
        if debian.walls:
            message = f"{zone}, {debian.text}"
            if busybox.outcome != debian.outcome:
                message += f" With BusyBox crond: {busybox.text.rpartition('. ')[2]}"
            yield "clock-gap" if debian.is_gap else "clock-fold", "spec.schedule", message


def _overlap(manifest: Manifest, timed: list[Schedule], now: datetime) -> Iterator[Finding]:
    limit = manifest.checkin.max_runtime
    if limit is None or manifest.concurrency != "allow" or not timed:
        return
    upcoming = next_slots(timed, "UTC", "busybox", now, _SLOTS_COMPARED)
    interval = min((after - before for before, after in zip(upcoming, upcoming[1:])), default=limit)
    if limit > interval:
        message = f"`maxRuntime` is {format_duration(limit)}, but a run starts every {format_duration(interval)}."
        yield "overlap", "spec.checkin.maxRuntime", f"{message} Runs may overlap: set `concurrency`."


def crowded(
    endpoint_id: str,
    zone: str,
    policy: str,
    manifests: Iterable[Manifest],
    start: datetime,
    *,
    hours: int = 24,
    limit: int = 20,
) -> tuple[Problem, ...]:
    """One lint for each minute of the next ``hours`` in which more than ``limit`` jobs of the endpoint start.

    ``manifests``: those that run on the endpoint. ``zone``: the endpoint's time zone.
    """
    starts: dict[datetime, list[Manifest]] = {}
    end = start + timedelta(hours=hours)
    for manifest in manifests:
        plain = [resolve(each, seed(manifest.id, endpoint_id)) for each in manifest.schedule]
        if manifest.enabled and not manifest.paused:
            for slot in slots(plain, manifest.timezone or zone, policy, start, end):
                starts.setdefault(slot, []).append(manifest)
    return tuple(_crowd(slot, group) for slot, group in sorted(starts.items()) if len(group) > limit)


def _crowd(slot: datetime, manifests: list[Manifest]) -> Problem:
    start = f"{slot:%Y-%m-%d %H:%M} UTC"
    message = f"{len(manifests)} jobs of this endpoint start at {start}. Write `H` as the minute to spread them."
    return Problem("crowded", message, manifests[0].path, 1, 1, "spec.schedule", "warning")
