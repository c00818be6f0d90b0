"""Jobs over HTTP: statuses, bodies, preconditions. A thread of this process commits to a real forge."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from crontopus_app.base import clock, queue
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import commit, webhook
from crontopus_app.operations import provisioning
from tests.api.conftest import bearer
from tests.cast import Member, join
from tests.fixtures.forge_server import forge, forge_server, tenant_name
from tests.fixtures.repositories import Repo

__all__ = ["forge", "forge_server", "tenant_name"]

FORM: dict[str, Any] = {
    "name": "backup",
    "namespace": "production",
    "schedule": "0 2 * * *",
    "command": "/opt/backup.sh",
    "annotations": {"owner": "ops"},
}
YAML = {"Content-Type": "application/yaml"}
JOB = "/api/jobs/production/backup"
MANIFEST = b"""\
# ours
apiVersion: v1
kind: Job
metadata:
  name: report
spec:
  schedule: "30 6 * * 1"
  command: /opt/report.sh
"""


@pytest.fixture
def anna(client: TestClient, forge: Forgejo, tenant_name: str) -> Member:
    """A user with a repository and an endpoint."""
    member = join(tenant_name)
    provisioning.provision(member.actor.tenant_id, forge, clock.now())
    client.headers.update(bearer(member.session_token))
    return member


@pytest.fixture
def repo(forge: Forgejo, tenant_name: str) -> Repo:
    return Repo(forge, "crontopus", f"job-manifests-{tenant_name}")


@pytest.fixture
def committed(anna: Member, forge: Forgejo) -> Iterator[None]:
    """Changes are committed meanwhile, as the worker does it."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            commit.commit_changes(anna.actor.tenant_id, forge)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def post(client: TestClient, **fields: Any) -> Any:
    return client.post("/api/jobs", json={**FORM, **fields})


def test_a_job_is_created_read_edited_and_deleted(client: TestClient, committed: None, repo: Repo) -> None:
    made = post(client)
    assert made.status_code == 201
    assert made.json()["change"]["state"] == "done"
    assert made.json()["change"]["commit"] == repo.commits()[0].sha
    assert made.json()["job"]["name"] == "backup"
    read = client.get(JOB)
    assert read.headers["ETag"] == f'"{read.json()["sha"]}"'
    assert yaml.safe_load(read.json()["yaml"])["spec"]["command"] == "/opt/backup.sh"
    changed = client.put(JOB, json={"schedule": "0 3 * * *", "annotations": None})
    assert changed.status_code == 200
    assert changed.json()["job"]["schedule"] == ["0 3 * * *"]
    assert "annotations" not in yaml.safe_load(client.get(JOB).json()["yaml"])["metadata"]
    gone = client.delete(JOB)
    assert (gone.status_code, gone.json()["job"]) == (200, None)
    assert client.get(JOB).status_code == 404
    assert "production/backup.yaml" not in repo.files()


def bulk(client: TestClient, action: str, *names: str) -> Any:
    return client.post("/api/jobs/bulk", json={"action": action, "jobs": [f"production/{name}" for name in names]})


def states(client: TestClient) -> dict[str, bool]:
    return {job["name"]: job["paused"] for job in client.get("/api/jobs").json()["jobs"]}


def test_many_jobs_are_paused_resumed_and_deleted_by_one_commit_each(
    client: TestClient, committed: None, repo: Repo
) -> None:
    for name in ("a", "b", "c"):
        assert post(client, name=name).status_code == 201
    before = len(repo.commits())
    paused = bulk(client, "pause", "a", "b")
    assert (paused.status_code, paused.json()["commit"]) == (200, repo.commits()[0].sha)
    assert (len(repo.commits()), states(client)) == (before + 1, {"a": True, "b": True, "c": False})
    again = bulk(client, "pause", "a", "b", "c").json()
    assert [change["path"] for change in again["changes"]] == ["production/c.yaml"]
    assert bulk(client, "pause", "a").json() == {"commit": "", "changes": []}
    assert bulk(client, "resume", "a", "b", "c").status_code == 200
    assert (len(repo.commits()), set(states(client).values())) == (before + 3, {False})
    assert bulk(client, "delete", "a", "c").status_code == 200
    assert (len(repo.commits()), list(states(client))) == (before + 4, ["b"])


