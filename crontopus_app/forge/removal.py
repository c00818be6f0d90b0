"""Taking from the forge what was made for a tenant. Each may be repeated: what is gone already is no error."""

from __future__ import annotations

from crontopus_app.forge.client import BOT_DOMAIN, Forgejo
from crontopus_app.forge.http import address


def remove_repository(forge: Forgejo, org: str, name: str) -> None:
    """Deletes the repository with its history, its hooks and the rights to it. Raises what the client raises."""
    forge.send("DELETE", address("repos", org, name), expect=(204, 404))


def remove_right(forge: Forgejo, org: str, name: str, username: str) -> None:
    """Takes from an account its right to a repository; its tokens open nothing there until it is given again."""
    path = address("repos", org, name, "collaborators", username)
    # 422: no such account (Forgejo's answer), which has no right either.
    forge.send("DELETE", path, expect=(204, 404, 422))


def remove_bot(forge: Forgejo, username: str) -> None:
    """Deletes an account that we made, with its tokens; one of that name that we did not make is never touched."""
    answer = forge.send("GET", address("users", username), expect=(200, 404))
    if answer.status_code == 200 and str(answer.json().get("email", "")).lower() == f"{username}@{BOT_DOMAIN}":
        forge.send("DELETE", address("admin", "users", username), expect=(204, 404))
