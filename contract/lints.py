"""Lints: things in a manifest that are allowed and probably not meant. Each has a code, a sentence and a place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone

from contract.manifest_types import Manifest, Problem
from contract.manifest_values import format_duration
from contract.schedule import Schedule, next_slots, parse, resolve, seed, slots
from contract.schedule_slots import walls
from contract.schedule_words import MONTHS
from contract.schedule_zones import changes

Finding = tuple[str, str, str]
"""Code, field, sentence."""

_YEAR = 366 * 86400
# Enough slots to meet every distance between two runs of an ordinary day.
_LOOKED_AT = 64
# Characters of a command that are searched for secrets: the patterns are slow on hostile text.
_LOOKED_INTO = 4096

_GIVEAWAY = r"(pass(word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?)"
_SECRETS = (
    re.compile(rf"(?i)(^|[^a-z]){_GIVEAWAY}\s*[=:]\s*['\"]?(?![$'\"\s]|%[A-Z])\S{{3,}}"),
    re.compile(rf"(?i)--?{_GIVEAWAY}\s+['\"]?(?![-$'\"\s/])\S{{3,}}"),
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
    """Every lint of one manifest, in the order of their places."""
    known = places or {}
    instant = now or datetime.now(timezone.utc)
    found = [*_owner(manifest), *_command(manifest), *_timing(manifest, instant)]
    made = [_problem(manifest, known, *finding) for finding in found]
    return tuple(sorted(made, key=lambda each: (each.line, each.column)))


def _problem(manifest: Manifest, places: Mapping[str, tuple[int, int]], code: str, field: str, message: str) -> Problem:
    line, column = places.get(field) or places.get(field.rsplit(".", 1)[0]) or (1, 1)
    return Problem(code, message, manifest.path, line, column, field, "warning")


def _owner(manifest: Manifest) -> Iterator[Finding]:
    if manifest.namespace == "production" and not manifest.annotations.get("owner"):
        yield (
            "no-owner",
            "metadata.annotations.owner",
            "No owner set. Add the annotation `owner`.",
        )


def _command(manifest: Manifest) -> Iterator[Finding]:
    command = manifest.command
    if "%" in command:
        yield (
            "percent",
            "spec.command",
            "The command has a `%`: cron would end it there, the runner passes it on.",
        )
    if _is_relative(command):
        word = command.split()[0]
        message = f"`{word}` may not be found: cron's PATH is short. Write the whole path."
        yield "relative-command", "spec.command", message
    for field, text in _texts(manifest):
        if any(pattern.search(text[:_LOOKED_INTO]) for pattern in _SECRETS):
            message = f"`{field}` looks like a password or token. Put secrets in `envFile`, which stays on the host."
            yield "secret", field, message


def _texts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "spec.command", " ".join([manifest.command, *manifest.args])
    for name, value in manifest.env.items():
        yield f"spec.env.{name}", f"{name}={value}"


def _is_relative(command: str) -> bool:
    """The first word is a program without a folder, and no word of the shell's own or an assignment."""
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
        message = f"`{schedule.expression}` runs {len(schedule.times)} times a day: every minute of hour `{hour}`."
        yield "every-minute", "spec.schedule", f"{message} For once an hour write `0 {hour} …`."


def _two_days(schedule: Schedule) -> Iterator[Finding]:
    if not schedule.fields[2].startswith("*") and not schedule.fields[4].startswith("*"):
        message = f"`{schedule.expression}` sets both day of the month and weekday: cron runs when either matches."
        yield "either-day", "spec.schedule", message


def _clock_changes(schedule: Schedule, zone: str, now: datetime) -> Iterator[Finding]:
    """The coming year's clock changes that hit a fixed time; wildcard times follow the clock and get no lint."""
    if schedule.follows:
        return
    begin = int(now.timestamp())
    for change in changes(zone, begin, begin + _YEAR):
        low, high = sorted((change.at + change.before, change.at + change.after))
        hit = next(walls(schedule, "debian", low, high), None)
        if hit is not None:
            yield _clock_change(schedule.expression, zone, hit, change.after > change.before)


def _clock_change(expression: str, zone: str, wall: int, forward: bool) -> Finding:
    moment = datetime.fromtimestamp(wall, timezone.utc)
    what, code = ("does not exist", "clock-gap") if forward else ("happens twice", "clock-fold")
    when = f"{moment:%H:%M} on {moment.day} {MONTHS[moment.month]} {moment.year}"
    message = f"{when} {what} in {zone} (clock change). Whether `{expression}` runs then depends on each host's cron."
    return code, "spec.schedule", message


def _overlap(manifest: Manifest, timed: list[Schedule], now: datetime) -> Iterator[Finding]:
    limit = manifest.checkin.max_runtime
    if limit is None or manifest.concurrency != "allow" or not timed:
        return
    coming = next_slots(timed, "UTC", "busybox", now, _LOOKED_AT)
    interval = min((after - before for before, after in zip(coming, coming[1:])), default=limit)
    if limit > interval:
        message = f"`maxRuntime` {format_duration(limit)} exceeds the {format_duration(interval)} between two runs."
        yield "overlap", "spec.checkin.maxRuntime", f"{message} Runs may overlap: see `concurrency`."


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
    """More than ``limit`` jobs of one endpoint in the same minute: one lint for each such minute of the window.

    ``manifests`` are those that run on the endpoint, ``zone`` is the endpoint's own.
    """
    starts: dict[datetime, list[Manifest]] = {}
    end = start + timedelta(hours=hours)
    for manifest in manifests:
        plain = [resolve(each, seed(manifest.id, endpoint_id)) for each in manifest.schedule]
        if manifest.enabled and not manifest.paused:
            for slot in slots(plain, manifest.timezone or zone, policy, start, end):
                starts.setdefault(slot, []).append(manifest)
    return tuple(_crowd(slot, found) for slot, found in sorted(starts.items()) if len(found) > limit)


def _crowd(slot: datetime, found: list[Manifest]) -> Problem:
    start = f"{slot:%Y-%m-%d %H:%M} UTC"
    message = f"{len(found)} jobs of this endpoint start at {start}. Write `H` as the minute to spread them."
    return Problem("crowded", message, found[0].path, 1, 1, "spec.schedule", "warning")
