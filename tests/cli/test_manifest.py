"""``crontopus manifest``: manifests and schedules without a server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from cli.commands.manifest import manifest_group

ROOT = Path(__file__).parents[2]
GOOD = """\
apiVersion: v1
kind: Job
metadata: {name: backup, annotations: {owner: ops@example.org}}
spec:
  schedule: "0 9 * * *"
  timezone: Europe/Berlin
  command: /opt/backup.sh
"""


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(manifest_group, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder like a tenant's repository, with one valid manifest."""
    (tmp_path / "crontopus.yaml").write_text("")
    write(tmp_path, "production/backup.yaml", GOOD)
    return tmp_path


def write(root: Path, name: str, text: str) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_good_folder_passes(repository: Path) -> None:
    result = run("validate", repository)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "2 checked, errors: 0, lints: 0\n"


def test_every_error_is_told_with_its_place(repository: Path) -> None:
    bad = write(repository, "production/report.yaml", GOOD.replace("command", "comand").replace("backup,", "report,"))
    result = run("validate", repository)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert all(line.startswith(f"{bad}:") for line in lines)
    assert any(line.startswith(f"{bad}:7:3: ") and "did you mean command" in line for line in lines)


def test_lints_are_told_and_are_no_errors(repository: Path) -> None:
    file = write(repository, "production/backup.yaml", GOOD.replace("0 9", "* 9"))
    result = run("validate", file)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{file}:5:13: lint: ")


def test_standard_input_is_checked_without_a_place_in_a_repository() -> None:
    assert run("validate", "-", stdin=GOOD).exit_code == 0
    result = run("validate", "-", stdin="nonsense: [")
    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>:2:1: ")


def test_a_file_outside_of_a_repository_is_checked_for_itself(tmp_path: Path) -> None:
    assert run("validate", write(tmp_path, "anything.yaml", GOOD)).exit_code == 0


def test_the_name_must_be_the_files_name_within_a_repository(repository: Path) -> None:
    result = run("validate", write(repository, "production/other.yaml", GOOD))
    assert result.exit_code == 1
    assert "named 'other'" in result.stdout


def test_two_files_of_one_identity_are_both_wrong(repository: Path) -> None:
    write(repository, "production/deep/backup.yml", GOOD)
    result = run("validate", repository)
    assert result.exit_code == 1
    assert "backup.yaml:" in result.stdout
    assert "deep/backup.yml:" in result.stdout


def test_the_policy_file_is_checked_as_a_policy(repository: Path) -> None:
    (repository / "crontopus.yaml").write_text("rutes: {}\n")
    result = run("validate", repository)
    assert result.exit_code == 1
    assert "routes" in result.stdout


def test_the_policys_defaults_fill_a_manifest(repository: Path) -> None:
    (repository / "crontopus.yaml").write_text("defaults:\n  production:\n    command: /bin/true\n")
    file = write(repository, "production/backup.yaml", GOOD.replace("  command: /opt/backup.sh\n", ""))
    assert run("validate", file).exit_code == 0


def test_hidden_folders_and_other_files_of_the_root_hold_no_jobs(repository: Path) -> None:
    write(repository, ".forgejo/workflows/ci.yaml", "on: push\n")
    write(repository, "mkdocs.yml", "site: x\n")
    write(repository, "production/readme.md", "# no manifest\n")
    result = run("validate", repository)
    assert (result.exit_code, result.stderr[:9]) == (0, "2 checked")


def test_json_has_every_problem_with_its_fields(repository: Path) -> None:
    write(repository, "production/report.yaml", GOOD)
    report = json.loads(run("validate", "--format", "json", repository).stdout)
    assert report["checked"] == 3
    assert {"code", "message", "path", "line", "column", "field", "severity"} == set(report["problems"][0])


def test_github_annotations_are_escaped(tmp_path: Path) -> None:
    file = write(tmp_path, "a,b:c.yaml", GOOD.replace("0 9 *", "0 24 *"))
    (line,) = run("validate", "--format", "github", file).stdout.splitlines()
    assert re.match(r"::error file=.*a%2Cb%3Ac\.yaml,line=5,col=\d+,title=[\w-]+::", line)
    assert "midnight is 0" in line


def test_what_does_not_exist_is_a_wrong_command_line(tmp_path: Path) -> None:
    assert run("validate", tmp_path / "none.yaml").exit_code == 2


