"""``make demo``: creates a tenant ``demo`` with one endpoint and various jobs through the public API.

Nothing is simulated except cron: a real agent writes a crontab file in the data folder, the demo clock runs its lines,
and the real runner sends check-ins.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from crontopus_app.base import clock
from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.settings import Settings
from crontopus_app.programs.demo_clock import DemoClock
from crontopus_app.programs.processes import die_with_parent

NAME = "demo"
HOST = "demo-host"
TIMEOUT_S = 60.0

# Jobs with different results. The commands need only a POSIX shell.
JOBS: tuple[dict[str, Any], ...] = (
    {
        "namespace": "production",
        "name": "health-probe",
        "schedule": "* * * * *",
        "command": "echo 'all 12 probes answered'",
        "annotations": {"owner": "ops@example.org", "fate": "fine"},
    },
    {
        "namespace": "production",
        "name": "invoice-export",
        "schedule": "*/2 * * * *",
        "command": "echo 'exporting 214 invoices'; echo 'psycopg.OperationalError: connection refused' >&2; exit 2",
        "annotations": {"owner": "billing@example.org", "fate": "failing"},
    },
    {
        "namespace": "staging",
        "name": "geo-import",
        "schedule": "*/2 * * * *",
        "command": 'for part in 1 2 3 4; do echo "part $part of 4"; sleep 10; done',
        "annotations": {"owner": "geo@example.org", "fate": "slow"},
    },
    {
        "namespace": "production",
        "name": "log-digest",
        "schedule": "*/3 * * * *",
        "command": "n=0; while [ $n -lt 4000 ]; do n=$((n+1)); printf '\\033[32mok\\033[0m line %s\\n' $n; done",
        "annotations": {"owner": "ops@example.org", "fate": "noisy"},
    },
    {
        "namespace": "staging",
        "name": "cache-sweep",
        "schedule": "* * * * *",
        "command": "true",
        "annotations": {"owner": "web@example.org", "fate": "quiet"},
    },
    {
        "namespace": "production",
        "name": "cert-renewal",
        "schedule": "*/5 * * * *",
        "command": "echo renewed",
        "annotations": {"owner": "ops@example.org", "fate": "missed: the demo clock leaves this line out"},
    },
    {
        "namespace": "production",
        "name": "nightly-backup",
        "schedule": "0 2 * * *",
        "timezone": "Europe/Berlin",
        "command": "echo 'dumped 14 databases, 38.2 GiB, uploaded'",
        "annotations": {"owner": "ops@example.org", "fate": "fine, at night"},
    },
)
# Initial values of some jobs, which are then changed so that they have a history.
FIRST: dict[str, dict[str, Any]] = {
    "nightly-backup": {"schedule": "30 1 * * *"},
    "geo-import": {"schedule": "*/10 * * * *"},
}
# Lines outside the managed block; the agent keeps them and reports them with secrets masked.
CRONTAB = """MAILTO=ops@example.org
*/15 * * * * df -P /
30 6 * * 1 true --password=example-only
"""


def run(config: Settings, say: Callable[[str], None]) -> None:
    """Sets up the demo if necessary, and runs its agent and clock until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    folder = config.home / "demo"
    folder.mkdir(mode=0o700, exist_ok=True)
    with httpx.Client(base_url=config.public_url, timeout=30) as http:
        _wait(lambda: _ready(http), "The server is not ready. To find out why: crontopus-server doctor", stop)
        password = _password(folder)
        _sign_in(http, password)
        _wait(lambda: _has_repository(http), "The demo's repository is not ready. Is a worker running?", stop)
        skipped = _make_jobs(http, stop)
        _make_channel(http)
        agent = _agent(folder, http, config, say)
    say(f"Demo: open {config.public_url} and sign in as {NAME} with the password {password}")
    say(f"Demo: a demo clock runs {folder / 'crontab'} instead of cron. Your own crontab is not changed.")
    _keep_running(agent, folder, skipped, stop)


def _wait(condition: Callable[[], bool], timeout_message: str, stop: threading.Event) -> None:
    """Waits for a condition; raises CrontopusError with ``timeout_message`` after a minute."""
    deadline = time.monotonic() + TIMEOUT_S
    while not stop.is_set() and not condition():
        if time.monotonic() > deadline:
            raise CrontopusError(timeout_message)
        stop.wait(0.3)


def _ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False  # the web process is still starting


def _password(folder: Path) -> str:
    """The demo's password: generated once, in a file that only its owner can read."""
    path = folder / "password"
    if not path.exists():
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(12))
    return path.read_text()


