"""Whose endpoint token it is: looked up before a body is read, and once more where its check-ins are written.

The first look may be a minute old (``Callers`` keeps it), the second never is: it stands in the transaction that
writes. So a token that has ended writes nothing from that moment on, whichever process it reaches and whether or not
Redis is there to tell of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import select

from crontopus_app.base import security
from crontopus_app.base.db import reading
from crontopus_app.base.errors import Busy, CrontopusError, bad_endpoint_token, suspended_tenant
from crontopus_app.base.postgres import patience
from crontopus_app.models import Endpoint, metadata
from crontopus_app.monitoring.intake.rows import Sender
from crontopus_app.monitoring.intake.statements import Statements

ENDPOINT, TENANT = metadata.tables["endpoint"], metadata.tables["tenant"]
KEPT_S = 60.0
# A runner that waits longer spools.
PATIENCE_S = 2.5
MOST = 20_000


@dataclass(frozen=True)
class Caller:
    """An endpoint and the token (its HMAC) with which it came."""

    id: str
    tenant_id: str
    token_hmac: str


def of_endpoint(endpoint: Endpoint) -> Caller:
    return Caller(endpoint.id, endpoint.tenant_id, endpoint.token_hmac)


def _standing() -> Any:
    facts = ENDPOINT.c.id, ENDPOINT.c.tenant_id, ENDPOINT.c.name, ENDPOINT.c.token_hmac, ENDPOINT.c.status
    return select(*facts, TENANT.c.suspended).join(TENANT, TENANT.c.id == ENDPOINT.c.tenant_id)


STANDING = (
    "SELECT endpoint.id, endpoint.tenant_id, endpoint.name, endpoint.token_hmac, endpoint.status, tenant.suspended "
    "FROM endpoint JOIN tenant ON tenant.id = endpoint.tenant_id WHERE endpoint.id {among} ORDER BY tenant.id"
)
EXISTING = "SELECT id FROM endpoint WHERE id {among}"


def senders(statements: Statements, callers: Iterable[Caller]) -> Callable[[], dict[Caller, Sender | CrontopusError]]:
    """Each caller as it stands now, or why it may not write; no tenant goes before this transaction ends.

    The tenants are locked first, as whoever changes names or monitors of a tenant does. One that somebody else has
    locked is Busy: nobody waits for it.
    """
    wanted = set(callers)
    ids = {caller.id for caller in wanted}
    found = statements.query(STANDING, [ids], lock="FOR KEY SHARE OF tenant SKIP LOCKED")

    def standing() -> dict[Caller, Sender | CrontopusError]:
        by_id = {row[0]: _Standing(*row) for row in found()}
        missing = ids - by_id.keys()
        locked = {row[0] for row in statements.query(EXISTING, [missing], lock="")()} if missing else set()
        return {
            caller: Busy() if caller.id in locked else _sender(by_id.get(caller.id), caller.token_hmac)
            for caller in wanted
        }

    return standing


class _Standing(NamedTuple):
    id: str
    tenant_id: str
    name: str
    token_hmac: str
    status: str
    suspended: bool


def _sender(row: Any, token_hmac: str) -> Sender | CrontopusError:
    if row is None or row.status != "active" or row.token_hmac != token_hmac:
        return bad_endpoint_token()
    return suspended_tenant() if row.suspended else Sender(row.id, row.tenant_id, row.name, row.id)


class Callers:
    """Callers of this process by the HMAC of their token, for a minute; refusals are not kept."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Caller]] = {}

    def known(self, token: str) -> Caller | None:
        """Who was let in with this token a short time ago."""
        until, caller = self._known.get(security.token_hmac(token), (0.0, None))
        return caller if monotonic() < until else None

    def look_up(self, token: str) -> Caller:
        """Asks the database. Raises NotAuthenticated; Forbidden where the tenant is suspended."""
        digest = security.token_hmac(token)
        with patience(PATIENCE_S), reading() as session:
            row = session.execute(_standing().where(ENDPOINT.c.token_hmac == digest)).first()
        found = _sender(row, digest)
        if isinstance(found, CrontopusError):
            raise found
        if len(self._known) >= MOST:
            self._known.clear()
        caller = Caller(found.id, found.tenant_id, digest)
        self._known[digest] = (monotonic() + KEPT_S, caller)
        return caller

    def forget(self, caller: Caller) -> None:
        self._known.pop(caller.token_hmac, None)
