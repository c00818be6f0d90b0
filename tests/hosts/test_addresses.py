"""A host and a person are given the forge's public name, while this server calls it by its internal one."""

from __future__ import annotations

import pytest

from contract import wire
from crontopus_app.base import clock, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.settings import settings
from crontopus_app.forge.client import Forgejo
from crontopus_app.hosts import agent_api, enrolment
from crontopus_app.jobs import repository
from crontopus_app.people import git_credentials, tokens

PUBLIC = "https://git.example.org"


@pytest.fixture
def _public_name(anna: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.redis().flushdb()
    monkeypatch.setenv("CRONTOPUS_FORGEJO_PUBLIC_URL", PUBLIC)
    settings.cache_clear()


@pytest.mark.usefixtures("_public_name")
def test_hosts_and_people_are_given_the_public_name(anna: Actor, forge: Forgejo) -> None:
    clone = f"{PUBLIC}/crontopus/job-manifests-{anna.tenant_id}.git"
    with writing() as session:
        token = tokens.create_enrollment(session, anna, wire.EnrollmentTokenRequest(name="racks"), clock.now()).token
    form = wire.EnrollRequest(machine_id="m", hostname="h")
    enrolled = enrolment.enroll(token or "", form, forge, clock.now())
    assert enrolled.git.url == clone
    credential = git_credentials.create(anna, wire.GitCredentialRequest("laptop", "read"), forge, clock.now())
    assert credential.url == clone
    with reading() as session:
        told = agent_api.watch_state(session, enrolled.endpoint_id, clock.now())
        page = repository.get(session, anna)
        (listed,) = git_credentials.list_all(session, anna)
    assert told.git.url == page.clone_url == listed.url == clone
    assert page.web_url == clone.removesuffix(".git")
