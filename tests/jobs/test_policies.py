"""What crontopus.yaml says holds on the server as it does on the hosts."""

from __future__ import annotations

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import changes, commit, edits
from crontopus_app.jobs.index import index
from tests.fixtures.repositories import Repo
from tests.jobs.test_index import manifest, rows, tenant

BERLIN = b"defaults:\n  production:\n    timezone: Europe/Berlin\n"


def run(actor: Actor, forge: Forgejo) -> None:
    index(actor.tenant_id, forge, clock.now())


def test_defaults_of_a_namespace_reach_its_jobs_only(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/a.yaml": manifest("a"), "staging/b.yaml": manifest("b"), "crontopus.yaml": BERLIN})
    run(alice, forge)
    zones = {path: row.timezone for path, row in rows(alice).items()}
    assert zones == {"production/a.yaml": "Europe/Berlin", "staging/b.yaml": None}


def test_another_policy_is_applied_to_files_that_did_not_change(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/a.yaml": manifest("a")})
    run(anna, forge)
    assert rows(anna)["production/a.yaml"].timezone is None
    repo.commit({"crontopus.yaml": BERLIN})
    run(anna, forge)
    assert rows(anna)["production/a.yaml"].timezone == "Europe/Berlin"


def test_a_broken_policy_leaves_the_last_good_one_in_force_and_is_told(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/a.yaml": manifest("a"), "crontopus.yaml": BERLIN})
    run(anna, forge)
    repo.commit({"crontopus.yaml": b"defaults: [nonsense", "production/c.yaml": manifest("c")})
    run(anna, forge)
    assert {row.timezone for row in rows(anna).values()} == {"Europe/Berlin"}
    assert "crontopus.yaml" in tenant(anna).index_error


def test_a_job_that_needs_its_namespaces_defaults_can_be_edited(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    scheduled = b'defaults:\n  production:\n    schedule: "0 2 * * *"\n'
    bare = b"apiVersion: v1\nkind: Job\nmetadata:\n  name: backup\nspec:\n  command: /opt/backup.sh\n"
    repo.commit({"production/backup.yaml": bare, "crontopus.yaml": scheduled})
    run(anna, forge)
    with writing() as session:
        change = edits.update(session, anna, "production", "backup", {"nice": 5}, now=clock.now())
    commit.commit_changes(anna.tenant_id, forge)
    with reading() as session:
        told = changes.get(session, anna, change.id)
    assert (told.state, told.error, told.said) == ("done", None, "nice 5")
