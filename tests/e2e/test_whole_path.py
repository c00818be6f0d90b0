"""From a manifest to a run, with the real parts: CLI, API, worker, embedded forge, agent, runner."""

from __future__ import annotations

import json
import subprocess

from tests.e2e import world
from tests.e2e.conftest import PASSWORD, Tenant
from tests.fixtures.processes import wait_until

MANIFEST = """\
# A comment that must survive.
apiVersion: v1
kind: Job
metadata:
  name: greet
spec:
  schedule: "*/5 * * * *"
  command: echo hello from the job
"""


def test_from_a_manifest_to_a_run(pia: Tenant) -> None:
    login = pia.program("crontopus", "auth", "login", "--url", pia.url, "--username", pia.name, stdin=f"{PASSWORD}\n")
    assert login.returncode == 0, login.stderr
    assert (pia.folder / "profile.json").stat().st_mode & 0o777 == 0o600
    manifest = pia.folder / "greet.yaml"
    manifest.write_text(MANIFEST)
    waiting = ["--json", "--wait", "60"]
    applied = pia.program("crontopus", "jobs", "apply", "-n", "production", "-f", str(manifest), *waiting)
    assert applied.returncode == 0, applied.stderr + applied.stdout
    (change,) = json.loads(applied.stdout)
    assert change["state"] == "done"
    wait_until(lambda: pia.http.get("/api/jobs").json()["count"] == 1, "the job in the index")

    agent = pia.enrol("host-a")
    once = pia.program(*agent, "once")
    assert once.returncode == 0, once.stderr
    crontab = (pia.folder / "crontab-host-a").read_text()
    assert crontab.startswith("# mine\n0 1 * * * echo  mine\n")
    (line,) = [line for line in crontab.splitlines() if "run-job" in line and not line.startswith("#")]
    command = line.split(None, 5)[5]

    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, "hello from the job\n")
    world.arrived(pia, agent, 1)
    listed = pia.program("crontopus", "runs", "list", "--json")
    (run,) = json.loads(listed.stdout)["runs"]
    assert (run["job_name"], run["endpoint_name"], run["exit_code"]) == ("greet", "host-a", 0)
    shown = pia.program("crontopus", "runs", "show", run["id"])
    assert "hello from the job" in shown.stdout

    (endpoint,) = pia.http.get("/api/endpoints").json()["endpoints"]
    assert (endpoint["state"], endpoint["jobs"]) == ("in sync", 1)


def test_the_comment_of_an_applied_file_is_in_git_with_its_author(pia: Tenant) -> None:
    headers = {"Content-Type": "application/yaml"}
    made = pia.http.post("/api/jobs", params={"namespace": "production"}, content=MANIFEST.encode(), headers=headers)
    assert made.status_code in {201, 202}, made.text
    wait_until(lambda: pia.http.get("/api/jobs").json()["count"] == 1, "the job")
    wait_until(lambda: pia.http.get("/api/jobs/production/greet").json()["commit"], "the commit of the job")
    detail = pia.http.get("/api/jobs/production/greet").json()
    assert "# A comment that must survive." in detail["yaml"]
    assert detail["commit"]["author"] == pia.name
    (entry,) = pia.http.get("/api/jobs/production/greet/history").json()
    assert entry["commit"]["author"] == pia.name


def test_deleting_a_job_takes_its_line_and_nothing_else(pia: Tenant) -> None:
    form = {"namespace": "production", "schedule": "0 3 * * *", "command": "true"}
    for name in ("one", "two", "three"):
        pia.http.post("/api/jobs", json={**form, "name": name}).raise_for_status()
    wait_until(lambda: pia.http.get("/api/jobs").json()["count"] == 3, "three jobs")
    agent = pia.enrol("host-b")
    assert pia.program(*agent, "once").returncode == 0
    crontab = pia.folder / "crontab-host-b"
    assert crontab.read_text().count("run-job") == 3
    pia.http.request("DELETE", "/api/jobs/production/two").raise_for_status()
    wait_until(lambda: pia.http.get("/api/jobs").json()["count"] == 2, "two jobs")
    assert pia.program(*agent, "once").returncode == 0
    assert crontab.read_text().count("run-job") == 2
    for name in ("one", "three"):
        pia.http.request("DELETE", f"/api/jobs/production/{name}").raise_for_status()
    wait_until(lambda: pia.http.get("/api/jobs").json()["count"] == 0, "no jobs")
    assert pia.program(*agent, "once").returncode == 0, "somebody named each job: the prune brake stays off"
    assert "run-job" not in crontab.read_text()
    left = pia.program(*agent, "leave")
    assert left.returncode == 0, left.stderr
    assert crontab.read_bytes() == b"# mine\n0 1 * * * echo  mine\n"