def test_of_many_jobs_all_are_changed_or_none(client: TestClient, committed: None, repo: Repo) -> None:
    assert post(client, name="a").status_code == 201
    commits = len(repo.commits())
    refused = bulk(client, "pause", "a", "none")
    assert (refused.status_code, refused.json()["code"]) == (422, "not_changed")
    assert refused.json()["errors"][0]["message"] == "production/none: No job production/none."
    assert (len(repo.commits()), states(client)) == (commits, {"a": False})


@pytest.mark.parametrize("jobs", [[], ["a"], ["a/b/c"], [f"production/{number}" for number in range(201)]])
def test_a_bulk_edit_of_no_or_too_many_jobs_is_422(client: TestClient, anna: Member, jobs: list[str]) -> None:
    assert client.post("/api/jobs/bulk", json={"action": "pause", "jobs": jobs}).status_code == 422
    assert client.post("/api/jobs/bulk", json={"action": "burn", "jobs": ["a/b"]}).status_code == 422


def test_the_list_is_filtered_by_label_host_state_and_text(client: TestClient, committed: None) -> None:
    post(client, name="a", labels={"env": "prod"}, agent={"endpoints": ["nowhere"]})
    post(client, name="b", labels={"env": "test"})

    def found(text: str) -> list[str]:
        return [job["name"] for job in client.get("/api/jobs", params={"text": text}).json()["jobs"]]

    assert [found(f"label:env={env}") for env in ("prod", "test", "*")] == [["a"], ["b"], ["a", "b"]]
    assert (found("host:none"), found("host:*-host"), found("state:waiting ns:prod*")) == (["a"], ["b"], ["a", "b"])
    assert (found("state:healthy"), found("backup.sh label:env=prod"), found("no:prefix")) == ([], ["a"], [])


def test_a_commit_that_takes_longer_is_202_with_an_address(client: TestClient, anna: Member) -> None:
    """Nobody commits here: the request waits for as long as any."""
    made = post(client)
    assert made.status_code == 202
    told = client.get(made.headers["Location"])
    assert (told.json()["state"], told.json()["path"]) == ("pending", "production/backup.yaml")
    assert client.get(JOB).json()["code"] == "pending"
    assert post(client).status_code == 409


def test_a_job_that_exists_is_409(client: TestClient, committed: None) -> None:
    assert post(client).status_code == 201
    again = post(client)
    assert (again.status_code, again.json()["code"]) == (409, "exists")


def test_a_yaml_body_is_kept_as_it_is_but_for_the_id(client: TestClient, committed: None, repo: Repo) -> None:
    made = client.post("/api/jobs?namespace=staging", content=MANIFEST, headers=YAML)
    assert made.status_code == 201
    text = repo.files()["staging/report.yaml"].decode()
    assert text.startswith("# ours\n")
    identity = yaml.safe_load(text)["metadata"]["id"]
    assert [line for line in text.splitlines() if "id:" not in line] == MANIFEST.decode().splitlines()
    put = client.put("/api/jobs/staging/report", content=MANIFEST + b"  nice: 5\n", headers=YAML)
    assert put.status_code == 200
    after = yaml.safe_load(repo.files()["staging/report.yaml"])
    assert (after["metadata"]["id"], after["spec"]["nice"]) == (identity, 5)


def test_the_id_never_changes(client: TestClient, committed: None) -> None:
    client.post("/api/jobs?namespace=staging", content=MANIFEST, headers=YAML)
    other = MANIFEST.replace(b"  name:", b"  id: 5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e\n  name:")
    refused = client.put("/api/jobs/staging/report", content=other, headers=YAML)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "metadata.id"