def test_explain_reads_a_manifest_and_an_expression(repository: Path) -> None:
    file = write(repository, "production/backup.yaml", GOOD.replace("0 9", "30 2"))
    output = run("explain", file).stdout.splitlines()
    assert output[0] == "At 02:30, every day, Europe/Berlin"
    assert len(output) == 3
    assert sum("runs once, at 03:00" in line for line in output) == 1
    assert run("explain", "@daily", "--tz", "UTC").stdout == "At 00:00, every day, UTC\n"


def test_explain_knows_the_hosts_scheduler() -> None:
    output = run("explain", "30 2 * * *", "--tz", "Europe/Berlin", "--policy", "busybox").stdout
    assert "No run takes place" in output
    assert "twice" in output


def test_explain_of_a_broken_manifest_tells_its_errors(repository: Path) -> None:
    result = run("explain", write(repository, "production/backup.yaml", "kind: Job\n"))
    assert result.exit_code == 1
    assert "production/backup.yaml:1:" in result.stderr


@pytest.mark.parametrize("start", ["2026-03-28T12:00", "2026-03-28T11:00Z", "2026-03-28T06:00-05:00"])
def test_next_gives_utc_and_local(start: str) -> None:
    result = run("next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", start, "--count", 2, "--json")
    assert json.loads(result.stdout) == {
        "slots": [
            {"utc": "2026-03-29T01:00:00Z", "local": "2026-03-29T03:00:00+02:00"},
            {"utc": "2026-03-30T00:30:00Z", "local": "2026-03-30T02:30:00+02:00"},
        ]
    }


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("0 24 * * *",), 1, "midnight is 0"),
        (("0 2 * * *", "--tz", "Mars/Olympus"), 1, "not an IANA time zone"),
        (("H 2 * * *",), 1, "Resolve it"),
        (("0 2 * * *", "--from", "soon"), 2, "ISO 8601"),
        (("0 2 * * *", "--count", "0"), 2, "--count"),
        (("0 2 * * *", "--policy", "launchd"), 2, "--policy"),
    ],
)
def test_next_refuses_with_a_reason(arguments: tuple[str, ...], status: int, says: str) -> None:
    result = run("next", *arguments)
    assert result.exit_code == status
    assert says in result.stderr


def test_this_machines_zone_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    assert "+05:30" in run("next", "0 2 * * *").stdout


def test_forecast_counts_runs_and_finds_collisions(repository: Path) -> None:
    write(repository, "staging/report.yaml", GOOD.replace("backup", "report").replace("0 9 *", "0 9,10 *"))
    write(repository, "staging/off.yaml", GOOD.replace("{name: backup", "{name: off") + "  enabled: false\n")
    report = json.loads(run("forecast", repository, "--from", "2026-11-23T00:00Z", "--json").stdout)
    assert [(job["job"], job["runs"], job["first"]) for job in report["jobs"]] == [
        ("production/backup", 1, "2026-11-23T08:00:00Z"),
        ("staging/report", 2, "2026-11-23T08:00:00Z"),
    ]
    assert report["collisions"] == [{"utc": "2026-11-23T08:00:00Z", "jobs": ["production/backup", "staging/report"]}]


def test_forecast_prints_a_table_and_leaves_out_what_is_broken(repository: Path) -> None:
    write(repository, "staging/broken.yaml", "kind: Job\n")
    result = run("forecast", repository, "--hours", 48, "--from", "2026-11-23T00:00Z")
    assert result.exit_code == 0
    assert "production/backup  At 09:00, every day, Europe/Berlin  2     2026-11-23T08:00:00Z" in result.stdout
    assert "COLLISION" not in result.stdout
    assert "skipped: " in result.stderr


def test_schema_prints_a_schema_that_a_good_manifest_passes() -> None:
    schema = json.loads(run("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(GOOD), schema, jsonschema.Draft202012Validator)


def test_asking_for_slots_imports_neither_network_nor_yaml() -> None:
    code = (
        "import sys; from cli.main import main; main(['manifest', 'next', '0 2 * * *'], standalone_mode=False);"
        "print([name for name in ('httpx', 'yaml', 'croniter', 'ssl', 'dulwich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_hook_and_the_workflow_call_what_exists(repository: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"] == "crontopus manifest validate"
    assert re.search(hook["files"], "production/backup.yaml")
    assert re.search(hook["files"], "crontopus.yaml")
    assert not re.search(hook["files"], ".forgejo/workflows/validate.yaml")
    workflow = yaml.safe_load((ROOT / "docs/examples/forgejo-actions-validate.yaml").read_text())
    command = workflow["jobs"]["validate"]["steps"][-1]["run"].split()
    assert command[:3] == ["crontopus", "manifest", "validate"]
    assert run(*command[2:-1], repository).exit_code == 0