def test_a_push_from_a_laptop_reaches_the_index_until_its_credential_is_revoked(pia: Tenant) -> None:
    enrolment = pia.http.post("/api/enrollment-tokens", json={"name": "laptop"}).json()["token"]
    machine = {"machine_id": "laptop", "hostname": "laptop"}
    git = pia.http.post("/api/endpoints/enroll", json=machine, headers={"Authorization": f"Bearer {enrolment}"}).json()[
        "git"
    ]
    clone = pia.folder / "clone"
    reader = ["git", "-c", f"http.extraHeader=Authorization: token {git['token']}"]
    subprocess.run([*reader, "clone", "-q", git["url"], str(clone)], check=True, timeout=60)
    (clone / "production" / "pushed.yaml").write_text(MANIFEST.replace("greet", "pushed"))
    author = ["-c", "user.name=Lena", "-c", "user.email=lena@example.org"]
    subprocess.run(["git", "-C", str(clone), "add", "."], check=True)
    subprocess.run(["git", "-C", str(clone), *author, "commit", "-q", "-m", "Add a job"], check=True)
    refused = subprocess.run([*reader, "-C", str(clone), "push", "-q"], capture_output=True, check=False, timeout=60)
    assert refused.returncode != 0, "an endpoint's credential can only read"
    made = pia.http.post("/api/repository/credentials", json={"name": "laptop"}).json()
    assert made["url"] == git["url"]
    push = ["git", "-C", str(clone), "push", "-q", login(made), "HEAD:main"]
    subprocess.run(push, check=True, timeout=60)
    job = "/api/jobs/production/pushed"
    wait_until(lambda: pia.http.get(job).status_code == 200, "the pushed job")
    # A file's commit is looked up after the file is listed.
    wait_until(lambda: pia.http.get(job).json()["commit"], "the commit of the pushed job")
    assert pia.http.get(job).json()["commit"]["author"] == "Lena"
    wait_until(lambda: pushed(pia), "the push among the changes")
    assert pushed(pia) == [("create", "production/pushed.yaml", "Lena", "done")]

    pia.http.request("DELETE", f"/api/repository/credentials/{made['id']}").raise_for_status()
    subprocess.run(["git", "-C", str(clone), *author, "commit", "-q", "--allow-empty", "-m", "Again"], check=True)
    refused = subprocess.run(push, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode != 0, "a revoked credential opens nothing"
    assert "Authentication failed" in refused.stderr
    (listed,) = pia.http.get("/api/repository/credentials").json()
    assert (listed["state"], listed["token"], listed["made_by"]) == ("revoked", None, pia.name)


def pushed(pia: Tenant) -> list[tuple[str, ...]]:
    """Changes pushed with Git, as listed by the API."""
    changes = [change for change in pia.http.get("/api/changes").json() if change["pushed"]]
    return [(one["operation"], one["path"], one["author"], one["state"]) for one in changes]


def login(made: dict[str, str]) -> str:
    """The clone address with user name and password."""
    return made["url"].replace("://", f"://{made['username']}:{made['token']}@")


def test_the_programs_answer_with_their_exit_status(pia: Tenant) -> None:
    assert pia.program("crontopus", "jobs", "list").returncode == 3
    assert pia.program("crontopus", "jobs", "explode").returncode == 2
    wrong = pia.program("crontopus", "auth", "login", "--url", pia.url, "--username", pia.name, stdin="wrong-pass\n")
    assert wrong.returncode == 3
    nowhere = pia.program("crontopus", "jobs", "list", CRONTOPUS_URL="http://127.0.0.1:1", CRONTOPUS_TOKEN="ctp_x")
    assert nowhere.returncode == 3
    token = pia.http.post("/api/tokens", json={"name": "cli", "scopes": ["read:jobs"]}).json()["token"]
    asking = {"CRONTOPUS_URL": pia.url, "CRONTOPUS_TOKEN": token}
    assert pia.program("crontopus", "jobs", "list", **asking).returncode == 0
    assert pia.program("crontopus", "jobs", "show", "production/none", **asking).returncode == 1
    assert pia.program("crontopus", "runs", "list", **asking).returncode == 1
    (pia.folder / "bad.yaml").write_text("apiVersion: v1\nkind: Job\nspec: {shedule: x}\n")
    bad = pia.program("crontopus", "jobs", "apply", "-n", "production", "-f", str(pia.folder / "bad.yaml"), **asking)
    assert bad.returncode == 1
    assert "schedule" in bad.stderr
