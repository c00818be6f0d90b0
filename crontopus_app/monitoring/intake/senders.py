"""Authenticates endpoint tokens twice: from a 60 s cache before the body is read, and from the database inside the
write transaction.

So a revoked token can write nothing from that moment on, in any process and without Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import select

from crontopus_app.base import security
from crontopus_app.base.db import reading
from crontopus_app.base.errors import Busy, CrontopusError, NotFound, bad_endpoint_token, suspended_tenant
from crontopus_app.base.postgres import patience
from crontopus_app.models import Endpoint, metadata
from crontopus_app.monitoring.intake.rows import Sender
from crontopus_app.monitoring.intake.statements import Statements

ENDPOINT, TENANT = metadata.tables["endpoint"], metadata.tables["tenant"]
KEPT_S = 60.0
# A runner that waits longer stores the check-in in its spool.
PATIENCE_S = 2.5
MOST = 20_000


@dataclass(frozen=True)
class Caller:
    """An endpoint and its token's HMAC; or the source of a tenant's pings, and the job's ``ping_id``.

    Of a ping by slug, ``token_hmac`` is the key's.
    """

    id: str
    tenant_id: str
    token_hmac: str = ""
    ping_id: str = ""


def of_endpoint(endpoint: Endpoint) -> Caller:
    return Caller(endpoint.id, endpoint.tenant_id, endpoint.token_hmac)


def _select_endpoint() -> Any:
    columns = ENDPOINT.c.id, ENDPOINT.c.tenant_id, ENDPOINT.c.name, ENDPOINT.c.token_hmac, ENDPOINT.c.status
    return select(*columns, TENANT.c.suspended).join(TENANT, TENANT.c.id == ENDPOINT.c.tenant_id)


CURRENT = (
    "SELECT endpoint.id, endpoint.tenant_id, endpoint.name, endpoint.token_hmac, endpoint.status, tenant.suspended "
    "FROM endpoint JOIN tenant ON tenant.id = endpoint.tenant_id WHERE endpoint.id {among} ORDER BY tenant.id"
)
PING_TENANTS = "SELECT id, suspended FROM tenant WHERE id {among} ORDER BY id"
PING_IDS = "SELECT ping_id FROM monitor WHERE ping_id {among} AND state <> 'retired'"
PING_KEYS = "SELECT token_hmac FROM ping_key WHERE token_hmac {among} AND revoked_at IS NULL"
PINGS = "pings"
EXISTING = "SELECT id FROM endpoint WHERE id {among}"


def authenticate(
    statements: Statements, callers: Iterable[Caller]
) -> Callable[[], dict[Caller, Sender | CrontopusError]]:
    """The sender of each caller, or the error why it may not write. Tenants cannot be deleted before the commit.

    Locks the tenants first, as all changes of a tenant's names and monitors do. A tenant that another transaction has
    locked is Busy at once.
    """
    every = set(callers)
    pinging = {caller for caller in every if caller.ping_id}
    pings = _authenticate_pings(statements, pinging) if pinging else dict
    distinct = every - pinging
    if not distinct:
        return pings
    ids = {caller.id for caller in distinct}
    rows = statements.query(CURRENT, [ids], lock="FOR KEY SHARE OF tenant SKIP LOCKED")

    def authenticated() -> dict[Caller, Sender | CrontopusError]:
        by_id = {row[0]: _EndpointRow(*row) for row in rows()}
        missing = ids - by_id.keys()
        locked = {row[0] for row in statements.query(EXISTING, [missing], lock="")()} if missing else set()
        return pings() | {
            caller: Busy() if caller.id in locked else _sender(by_id.get(caller.id), caller.token_hmac)
            for caller in distinct
        }

    return authenticated


def _authenticate_pings(
    statements: Statements, callers: Collection[Caller]
) -> Callable[[], dict[Caller, Sender | CrontopusError]]:
    tenants = {caller.tenant_id for caller in callers}
    locked = statements.query(PING_TENANTS, [tenants], lock="FOR KEY SHARE SKIP LOCKED")
    valid = statements.query(PING_IDS, [{caller.ping_id for caller in callers}], lock="")
    keys = statements.query(PING_KEYS, [{caller.token_hmac for caller in callers}], lock="")

    def authenticated() -> dict[Caller, Sender | CrontopusError]:
        suspended = dict(locked())
        known = {row[0] for row in (*valid(), *keys())} | {""}
        return {
            caller: _pinging(caller, suspended.get(caller.tenant_id), {caller.ping_id, caller.token_hmac} <= known)
            for caller in callers
        }

    return authenticated


def _pinging(caller: Caller, suspended: bool | None, valid: bool) -> Sender | CrontopusError:
    """``suspended`` is None if another transaction has locked the tenant."""
    if not valid:
        return NotFound("not found")
    if suspended is None:
        return Busy()
    return suspended_tenant() if suspended else Sender(caller.id, caller.tenant_id, PINGS, None)


class _EndpointRow(NamedTuple):
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


class CallerCache:
    """Callers by the HMAC of their token, for a minute. Refusals are not cached."""

    def __init__(self) -> None:
        self._callers: dict[str, tuple[float, Caller]] = {}

    def cached(self, token: str) -> Caller | None:
        """The caller with this token, if it was looked up in the last minute."""
        until, caller = self._callers.get(security.token_hmac(token), (0.0, None))
        return caller if monotonic() < until else None

    def look_up(self, token: str) -> Caller:
        """Looks the token up in the database. Raises NotAuthenticated, and Forbidden for a suspended tenant."""
        digest = security.token_hmac(token)
        with patience(PATIENCE_S), reading() as session:
            row = session.execute(_select_endpoint().where(ENDPOINT.c.token_hmac == digest)).first()
        sender = _sender(row, digest)
        if isinstance(sender, CrontopusError):
            raise sender
        if len(self._callers) >= MOST:
            self._callers.clear()
        caller = Caller(sender.id, sender.tenant_id, digest)
        self._callers[digest] = (monotonic() + KEPT_S, caller)
        return caller

    def forget(self, caller: Caller) -> None:
        self._callers.pop(caller.token_hmac, None)
