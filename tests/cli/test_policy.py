"""`crontopus policy test` says who is told, by the rules that the server uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.commands.policy import policy

POLICY = """
routes:
  oncall:
    channels: [phone, mail]
    when: {namespaces: [production], labels: {tier: "1"}}
    group: {by: [endpoint], wait: 1m}
    repeat: 4h
    escalate: [{after: 15m, channels: [boss]}]
  rest: {channels: [mail], when: {namespaces: [staging]}}
silences:
  - {until: "2026-12-01T00:00:00Z", when: {endpoints: ["db*"]}, reason: the move}
"""


def run(tmp_path: Path, *words: str, text: str = POLICY) -> Result:
    file = tmp_path / "crontopus.yaml"
    file.write_text(text)
    return CliRunner().invoke(policy, [words[0], str(file), *words[1:]])


def test_who_is_told_when_and_why(tmp_path: Path) -> None:
    result = run(tmp_path, "test", "--job", "production/backup", "--label", "tier=1", "--at", "2026-11-29T12:00:00Z")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "The route oncall tells: phone, mail.",
        "  after 1 min: phone, mail, one message for each endpoint",
        "  after 15 min, unless acknowledged: boss too",
        "  every 4 h until acknowledged: a reminder",
    ]


@pytest.mark.parametrize(
    ("words", "reason", "code"),
    [
        (["--job", "production/backup"], "No route in crontopus.yaml matches it.", 1),
        (["--job", "staging/a"], "The route rest tells: mail.", 0),
        (["--job", "staging/a", "--channel", "phone"], "The route rest names no channel that exists.", 1),
        (["--endpoint", "db01"], "Silenced until 2026-12-01 00:00 UTC (the move).", 1),
        (["--endpoint", "web01", "--cause", "host silent"], "The route oncall tells: phone, mail.", 0),
        (["--job", "x/y", "--route", "rest"], "No route in crontopus.yaml matches it.", 1),
    ],
)
def test_reasons(tmp_path: Path, words: list[str], reason: str, code: int) -> None:
    result = run(tmp_path, "test", *words, "--at", "2026-11-29T12:00:00Z")
    assert (result.output.splitlines()[0].partition(" There is")[0], result.exit_code) == (reason, code)


HELD = """
routes:
  day: {channels: [mail], hours: [{weekdays: monday:friday, times: [{start_time: "08:00", end_time: "18:00"}]}]}
  night: {channels: [phone], severity: error}
maintenance:
  - {when: {endpoints: "db*"}, during: [{weekdays: [sunday]}], reason: updates}
inhibit:
  - {when: {jobs: production/vpn}, mutes: {labels: {needs: vpn}}, equal: endpoint}
"""


@pytest.mark.parametrize(
    ("words", "reason", "code"),
    [
        ("--severity warning --at 2026-11-27T12:00:00Z", "The route day tells: mail.", 0),
        ("--severity error --at 2026-11-27T12:00:00Z", "The route day tells: mail, phone.", 0),
        ("--severity error --at 2026-11-27T18:00:00Z", "The route night tells: phone.", 0),
        ("--severity warning --at 2026-11-27T18:00:00Z", "Outside the hours of the route day.", 1),
        ("--severity warning --route night", "No route tells of problems of severity warning.", 1),
        ("--endpoint db01 --at 2026-11-29T12:00:00Z", "In maintenance until 2026-11-30 00:00 UTC (updates).", 1),
        ("--endpoint web1 --at 2026-11-29T12:00:00Z", "The route night tells: phone.", 0),
        ("--label needs=vpn --endpoint web1 --open production/vpn@web1 --at 2026-11-27T12:00:00Z",
         "Not told while production/vpn on web1 has an open incident.", 1),
        ("--label needs=vpn --endpoint web2 --open production/vpn@web1 --at 2026-11-27T12:00:00Z",
         "The route day tells: mail, phone.", 0),
        ("--endpoint web1 --open production/vpn@web1 --at 2026-11-27T12:00:00Z",
         "The route day tells: mail, phone.", 0),
    ],
)  # fmt: skip
def test_what_holds_a_message_back(tmp_path: Path, words: str, reason: str, code: int) -> None:
    result = run(tmp_path, "test", "--job", "a/b", *words.split(), text=HELD)
    assert (result.output.splitlines()[0], result.exit_code) == (reason, code)


def test_what_inhibits_is_not_inhibited_by_its_like(tmp_path: Path) -> None:
    words = ("--job", "production/vpn", "--endpoint", "web1", "--label", "needs=vpn", "--open", "production/vpn@web1")
    assert run(tmp_path, "test", *words, "--at", "2026-11-27T12:00:00Z", text=HELD).exit_code == 0


def test_without_routes_every_channel_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, "test", "--job", "a/b", "--json", text="")
    assert json.loads(result.output)["reason"] == "Every channel is told: every channel."


def test_an_invalid_file_is_refused(tmp_path: Path) -> None:
    result = run(tmp_path, "validate", text="routs: {}")
    assert (result.exit_code, "did you mean routes?" in result.output) == (1, True)
    assert run(tmp_path, "validate").exit_code == 0


@pytest.mark.parametrize("words", [["--label", "tier"], ["--at", "tomorrow"]])
def test_a_wrong_command_line(tmp_path: Path, words: list[str]) -> None:
    assert run(tmp_path, "test", *words).exit_code == 2
