"""The authenticated caller of a service, and its permissions."""

from __future__ import annotations

from dataclasses import dataclass

from crontopus_app.base.errors import Forbidden

SCOPES = frozenset(
    {
        "read:runs",
        "read:jobs",
        "write:jobs",
        "read:agents",
        "write:agents",
        "read:alerts",
        "write:alerts",
        "read:tokens",
        "write:tokens",
        "admin:*",
    }
)


@dataclass(frozen=True)
class Actor:
    """A signed-in user, or one of the user's API tokens.

    ``scopes`` limits a token; None means no limit. ``credential`` is the id of the session or token.
    """

    user_id: str
    tenant_id: str
    username: str
    email: str
    role: str
    kind: str = "session"
    scopes: frozenset[str] | None = None
    credential: str = ""

    def require(self, scope: str) -> None:
        """Raises Forbidden unless the token has the scope; a write scope includes the read scope."""
        if not self.may(scope):
            raise Forbidden(f"This token lacks the scope {scope}. Create a token that has it.", code="missing_scope")

    def may(self, scope: str) -> bool:
        if self.scopes is None or scope in self.scopes or "admin:*" in self.scopes:
            return True
        return scope.startswith("read:") and scope.replace("read:", "write:") in self.scopes

    def require_operator(self) -> None:
        self.require("admin:*")
        if self.role != "operator":
            raise Forbidden("Only operators may do this. To make a user an operator: crontopus-server admin grant NAME")

    def require_person(self) -> None:
        """Raises Forbidden for API tokens: some actions require a signed-in user."""
        if self.kind != "session":
            raise Forbidden("This action is not allowed with an API token. Sign in to the console.")
