"""The words for the differences between two manifests."""

from __future__ import annotations

import pytest

from contract.manifest_changes import in_words

BEFORE = """\
apiVersion: v1
kind: Job
metadata:
  id: 6f1c0b1e-6a62-4a3e-9d0a-3d3a3e1f2b4c
  name: backup
spec:
  schedule: 30 1 * * *  # before the office opens
  command: /opt/backup.sh
  env:
    PASSWORD: old secret
  monitoring:
    maxRuntime: 10m
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("30 1 * * *", "0 2 * * *", "schedule 30 1 * * * → 0 2 * * *"),
        (
            "30 1 * * *  # before the office opens",
            "[30 1 * * *, 0 2 * * *]",
            "schedule 30 1 * * * → 30 1 * * *, 0 2 * * *",
        ),
        ("  command:", "  timezone: Europe/Berlin\n  command:", "timezone Europe/Berlin"),
        ("    maxRuntime: 10m", "    startGrace: 5m", "monitoring.startGrace 5m, monitoring.maxRuntime 10m removed"),
        ("  command:", "  paused: true\n  command:", "paused"),
        ("  command:", "  enabled: false\n  command:", "disabled"),
        ("  command:", "  retry:\n    attempts: 3\n  command:", "retry.attempts 3"),
        ("/opt/backup.sh", "/opt/backup.sh " + "x" * 100, "command changed"),
        ("/opt/backup.sh", "|\n    one\n    two", "command changed"),
        ("old secret", "new secret", "env.PASSWORD changed"),
        ("    PASSWORD: old secret", "    TOKEN: new secret", "env.TOKEN set, env.PASSWORD removed"),
        ("6f1c0b1e", "7f1c0b1e", "comments and layout"),
        ("before the office opens", "early", "comments and layout"),
        ("", "", "saved without a change"),
        ("spec:", "spec: [", ""),
        (
            "backup\n",
            "a\n  labels: {a: '1', b: '2', c: '3', d: '4'}\n",
            "name backup → a, labels.a 1, labels.b 2, labels.c 3 and 1 more",
        ),
        ("backup\n", f"backup\n  labels: {{{'x' * 60}: '1'}}\n", "a field 1"),
        ("  command: /opt/backup.sh\n", "  command: {}\n", "command changed"),
    ],
)
def test_what_differs_is_said(old: str, new: str, words: str) -> None:
    assert in_words(BEFORE.encode(), BEFORE.replace(old, new, 1).encode()) == words


def test_resumed_is_said_whether_the_field_is_false_or_gone() -> None:
    paused = BEFORE.replace("  command:", "  paused: true\n  command:").encode()
    assert in_words(paused, paused.replace(b"true", b"false")) == "resumed"
    assert in_words(paused, BEFORE.encode()) == "resumed"


@pytest.mark.parametrize("broken", [b"", b"- 1", b"\xff", b"a: b: c", b"x" * 300_000, b"just text"])
def test_what_has_no_fields_is_told_without_words(broken: bytes) -> None:
    assert in_words(BEFORE.encode(), broken) == in_words(broken, BEFORE.encode()) == ""
