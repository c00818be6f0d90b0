"""Authentication and permissions of the embedded forge, the same for REST and Git over HTTP."""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
from dataclasses import dataclass

from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.store import Row, Store, digest, password_matches

# In ascending order; the values of ``collaborator.permission``.
PERMISSIONS = ("none", "read", "write", "admin", "owner")
CATEGORIES = ("activitypub", "admin", "issue", "misc", "notification", "organization", "package", "repository", "user")
SCOPES = frozenset(
    {"all", "public-only"} | {f"{kind}:{category}" for kind in ("read", "write") for category in CATEGORIES}
)

_HASHING = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Caller:
    """An authenticated account. ``scopes`` and ``repositories`` limit a token; None means no limit."""

    id: int
    login: str
    admin: bool
    disabled: bool
    must_change_password: bool
    restricted: bool
    scopes: frozenset[str] | None = None
    repositories: frozenset[int] | None = None

    @property
    def by_password(self) -> bool:
        return self.scopes is None

    def require(self, kind: str, category: str) -> None:
        """Raises 403 unless the token has the scope; write includes read."""
        if self.scopes is None or "all" in self.scopes or f"write:{category}" in self.scopes:
            return
        if kind == "read" and f"read:{category}" in self.scopes:
            return
        raise HttpError(403, f"token does not have at least one of required scope(s): [{kind}:{category}]")


class Gate:
    """Authenticates callers by their Authorization header and determines their permissions."""

    def __init__(self, store: Store, admin_user: str, admin_password: str) -> None:
        self.store = store
        self._admin_user = admin_user
        self._admin_password = admin_password

    def identify(self, authorization: str | None) -> Caller:
        """Raises 401 for missing or wrong credentials."""
        kind, _, value = (authorization or "").strip().partition(" ")
        if kind.lower() in ("token", "bearer"):
            caller = self._by_token(value.strip())
        elif kind.lower() == "basic":
            caller = self._basic(value.strip())
        else:
            raise HttpError(401, "token is required")
        if caller is None:
            raise HttpError(401, "invalid username, password or token")
        return caller

    def _basic(self, value: str) -> Caller | None:
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        # Forgejo accepts a token as user name or as password.
        secret = user if password in ("", "x-oauth-basic") else password
        return self._by_token(secret) or self._by_password(user, password)

    def _by_password(self, user: str, password: str) -> Caller | None:
        row = self.store.account(user)
        if row is None or row["organisation"]:
            return None
        if user.lower() == self._admin_user.lower():
            valid = hmac.compare_digest(password.encode(), self._admin_password.encode())
        else:
            valid = _matches(password, row["password"])
        return _caller(row) if valid else None

    def _by_token(self, secret: str) -> Caller | None:
        row = self.store.one(
            "SELECT account.*, token.id AS token_id, scopes, bound FROM token JOIN account ON account.id = account_id "
            "WHERE digest = ?",
            digest(secret),
        )
        if row is None:
            return None
        bound = None
        if row["bound"]:
            rows = self.store.all("SELECT repository_id FROM token_repository WHERE token_id = ?", row["token_id"])
            bound = frozenset(item["repository_id"] for item in rows)
        return _caller(row, frozenset(row["scopes"].split()), bound)

    def permission(self, caller: Caller, repository: Row) -> str:
        """The account's permission (one of PERMISSIONS) for the repository, regardless of its token's limits."""
        if caller.admin and caller.repositories is None:
            return "owner"
        if caller.id == repository["owner_id"]:
            return "owner"
        row = self.store.one(
            "SELECT permission FROM collaborator WHERE repository_id = ? AND account_id = ?",
            repository["id"],
            caller.id,
        )
        if row is not None:
            return row["permission"]
        return "none" if repository["private"] or caller.restricted else "read"

    def open(self, caller: Caller, owner: str, name: str, needed: str) -> Row:
        """The repository, if the caller has the ``needed`` permission (read, write or admin).

        Raises 404 if the account may not read it, to hide which private repositories exist. Raises 403 if it may read
        but lacks the permission, or if its token is bound to other repositories.
        """
        repository = self.store.repository(owner, name)
        if repository is None:
            raise HttpError(404, "The target couldn't be found.")
        if caller.repositories is not None and repository["id"] not in caller.repositories and repository["private"]:
            may_read = self.permission(caller, repository) != "none"
            raise HttpError(403 if may_read else 404, "token is not valid for this repository")
        rank = PERMISSIONS.index(self.permission(caller, repository))
        if rank < PERMISSIONS.index("read"):
            raise HttpError(404, "The target couldn't be found.")
        if rank < PERMISSIONS.index(needed):
            raise HttpError(403, f"{needed} permission is required")
        if needed == "write" and repository["archived"]:
            raise HttpError(423, "the repository is archived")
        return repository


def _matches(password: str, stored: str) -> bool:
    """Checks a password. Costs 16 MiB and 50 ms before authentication, so raises 429 above two checks at once."""
    if not _HASHING.acquire(blocking=False):
        raise HttpError(429, "too many sign-ins by password at once; try again, or use a token")
    try:
        return password_matches(password, stored)
    finally:
        _HASHING.release()


def _caller(row: Row, scopes: frozenset[str] | None = None, repositories: frozenset[int] | None = None) -> Caller:
    return Caller(
        id=row["id"],
        login=row["login"],
        admin=bool(row["admin"]),
        disabled=not row["active"] or bool(row["prohibit_login"]),
        must_change_password=bool(row["must_change_password"]),
        restricted=bool(row["restricted"]),
        scopes=scopes,
        repositories=repositories,
    )
