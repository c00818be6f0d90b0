"""docs/manifest.md matches the code: its examples decode, and its tables are the decoder's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.manifest import decode
from contract.manifest_fields import AGENT, ALERTS, CHECKIN, METADATA, OUTPUT, RETRY, SPEC
from contract.manifest_kinds import BAD
from contract.manifest_object import Field, Object
from contract.policy import decode as decode_policy
from contract.policy_fields import (
    DAY_TIME,
    ESCALATION,
    FREEZE,
    GROUP,
    INHIBITION,
    INTERVAL,
    MAINTENANCE,
    POLICY,
    PRUNE,
    RETENTION,
    ROUTE,
    SILENCE,
    WHEN,
)

TEXT = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
MANIFESTS = [block for block in BLOCKS if "kind: Job" in block]
POLICIES = [block for block in BLOCKS if block.startswith("# crontopus.yaml")]
_LINES = r"((?:(?!```).*\n)*)"
REFUSED = re.findall(rf"^```yaml\n{_LINES}```\n+```text\n{_LINES}```$", TEXT, re.MULTILINE)
TABLES = {
    "`metadata`": METADATA,
    "`spec`": SPEC,
    "`spec.retry`": RETRY,
    "`spec.checkin`": CHECKIN,
    "`spec.checkin.output`": OUTPUT,
    "`spec.agent`": AGENT,
    "`spec.alerts`": ALERTS,
    "Policy": POLICY,
    "`routes`": ROUTE,
    "`routes.group`": GROUP,
    "`routes.escalate`": ESCALATION,
    "`when`": WHEN,
    "`silences`": SILENCE,
    "`maintenance`": MAINTENANCE,
    "`maintenance.during` and `routes.hours`": INTERVAL,
    "`times`": DAY_TIME,
    "`inhibit`": INHIBITION,
    "`freeze`": FREEZE,
    "`prune`": PRUNE,
    "`retention`": RETENTION,
}


def row(table: Object, entry: Field) -> str:
    default = table.default(entry)
    cell = "required" if entry.required else ""
    if default is not BAD and default not in (None, {}, ()) and not isinstance(entry.kind, Object):
        plain = entry.kind.plain(default)
        cell = f"`{str(plain).lower() if isinstance(plain, bool) else plain}`"
    words = entry.kind.words.replace("|", "or")
    return f"| `{entry.name}` | {words} | {cell} | {entry.doc} |"


def rows(table: Object) -> Iterator[str]:
    return (row(table, entry) for entry in table.fields if not entry.legacy)


@pytest.mark.parametrize("heading", TABLES)
def test_each_table_is_the_decoders(heading: str) -> None:
    section = re.search(rf"^###* {re.escape(heading)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert section is not None
    written = [line for line in section.group(1).splitlines() if line.startswith("| `")]
    assert written == list(rows(TABLES[heading]))


def named(block: str) -> str:
    match = re.search(r"^ +name: ([\w-]+)|\{name: ([\w-]+)", block, re.MULTILINE)
    assert match is not None
    return match.group(1) or match.group(2)


@pytest.mark.parametrize("block", [block for block in MANIFESTS if block not in [bad for bad, _ in REFUSED]])
def test_each_example_is_a_good_manifest(block: str) -> None:
    decoded = decode(block.encode(), f"production/{named(block)}.yaml", "acme")
    assert [str(error) for error in decoded.errors] == []
    assert [str(lint) for lint in decoded.lints if lint.code in ("secret", "relative-command")] == []


@pytest.mark.parametrize(("block", "messages"), REFUSED)
def test_each_refused_example_is_refused_in_these_words(block: str, messages: str) -> None:
    decoded = decode(block.encode(), f"production/{named(block)}.yaml", "acme")
    assert [str(error) for error in decoded.errors] == messages.splitlines()


@pytest.mark.parametrize("block", POLICIES)
def test_each_policy_is_good(block: str) -> None:
    assert [str(error) for error in decode_policy(block.encode()).errors] == []


def test_there_is_something_to_check() -> None:
    assert len(MANIFESTS) >= 4
    assert len(POLICIES) == 1
    assert len(REFUSED) == 1