def test_a_lost_update_is_412(client: TestClient, committed: None) -> None:
    post(client)
    seen = client.get(JOB).headers["ETag"]
    assert client.put(JOB, json={"nice": 1}, headers={"If-Match": seen}).status_code == 200
    late = client.put(JOB, json={"nice": 2}, headers={"If-Match": seen})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert client.delete(JOB, headers={"If-Match": seen}).status_code == 412
    assert client.delete(JOB, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"schedule": "61 * * * *"}, "spec.schedule"),
        ({"shedule": "x"}, "spec.shedule"),
        ({"command": None}, "spec.command"),
        ({"name": "../etc"}, "metadata.name"),
        ({"namespace": "../../other"}, "namespace"),
        ({"timezone": "Europe/Berln"}, "spec.timezone"),
    ],
)
def test_errors_are_told_at_their_fields(client: TestClient, anna: Member, fields: dict[str, Any], field: str) -> None:
    answer = post(client, **fields)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_errors_of_yaml_have_line_and_column(client: TestClient, anna: Member) -> None:
    answer = client.post("/api/jobs?namespace=staging", content=MANIFEST + b"  shedule: x\n", headers=YAML)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["line"], error["column"]) == (422, 9, 3)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"", b"[" * 100_000])
def test_what_is_no_json_object_is_422(client: TestClient, anna: Member, body: bytes) -> None:
    assert client.post("/api/jobs", content=body).status_code == 422


def test_a_manifest_above_256_kib_is_413(client: TestClient, anna: Member) -> None:
    answer = client.post("/api/jobs?namespace=staging", content=b"#" * (256 * 1024 + 1), headers=YAML)
    assert answer.status_code == 413


def test_a_job_is_not_renamed(client: TestClient, committed: None) -> None:
    post(client)
    assert client.put(JOB, json={"name": "other"}).status_code == 422
    assert client.put(JOB, json={"name": "backup", "nice": 3}).status_code == 200


def test_pausing_and_resuming(client: TestClient, committed: None, repo: Repo) -> None:
    post(client)
    before = repo.files()["production/backup.yaml"]
    assert client.post(f"{JOB}/pause").json()["job"]["paused"] is True
    assert client.get(f"{JOB}/forecast").json()["slots"] == []
    (instance,) = client.get(f"{JOB}/endpoints").json()
    assert instance["state"] == "paused"
    assert client.post(f"{JOB}/resume").json()["job"]["paused"] is False
    assert repo.files()["production/backup.yaml"] == before


def test_the_forecast_names_slots(client: TestClient, committed: None) -> None:
    post(client, timezone="Europe/Berlin")
    slots = client.get(f"{JOB}/forecast?count=3").json()["slots"]
    assert len(slots) == 3
    assert all(slot.endswith("00:00Z") for slot in slots)


def test_history_has_authors_and_the_files_own_difference(client: TestClient, committed: None, anna: Member) -> None:
    post(client)
    client.put(JOB, json={"nice": 7})
    entries = client.get(f"{JOB}/history").json()
    assert [entry["commit"]["message"] for entry in entries] == [
        "Change job production/backup",
        "Create job production/backup",
    ]
    assert {entry["commit"]["author"] for entry in entries} == {anna.actor.username}
    newest = client.get(f"{JOB}/history/{entries[0]['commit']['sha']}").json()
    assert "+  nice: 7" in newest["diff"]
    assert client.get(f"{JOB}/history/{'0' * 40}").status_code == 404
    assert client.get(f"{JOB}/history/main").status_code == 404


def test_a_history_entry_shows_the_jobs_own_file_only(client: TestClient, anna: Member, repo: Repo) -> None:
    """A commit of several files, one of which has a name that ends like the job's."""
    others = {"production/old-backup.yaml": b"# other\n", "staging/production/backup.yaml": b"# deeper\n"}
    sha = repo.commit({"production/backup.yaml": MANIFEST, **others})
    shown = client.get(f"{JOB}/history/{sha}").json()["diff"]
    assert [line for line in shown.splitlines() if line.startswith("+++ ")] == ["+++ b/production/backup.yaml"]
    assert "+# ours" in shown


def test_reverting_brings_back_old_content_and_deleted_jobs(client: TestClient, committed: None, repo: Repo) -> None:
    post(client)
    first = repo.files()["production/backup.yaml"]
    sha = repo.commits()[0].sha
    client.put(JOB, json={"command": "/opt/wrong.sh"})
    assert client.post(f"{JOB}/revert", json={"sha": sha}).status_code == 200
    assert repo.files()["production/backup.yaml"] == first
    client.delete(JOB)
    assert client.post(f"{JOB}/revert", json={"sha": sha}).status_code == 200
    assert repo.files()["production/backup.yaml"] == first
    assert client.post(f"{JOB}/revert", json={"sha": "main"}).status_code == 404