def _sign_in(http: httpx.Client, password: str) -> None:
    credentials = {"username": NAME, "password": password}
    answer = http.post("/api/auth/login", json=credentials)
    if answer.status_code == 401:
        _checked(http.post("/api/auth/register", json={**credentials, "email": "demo@example.org"}))
        answer = http.post("/api/auth/login", json=credentials)
    http.headers["Authorization"] = f"Bearer {_checked(answer)['access_token']}"


def _checked(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise CrontopusError(f"The demo could not be set up: {answer.request.url.path} returned {answer.text}")
    return answer.json() if answer.content else None


def _has_repository(http: httpx.Client) -> bool:
    me = _checked(http.get("/api/auth/me"))
    if me["provisioning"] == "failed":
        raise CrontopusError(f"The demo's repository could not be created: {me['provisioning_error']}")
    return me["provisioning"] == "ready"


def _make_jobs(http: httpx.Client, stop: threading.Event) -> set[str]:
    """Creates missing jobs; returns the ids of the jobs whose lines the demo clock skips."""
    before = _ids(http)
    new = [form for form in JOBS if form["name"] not in before]
    for form in new:
        _checked(http.post("/api/jobs", json=form | FIRST.get(form["name"], {})))
    missing = "The demo's jobs are not in its repository yet. See the tasks on the Operator page."
    _wait(lambda: {form["name"] for form in new} <= {*_ids(http)}, missing, stop)
    for form in new:
        changed = {field: form[field] for field in FIRST.get(form["name"], {})}
        if changed:
            _checked(http.put(f"/api/jobs/{form['namespace']}/{form['name']}", json=changed))
    skipped = {form["name"] for form in JOBS if form["annotations"]["fate"].startswith("missed")}
    return {job_id for name, job_id in _ids(http).items() if name in skipped}


def _make_channel(http: httpx.Client) -> None:
    """Creates a channel for mails; without a mail server, they are kept in the outbox."""
    if not _checked(http.get("/api/channels")):
        form = {"name": "mail", "kind": "email", "settings": {"to": "demo@example.org"}}
        _checked(http.post("/api/channels", json=form))


def _ids(http: httpx.Client) -> dict[str, str]:
    """The ids of the demo's jobs by name; the names are unique."""
    return {job["name"]: job["id"] for job in _checked(http.get("/api/jobs"))["jobs"]}


def _agent(folder: Path, http: httpx.Client, config: Settings, say: Callable[[str], None]) -> list[str]:
    """The command of the demo's agent. Enrols it at the first start."""
    state = folder / "agent"
    command = [sys.executable, "-m", "agent.main", "--state", str(state)]
    if not (state / "identity.json").exists():
        form = {"name": "the demo endpoint", "max_uses": 1, "expires_in_days": 1}
        token = _checked(http.post("/api/enrollment-tokens", json=form))["token"]
        crontab = folder / "crontab"
        if not crontab.exists():
            crontab.write_text(CRONTAB)
        enroll = [*command, "--crontab", str(crontab), "enroll", "--url", config.public_url, "--name", HOST]
        enroll += ["--label", "role=demo"]
        environment = {**os.environ, "CRONTOPUS_ENROLLMENT_TOKEN": token}
        result = subprocess.run(enroll, env=environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise CrontopusError(f"The demo's endpoint could not be enrolled: {result.stderr or result.stdout}")
        say(f"Demo: enrolled the endpoint {HOST}.")
    return [*command, "run"]


def _keep_running(command: list[str], folder: Path, skipped: set[str], stop: threading.Event) -> None:
    # The agent must end with this process, even after `kill -9`.
    agent = subprocess.Popen(command, preexec_fn=die_with_parent)
    watcher = threading.Thread(target=_end_with, args=(agent, stop), daemon=True)
    watcher.start()
    is_skipped = lambda line: any(job_id in line for job_id in skipped)  # noqa: E731 -- names an expression
    DemoClock(folder / "crontab", home=folder, zone=_host_zone(), skipped=is_skipped).run(stop, clock.now)
    agent.terminate()
    agent.wait(timeout=10)


def _end_with(agent: subprocess.Popen[bytes], stop: threading.Event) -> None:
    """Ends the demo when the agent ends, so that the supervisor restarts it."""
    agent.wait()
    stop.set()


def _host_zone() -> str:
    """The host's time zone from /etc/localtime; UTC without it."""
    link = Path("/etc/localtime")
    target = str(link.resolve()) if link.exists() else ""
    return target.partition("zoneinfo/")[2] or "UTC"
