"""The embedded forge's parts in one place, and what REST and Git over HTTP both do with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crontopus_app.forge.embedded.access import Gate
from crontopus_app.forge.embedded.repositories import Repositories
from crontopus_app.forge.embedded.store import Row, Store
from crontopus_app.forge.embedded.webhooks import Courier, Push, push_payload, wants

FOLDER = "forge"


def repositories_in(home: Path) -> Repositories:
    """The repositories of the forge whose data lie in ``home``."""
    return Repositories(home / FOLDER / "repositories")


class Forge:
    """``url`` is the address under which the forge is reached, without a slash at its end."""

    def __init__(self, home: Path, *, admin_user: str, admin_password: str, url: str) -> None:
        self.store = Store(home / FOLDER / "forge.db")
        self.store.ensure_admin(admin_user)
        self.gate = Gate(self.store, admin_user, admin_password)
        self.repositories = repositories_in(home)
        self.courier = Courier()
        self.url = url

    def repository_body(self, repository: Row, empty: bool) -> dict[str, Any]:
        """Forgejo's Repository."""
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
        """Hands a push to every hook that wants it; returns before anything is delivered."""
        hooks = self.store.all("SELECT * FROM hook WHERE repository_id = ?", repository["id"])
        hooks = [hook for hook in hooks if wants(hook, push)]
        if not hooks:
            return
        with self.repositories.open(repository["owner"], repository["name"]) as repo:
            payload = push_payload(repo, self.repository_body(repository, empty=False), push)
        for hook in hooks:
            self.courier.send(hook["url"], hook["secret"], payload)
