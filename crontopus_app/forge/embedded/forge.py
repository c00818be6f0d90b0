"""The embedded forge: accounts, permissions, repositories and webhooks, shared by REST and Git over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crontopus_app.forge.embedded.access import Gate
from crontopus_app.forge.embedded.repositories import Repositories
from crontopus_app.forge.embedded.store import Row, Store
from crontopus_app.forge.embedded.webhooks import Deliveries, Push, matches, push_payload

FOLDER = "forge"


def repositories_in(home: Path) -> Repositories:
    """The repositories of the forge in the data folder ``home``."""
    return Repositories(home / FOLDER / "repositories")


class Forge:
    """``url`` is the forge's public URL, without a trailing slash."""

    def __init__(self, home: Path, *, admin_user: str, admin_password: str, url: str) -> None:
        self.store = Store(home / FOLDER / "forge.db")
        self.store.ensure_admin(admin_user)
        self.gate = Gate(self.store, admin_user, admin_password)
        self.repositories = repositories_in(home)
        self.deliveries = Deliveries()
        self.url = url

    def repository_body(self, repository: Row, empty: bool) -> dict[str, Any]:
        """A repository in the format of Forgejo's API."""
        owner, name = repository["owner"], repository["name"]
        url = f"{self.url}/{owner}/{name}"
        return {
            "id": repository["id"],
            "owner": {"id": repository["owner_id"], "login": owner, "username": owner},
            "name": name,
            "full_name": f"{owner}/{name}",
            "description": repository["description"],
            "empty": empty,
            "private": bool(repository["private"]),
            "archived": bool(repository["archived"]),
            "default_branch": repository["default_branch"],
            "html_url": url,
            "url": f"{self.url}/api/v1/repos/{owner}/{name}",
            "clone_url": f"{url}.git",
            "created_at": repository["created"],
        }

    def announce(self, repository: Row, push: Push) -> None:
        """Queues the push for delivery to every matching webhook; returns before they are delivered."""
        hooks = self.store.all("SELECT * FROM hook WHERE repository_id = ?", repository["id"])
        hooks = [hook for hook in hooks if matches(hook, push)]
        if not hooks:
            return
        with self.repositories.open(repository["owner"], repository["name"]) as repo:
            payload = push_payload(repo, self.repository_body(repository, empty=False), push)
        for hook in hooks:
            self.deliveries.send(hook["url"], hook["secret"], payload)
