"""The fixed cast: alice owns things, charlie is another tenant who must never see them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime

from contract import wire
from crontopus_app.base import clock, security
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.models import Endpoint, JobIndex, LoginSession, Monitor, Tenant, User
from crontopus_app.monitoring.intake import checkins, senders
from crontopus_app.people import auth

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
JOB_ID = "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"


@dataclass(frozen=True)
class Member:
    """A registered user with a session, one endpoint and, for alice, one job on it."""

    actor: Actor
    session_token: str
    endpoint_id: str
    endpoint_token: str


@functools.lru_cache(maxsize=1)
def _hash() -> str:
    """bcrypt is slow on purpose: once is enough for all tests."""
    return security.hash_password(PASSWORD)


def join(name: str, *, operator: bool = False) -> Member:
    """Adds the user ``name`` with their tenant, and gives them a session and an endpoint ``<name>-host``."""
    repository, password_hash = f"crontopus/job-manifests-{name}", _hash()
    with writing() as session:
        session.add(Tenant(id=name, repository=repository, webhook_secret="whs_tests", created_at=NOON))
        session.flush()
        user = User(
            tenant_id=name,
            username=name,
            email=f"{name}@example.org",
            password_hash=password_hash,
            role="operator" if operator else "user",
            created_at=NOON,
        )
        session.add(user)
        session.flush()
        token = auth.open_session(session, user, user_agent="tests", now=NOON)
    with reading() as session:
        actor = auth.actor_of(session, token, now=NOON)
    with writing() as session:
        # Tests of pages and routes ask by the real clock, in whichever year that is.
        session.get_one(LoginSession, actor.credential).expires_at = max(NOON, clock.now()) + auth.SESSION_LIFE
    endpoint_id, endpoint_token = add_endpoint(name, f"{name}-host")
    return Member(actor, token, endpoint_id, endpoint_token)


def add_endpoint(tenant: str, name: str) -> tuple[str, str]:
    """An enrolled endpoint; gives its id and token."""
    token = security.new_token("ep")
    endpoint = Endpoint(
        tenant_id=tenant,
        machine_id=f"machine-{name}",
        name=name,
        hostname=f"{name}.example.org",
        timezone="UTC",
        token_hmac=security.token_hmac(token),
        created_at=NOON,
        last_seen_at=NOON,
    )
    with writing() as session:
        session.add(endpoint)
    return endpoint.id, token


def add_job(tenant: str, endpoint_id: str, *, job_id: str = JOB_ID, name: str = "backup") -> None:
    """An indexed job with a monitor on the endpoint."""
    with writing() as session:
        session.add(
            JobIndex(
                tenant_id=tenant,
                path=f"production/{name}.yaml",
                job_id=job_id,
                name=name,
                namespace="production",
                blob_sha="0" * 40,
                yaml=b"",
                valid=True,
                schedule=["0 2 * * *"],
            )
        )
        session.add(
            Monitor(
                tenant_id=tenant,
                job_id=job_id,
                source_id=endpoint_id,
                endpoint_id=endpoint_id,
                job_name=name,
                namespace="production",
                updated_at=NOON,
            )
        )


def tell(endpoint_id: str, *told: wire.Checkin, now: datetime = NOON) -> list[checkins.Outcome]:
    """Check-ins of one endpoint, written in one transaction: an answer or a refusal for each."""
    with reading() as session:
        caller = senders.of_endpoint(session.get_one(Endpoint, endpoint_id))
    return checkins.record([checkins.ReceivedCheckin(caller, one) for one in told], now)


def told_one(endpoint_id: str, told: wire.Checkin) -> wire.CheckinAnswer:
    """The answer to one check-in; raises what it is refused with."""
    (answer,) = tell(endpoint_id, told)
    if isinstance(answer, Exception):
        raise answer
    return answer
