"""Every field is read, every error has its line and column."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contract.manifest import AgentTarget, Alerts, CheckinSpec, OutputSpec, Retry, decode, job_id, mark_duplicates
from tests.contract.manifests import FIRST_CRONTOPUS, FULL, SMALL, errors, full, good, with_spec


def test_every_field_of_the_manual_arrives() -> None:
    decoded = full()
    assert decoded.errors == ()
    job = decoded.manifest
    assert job is not None
    assert (job.id, job.id_given) == ("5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e", True)
    assert (job.name, job.namespace, job.path) == ("nightly-backup", "production", "production/db/nightly-backup.yaml")
    assert job.labels == {"env": "production", "team": "platform"}
    assert job.annotations == {"owner": "ops@example.org", "runbook": "https://wiki.example.org/backup"}
    assert (job.schedule, job.timezone) == (("0 2 * * *",), "Europe/Berlin")
    assert (job.command, job.args) == ("/opt/scripts/backup.sh", ("--database=prod", "--label=two  spaces"))
    assert (job.shell, job.user, job.working_dir) == ("/bin/bash", "backup", "/opt/backups")
    assert job.env == {"BACKUP_TARGET": "s3://b", "HOME_DIR": "${HOME}", "PORT": "8080", "DEBUG": "no"}
    assert (job.env_file, job.umask, job.nice) == ("/etc/crontopus/backup.env", "0027", 10)
    assert (job.concurrency, job.expect, job.enabled, job.paused) == ("forbid", 2, True, False)
    assert job.retry == Retry(3, "exponential", timedelta(seconds=45))
    assert job.alerts == Alerts(2, "oncall", timedelta(hours=4))
    assert job.agent == AgentTarget({"hostname": ("db01",), "role": ("db", "replica")}, ("db01", "db02"))
    assert job.checkin == CheckinSpec(
        enabled=True,
        start_grace=timedelta(minutes=7),
        max_runtime=timedelta(minutes=90),
        kill_grace=timedelta(seconds=20),
        finish_by="06:00",
        min_runtime=timedelta(seconds=2),
        min_output_bytes=1024,
        success_exit_codes=(0, 3),
        output=OutputSpec(8192, 65536, "drop"),
    )


def test_what_is_absent_has_the_defaults_of_the_manual() -> None:
    job = decode(SMALL, "production/a.yaml", "acme").manifest
    assert job is not None
    assert (job.shell, job.concurrency, job.expect, job.enabled, job.paused) == ("/bin/sh", "allow", "all", True, False)
    assert (job.retry, job.checkin, job.agent, job.alerts) == (Retry(), CheckinSpec(), AgentTarget(), Alerts())
    assert job.timezone is None


def test_an_empty_optional_field_counts_as_absent() -> None:
    job = good("timezone:\nenv: null").manifest
    assert job is not None
    assert (job.timezone, job.env) == (None, {})


def test_all_errors_are_told_at_once_in_the_order_of_the_lines() -> None:
    message = errors(with_spec("shedule: '0 2 * * *'\ncommand: true\nenabled: yes\nnice: 99\ncheckin: {maxRutime: 5m}"))
    assert message.splitlines() == [
        "production/a.yaml:5:3: spec.shedule is not a field; did you mean schedule?",
        'production/a.yaml:5:3: spec.schedule is missing, for example schedule: "0 2 * * *"',
        "production/a.yaml:6:12: spec.command must be text, not a boolean; put it in quotes: 'true'",
        "production/a.yaml:7:12: spec.enabled must be true or false, not 'yes'",
        "production/a.yaml:8:9: spec.nice must be from -20 to 19, not 99",
        "production/a.yaml:9:13: spec.checkin.maxRutime is not a field; did you mean maxRuntime?",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("schedule: '0 2 * *'", "4 fields"),
        ("schedule: []", "1 to 50 entries"),
        ("schedule: ['@daily', '@daily']", "an entry twice"),
        ("timezone: Europe/Berln", "did you mean Europe/Berlin?"),
        ("timezone: ../../etc/passwd", "is not an IANA time zone"),
        ("timezone: Europe", "is not an IANA time zone"),
        ('command: "a\\0b"', "control character U+0000"),
        ('command: "a\\rb"', "control character U+000D"),
        ('command: "\\e[1m"', "control character U+001B"),
        ("command: ' '", "must not be empty"),
        ("command: [a]", "must be text, not a list"),
        ("args: one", "must be a list"),
        ("args: [[a]]", "spec.args[0] must be text"),
        ("user: 'root x'", "is not a user's name"),
        ("user: '-x'", "is not a user's name"),
        ("workingDir: opt", "is not an absolute path"),
        ("shell: /bin/sh -c", "is not a shell's path"),
        ("env: {1A: b}", "is not a variable's name"),
        ("env: {A: $HOME}", "write ${NAME}"),
        ("env: {A: }", "must be text, not empty"),
        ("umask: 0027", "put it in quotes: '0027'"),
        ("umask: '0999'", "is not a umask"),
        ("nice: 1.5", "must be an integer"),
        ("concurrency: forbidden", "did you mean forbid?"),
        ("retry: {attempts: -1}", "from 0 to 100"),
        ("retry: {backoff: exp}", "must be fixed or exponential"),
        ("checkin: {maxRuntime: 0}", "from 1s to 400d"),
        ("checkin: {maxRuntime: 5 minutes}", "is not a duration"),
        ("checkin: {maxRuntime: -5}", "is not a duration"),
        ("checkin: {maxRuntime: 99999999999999999999}", "is longer than"),
        ("checkin: {finishBy: 24:00}", "is not a time of day"),
        ("checkin: {successExitCodes: [256]}", "from 0 to 255"),
        ("checkin: {output: {head: 2GiB}}", "from 0 to 1MiB"),
        ("checkin: {maxRuntime: 1h, timeout: 60}", "old name of maxRuntime"),
        ("agent: {selector: {role: []}}", "1 to 200 entries"),
        ("agent: {endpoints: [a, a]}", "an entry twice"),
        ("expect: 0", "from 1 to"),
        ("expect: most", "must be all or any"),
        ("alerts: {after: 0}", "from 1 to 1000"),
        ("alerts: {remind: 5s}", "from 1m"),
        ("dependsOn: []", "not supported in v1"),
    ],
)
def test_a_wrong_value_is_refused_with_a_reason(line: str, message: str) -> None:
    key = line.split(":")[0]
    base = {"schedule": "schedule: '@daily'", "command": "command: /bin/true"}
    decoded = with_spec("\n".join([*(text for name, text in base.items() if name != key), line]))
    assert decoded.manifest is None
    assert message in errors(decoded)
    assert all(problem.field.startswith("spec") for problem in decoded.errors)
    assert all(problem.line > 4 and problem.column > 2 for problem in decoded.errors)


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("retryPolicy: Never", "write retry:"),
        ("maxRetries: 0", "write retry:"),
        ("environment: [{name: A, value: b}]", "write env"),
        ("checkIn: {url: x}", "write checkin"),
        ("timeout: 30", "write checkin: {maxRuntime: …}"),
    ],
)
def test_fields_of_the_first_crontopus_examples_name_the_one_to_use(line: str, use: str) -> None:
    assert use in errors(good(line))


def test_a_documented_manifest_of_the_first_crontopus_parses_with_warnings() -> None:
    decoded = decode(FIRST_CRONTOPUS, "production/daily-backup.yaml", "acme-corp")
    assert decoded.manifest is not None
    assert decoded.manifest.checkin.max_runtime == timedelta(hours=1)
    assert decoded.manifest.retry == Retry(3, "exponential")
    assert {note.code for note in decoded.notes} == {"legacy-secret", "legacy-timeout", "legacy-retry-enabled"}
    assert {note.severity for note in decoded.notes} == {"warning"}
    assert set(decoded.notes) <= set(decoded.lints)


@pytest.mark.parametrize(("text", "attempts"), [("enabled: false, attempts: 4", 0), ("enabled: true", 3)])
def test_the_old_retry_switch_keeps_its_meaning(text: str, attempts: int) -> None:
    job = good(f"retry: {{{text}}}").manifest
    assert job is not None
    assert job.retry.attempts == attempts


@pytest.mark.parametrize(
    ("path", "tenant", "message"),
    [
        ("a.yaml", "acme", "is not in a namespace"),
        ("Prod/a.yaml", "acme", "the folder 'Prod' is not a valid name"),
        ("../a.yaml", "acme", "is not a valid name"),
        ("production/../a.yaml", "acme", "must not contain empty parts"),
        ("production/b.yaml", "acme", "metadata.name is 'a', but the file is named 'b'"),
        ("production/a.json", "acme", "must end in .yaml or .yml"),
    ],
)
def test_the_place_of_a_file_must_agree(path: str, tenant: str, message: str) -> None:
    assert message in errors(decode(SMALL, path, tenant))


def test_another_tenants_manifest_is_refused() -> None:
    message = errors(decode(FULL, "production/nightly-backup.yaml", "globex"))
    assert message == (
        "production/nightly-backup.yaml:7:11: metadata.tenant is 'acme', but the repository's tenant is 'globex'"
    )


def test_a_stated_namespace_must_be_the_folder() -> None:
    data = SMALL.replace(b"{name: a}", b"{name: a, namespace: staging}")
    assert "the folder is 'production'" in errors(decode(data, "production/a.yaml", ""))
    assert decode(data, "staging/deep/er/a.yml", "").errors == ()


def test_a_file_from_anywhere_is_judged_without_its_place() -> None:
    decoded = decode(SMALL, "/tmp/x/job.txt", "", placed=False)
    assert decoded.manifest is not None
    assert decoded.manifest.namespace == "x"
    from_nowhere = decode(SMALL, "-", "", placed=False)
    assert from_nowhere.manifest is not None
    assert from_nowhere.manifest.namespace == "default"


def test_the_derived_identity_depends_on_tenant_namespace_and_name_only() -> None:
    first = decode(SMALL, "production/a.yaml", "acme").manifest
    moved = decode(SMALL + b"# more\n", "production/deeper/a.yml", "acme").manifest
    assert first is not None
    assert moved is not None
    assert first.id == moved.id == job_id("acme", "production", "a")
    assert not first.id_given
    others = {job_id("b", "production", "a"), job_id("acme", "staging", "a"), job_id("acme", "production", "b")}
    assert first.id not in others
    assert len(others) == 3


def test_two_files_with_one_id_are_both_invalid_and_name_each_other() -> None:
    one, two = full(), decode(FULL, "staging/nightly-backup.yaml", "acme")
    bystander = decode(SMALL, "production/a.yaml", "acme")
    marked = mark_duplicates([one, bystander, two])
    assert [each.manifest is None for each in marked] == [True, False, True]
    assert "staging/nightly-backup.yaml" in errors(marked[0])
    assert "production/db/nightly-backup.yaml" in errors(marked[2])
    assert marked[0].errors[0].code == "duplicate-id"


def test_one_name_twice_in_a_namespace_is_a_duplicate_too() -> None:
    marked = mark_duplicates([decode(SMALL, f"production/{folder}a.yaml", "acme") for folder in ("", "x/")])
    assert [each.manifest for each in marked] == [None, None]


def test_the_policys_defaults_fill_what_the_manifest_leaves_open() -> None:
    defaults = {"timezone": "Asia/Tokyo", "checkin": {"maxRuntime": "1h", "startGrace": "1m"}, "nice": 5}
    data = SMALL.replace(b"/bin/true}", b"/bin/true, nice: 1, checkin: {startGrace: 2m}}")
    job = decode(data, "production/a.yaml", "acme", defaults=defaults).manifest
    assert job is not None
    assert (job.timezone, job.nice) == ("Asia/Tokyo", 1)
    assert (job.checkin.max_runtime, job.checkin.start_grace) == (timedelta(hours=1), timedelta(minutes=2))


@pytest.mark.parametrize(
    ("agent", "runs"),
    [
        ("{}", "abc"),
        ("{endpoints: [db01]}", "a"),
        ("{endpoints: []}", ""),
        ("{selector: {}}", "abc"),
        ("{selector: {hostname: DB01.example.org}}", "a"),
        ("{selector: {role: [db, cache]}}", "ac"),
        ("{selector: {role: db, zone: eu}}", "a"),
        ("{selector: {zone: us}}", ""),
        ("{selector: {role: cache}, endpoints: [db01]}", "ac"),
    ],
)
def test_selectors_and_names_choose_endpoints(agent: str, runs: str) -> None:
    endpoints = {
        "a": ("db01", "db01.example.org", {"role": "db", "zone": "eu"}),
        "b": ("web01", "web01", {"zone": "eu"}),
        "c": ("cache", "c", {"role": "cache"}),
    }
    job = good(f"agent: {agent}").manifest
    assert job is not None
    assert "".join(key for key, endpoint in endpoints.items() if job.runs_on(*endpoint)) == runs