def test_a_plan_tells_where_and_when_and_commits_nothing(
    client: TestClient, committed: None, anna: Member, repo: Repo
) -> None:
    before = repo.commits()
    new = client.post("/api/plan", json=FORM).json()
    assert (new["action"], [one["action"] for one in new["endpoints"]]) == ("create", ["create"])
    assert (new["slots_before"], len(new["slots_after"])) == ([], 5)
    assert repo.commits() == before
    post(client)
    assert client.post("/api/plan", json=FORM).json()["action"] == "none"
    away = client.post("/api/plan", json={**FORM, "agent": {"endpoints": ["db01"]}}).json()
    assert [(one["endpoint_name"], one["action"]) for one in away["endpoints"]] == [
        (f"{anna.actor.username}-host", "delete")
    ]
    assert 'no host is called "db01"' in away["nobody"]
    wrong = client.post("/api/plan", json={**FORM, "schedule": "x"}).json()
    assert (wrong["action"], wrong["errors"][0]["field"]) == ("invalid", "spec.schedule")


def test_namespaces_are_folders(client: TestClient, committed: None) -> None:
    assert client.post("/api/namespaces", json={"name": "batch"}).status_code == 201
    names = {one["name"]: one for one in client.get("/api/namespaces/").json()}
    assert set(names) == {"batch", "default", "discovered", "production", "staging"}
    assert names["default"]["system"] is True
    assert client.post("/api/namespaces", json={"name": "batch"}).status_code == 409
    assert client.post("/api/namespaces", json={"name": "../x"}).status_code == 422
    post(client, namespace="batch")
    assert client.delete("/api/namespaces/batch").status_code == 409
    client.delete("/api/jobs/batch/backup")
    assert client.delete("/api/namespaces/batch").status_code == 200
    assert "batch" not in {one["name"] for one in client.get("/api/namespaces").json()}


def test_the_list_is_filtered(client: TestClient, committed: None, anna: Member) -> None:
    post(client)
    post(client, name="other", namespace="staging", command="/opt/needle")
    everything = client.get("/api/jobs/").json()
    assert (everything["count"], everything["source"]) == (2, "git")
    assert everything["repository"] == f"crontopus/job-manifests-{anna.actor.tenant_id}"
    assert [job["name"] for job in client.get("/api/jobs?namespace=staging").json()["jobs"]] == ["other"]
    assert [job["name"] for job in client.get("/api/jobs?text=NEEDLE").json()["jobs"]] == ["other"]


def test_another_tenants_jobs_are_unknown(client: TestClient, committed: None) -> None:
    change = post(client).json()["change"]["id"]
    client.headers.update(bearer(join("mallory").session_token))
    for path in (JOB, f"{JOB}/history", f"{JOB}/endpoints", f"{JOB}/forecast", f"/api/changes/{change}"):
        assert client.get(path).status_code == 404
    assert client.put(JOB, json={"nice": 1}).status_code == 404
    assert client.delete(JOB).status_code == 404


def test_a_genuine_push_rings(client: TestClient, anna: Member) -> None:
    body = json.dumps(
        {"ref": "refs/heads/main", "repository": {"full_name": f"crontopus/job-manifests-{anna.actor.tenant_id}"}}
    ).encode()
    signature = hmac.new(b"whs_tests", body, hashlib.sha256).hexdigest()
    queue.redis().flushall()
    headers = {"X-Forgejo-Event": "push", "X-Forgejo-Signature": signature}
    assert client.post("/api/git/webhook", content=body, headers=headers).json() == {"accepted": True}
    assert queue.redis().llen(f"rq:queue:{queue.LONG_QUEUE}") == 1
    assert client.post("/api/git/webhook", content=body, headers={"X-Forgejo-Event": "push"}).status_code == 401
    assert client.post("/api/git/webhook", content=body + b" ", headers=headers).status_code == 401
    assert webhook.DUMMY_SECRET != "whs_tests"
