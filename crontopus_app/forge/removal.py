"""Deletes a tenant's objects on the forge. Idempotent: an object that does not exist is no error."""

from __future__ import annotations

from crontopus_app.forge.client import BOT_DOMAIN, Forgejo
from crontopus_app.forge.http import address


def remove_repository(forge: Forgejo, org: str, name: str) -> None:
    """Deletes the repository with its history, webhooks and permissions. Raises the client's errors."""
    forge.send("DELETE", address("repos", org, name), expect=(204, 404))


def remove_permission(forge: Forgejo, org: str, name: str, username: str) -> None:
    """Removes an account's permission for a repository, so that its tokens do not work there."""
    path = address("repos", org, name, "collaborators", username)
    # 422: no such account (Forgejo), so no permission either.
    forge.send("DELETE", path, expect=(204, 404, 422))


def remove_bot(forge: Forgejo, username: str) -> None:
    """Deletes an account that Crontopus made, with its tokens. Accounts made by others are not touched."""
    answer = forge.send("GET", address("users", username), expect=(200, 404))
    if answer.status_code == 200 and str(answer.json().get("email", "")).lower() == f"{username}@{BOT_DOMAIN}":
        forge.send("DELETE", address("admin", "users", username), expect=(204, 404))
