"""Who asks, and what they may do. The same rules for REST and for Git over HTTP."""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
from dataclasses import dataclass

from crontopus_app.forge.embedded.refused import Refused
from crontopus_app.forge.embedded.store import Row, Store, digest, password_matches

# In rising order; what a row of ``collaborator`` may say.
PERMISSIONS = ("none", "read", "write", "admin", "owner")
CATEGORIES = ("activitypub", "admin", "issue", "misc", "notification", "organization", "package", "repository", "user")
SCOPES = frozenset(
    {"all", "public-only"} | {f"{kind}:{category}" for kind in ("read", "write") for category in CATEGORIES}
)

_HASHING = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Caller:
    """An account and how it showed itself. ``scopes`` is None for a password, which may do all that the account may."""

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
        """Raises 403 unless the token's scopes reach that far; write includes read."""
        if self.scopes is None or "all" in self.scopes or f"write:{category}" in self.scopes:
            return
        if kind == "read" and f"read:{category}" in self.scopes:
            return
        raise Refused(403, f"token does not have at least one of required scope(s): [{kind}:{category}]")


class Gate:
    """Turns an Authorization header into a caller, and a caller and a repository into a permission."""

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
            raise Refused(401, "token is required")
        if caller is None:
            raise Refused(401, "invalid username, password or token")
        return caller

    def _basic(self, value: str) -> Caller | None:
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        # Forgejo takes a token in either place; the name beside it is ignored.
        secret = user if password in ("", "x-oauth-basic") else password
        return self._by_token(secret) or self._by_password(user, password)

    def _by_password(self, user: str, password: str) -> Caller | None:
        row = self.store.account(user)
        if row is None or row["organisation"]:
            return None
        if user.lower() == self._admin_user.lower():
            right = hmac.compare_digest(password.encode(), self._admin_password.encode())
        else:
            right = _matches(password, row["password"])
        return _caller(row) if right else None

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
        """One of PERMISSIONS: what the account may do there, whatever its token says."""
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
        """The repository, if the caller may do what is ``needed`` (read, write or admin) there.

        Raises 404 where the account may not even read, so that nobody learns which private repositories exist; 403
        where it may read but not do this, and where its token is bound to other repositories.
        """
        repository = self.store.repository(owner, name)
        if repository is None:
            raise Refused(404, "The target couldn't be found.")
        if caller.repositories is not None and repository["id"] not in caller.repositories and repository["private"]:
            known = self.permission(caller, repository) != "none"
            raise Refused(403 if known else 404, "token does not reach this repository")
        rank = PERMISSIONS.index(self.permission(caller, repository))
        if rank < PERMISSIONS.index("read"):
            raise Refused(404, "The target couldn't be found.")
        if rank < PERMISSIONS.index(needed):
            raise Refused(403, f"{needed} permission is required")
        if needed == "write" and repository["archived"]:
            raise Refused(423, "the repository is archived")
        return repository


def _matches(password: str, kept: str) -> bool:
    """Costs 16 MiB and some 50 ms, for anybody who knows a name: few at once. Raises 429 beyond them."""
    if not _HASHING.acquire(blocking=False):
        raise Refused(429, "too many sign-ins by password at once: try again, or use a token")
    try:
        return password_matches(password, kept)
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
