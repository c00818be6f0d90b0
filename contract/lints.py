"""Lints: what is allowed and probably not meant. Each has a code, a sentence and a place; none stops a manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone

from contract.manifest_types import Manifest, Problem

Finding = tuple[str, str, str]
"""Code, field, sentence."""

_SECRET_NAME = r"(pass(word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?)"
_SECRETS = (
    re.compile(rf"(?i)(^|[^a-z]){_SECRET_NAME}\s*[=:]\s*['\"]?(?![$'\"\s]|%[A-Z])\S{{3,}}"),
    re.compile(rf"(?i)--?{_SECRET_NAME}\s+['\"]?(?![-$'\"\s/])\S{{3,}}"),
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
        yield "no-owner", "metadata.annotations.owner", "no `owner` annotation: who is asked when it fails at night?"


def _command(manifest: Manifest) -> Iterator[Finding]:
    command = manifest.command
    if "%" in command:
        told = "`%` in the command: cron would read it as a line end, the runner passes it on as it is"
        yield "percent", "spec.command", told
    if _is_relative(command):
        word = command.split()[0]
        told = f"`{word}` has no folder: cron's PATH is short; write the whole path"
        yield "relative-command", "spec.command", told
    for field, text in _texts(manifest):
        if any(pattern.search(text) for pattern in _SECRETS):
            told = f"`{field}` looks as if it carries a password or token; put it in `envFile`, which stays on the host"
            yield "secret", field, told


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
    return iter(())


_SHORT = timedelta(minutes=1)
