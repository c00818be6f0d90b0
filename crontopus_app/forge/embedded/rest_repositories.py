"""REST handlers of repositories, collaborators and webhooks."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from dulwich.objects import ZERO_SHA
from starlette.responses import Response

from crontopus_app.forge.embedded.access import PERMISSIONS
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.repositories import branch_head, is_empty
from crontopus_app.forge.embedded.rest import REPOSITORY_NAME, Call, Handler, reply
from crontopus_app.forge.embedded.store import Row
from crontopus_app.forge.embedded.webhooks import Push

HOOK_KINDS = ("forgejo", "gitea")


def create_repository(call: Call) -> Response:
    call.caller.require("write", "organization")
    owner = call.forge.store.account(call.path["org"])
    if owner is None or not owner["organisation"]:
        raise HttpError(404, "The target couldn't be found.")
    if not call.caller.admin or call.caller.repositories is not None:
        raise HttpError(403, "Given user is not allowed to create repository in organization.")
    name, branch = call.text("name"), str(call.body.get("default_branch") or "main")
    if not REPOSITORY_NAME.match(name):
        raise HttpError(422, f"name is reserved or invalid [name: {name}]")
    if call.body.get("auto_init"):
        raise HttpError(422, "auto_init is not supported by this server; make the first commit instead")
    values = (owner["id"], name, str(call.body.get("description") or ""), bool(call.body.get("private")), branch)
    with call.forge.store.writing() as db:
        if db.execute("SELECT 1 FROM repository WHERE owner_id = ? AND name = ?", values[:2]).fetchone():
            raise HttpError(409, "The repository with the same name already exists.")
        db.execute(
            "INSERT INTO repository (owner_id, name, description, private, default_branch) VALUES (?, ?, ?, ?, ?)",
            values,
        )
        call.forge.repositories.create(owner["login"], name, branch)
    return reply(_body(call, _row(call, owner["login"], name)), 201)


def show_repository(call: Call) -> Response:
    return reply(_body(call, call.repository()))


def edit_repository(call: Call) -> Response:
    row = call.repository("admin")
    editable = ("private", "archived", "description")
    values: dict[str, Any] = {name: call.body[name] for name in editable if call.body.get(name) is not None}
    if values:
        columns = ", ".join(f"{name} = :{name}" for name in values)
        with call.forge.store.writing() as db:
            db.execute(f"UPDATE repository SET {columns} WHERE id = :id", values | {"id": row["id"]})  # noqa: S608 -- known names
    return reply(_body(call, _row(call, row["owner"], row["name"])))


def delete_repository(call: Call) -> Response:
    row = call.repository("owner", category="organization")
    with call.forge.store.writing() as db:
        db.execute("DELETE FROM repository WHERE id = ?", (row["id"],))
    # A crash before this leaves the folder; ``create`` replaces it.
    call.forge.repositories.delete(row["owner"], row["name"])
    return reply(status=204)


def _row(call: Call, owner: str, name: str) -> Row:
    row = call.forge.store.repository(owner, name)
    if row is None:
        raise HttpError(404, "The target couldn't be found.")
    return row


def _body(call: Call, row: Row) -> dict[str, Any]:
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        empty = is_empty(repo)
    permission = PERMISSIONS.index(call.forge.gate.permission(call.caller, row))
    rights = {"admin": permission >= 3, "push": permission >= 2, "pull": permission >= 1}
    size = call.forge.repositories.size(row["owner"], row["name"])
    return call.forge.repository_body(row, empty) | {"permissions": rights, "size": size // 1024}


def put_collaborator(call: Call) -> Response:
    row = call.repository("admin")
    account = call.forge.store.account(call.path["user"])
    if account is None or account["organisation"]:
        raise HttpError(422, f"user does not exist [name: {call.path['user']}]")
    requested = call.body.get("permission") or "write"
    permission = requested if requested in ("read", "write", "admin") else "none"
    with call.forge.store.writing() as db:
        db.execute(
            "INSERT INTO collaborator VALUES (?, ?, ?) "
            "ON CONFLICT (repository_id, account_id) DO UPDATE SET permission = excluded.permission",
            (row["id"], account["id"], permission),
        )
    return reply(status=204)


def check_collaborator(call: Call) -> Response:
    row = call.repository()
    if not _collaborators(call, row, call.path["user"]):
        raise HttpError(404, "not a collaborator")
    return reply(status=204)


def show_permission(call: Call) -> Response:
    row = call.repository()
    collaborators = _collaborators(call, row, call.path["user"])
    permission = collaborators[0]["permission"] if collaborators else "none"
    return reply({"permission": permission, "role_name": permission, "user": {"login": call.path["user"]}})


def list_collaborators(call: Call) -> Response:
    row = call.repository()
    return call.page([{"login": item["login"], "username": item["login"]} for item in _collaborators(call, row)])


def drop_collaborator(call: Call) -> Response:
    row = call.repository("admin")
    with call.forge.store.writing() as db:
        db.execute(
            "DELETE FROM collaborator WHERE repository_id = ? "
            "AND account_id = (SELECT id FROM account WHERE login = ?)",
            (row["id"], call.path["user"]),
        )
    return reply(status=204)


def _collaborators(call: Call, row: Row, login: str | None = None) -> list[Row]:
    return call.forge.store.all(
        "SELECT login, permission FROM collaborator JOIN account ON account.id = account_id "
        "WHERE repository_id = ? AND (? IS NULL OR login = ?) ORDER BY login",
        row["id"],
        login,
        login,
    )


def list_hooks(call: Call) -> Response:
    row = call.repository("admin")
    hooks = call.forge.store.all("SELECT * FROM hook WHERE repository_id = ? ORDER BY id", row["id"])
    return call.page([_hook(hook) for hook in hooks])


def create_hook(call: Call) -> Response:
    row = call.repository("admin")
    if call.body.get("type") not in HOOK_KINDS:
        raise HttpError(422, f"Invalid hook type: {call.body.get('type')}")
    config = _config(call, {})
    for name in ("url", "content_type"):
        if not config.get(name):
            raise HttpError(422, f"Missing config option: {name}")
    values = (
        row["id"],
        call.body["type"],
        config["url"],
        config["content_type"],
        config.get("secret", ""),
        _events(call, "push"),
        str(call.body.get("branch_filter") or ""),
        call.body.get("active") is True,
    )
    with call.forge.store.writing() as db:
        hook_id = db.execute(
            "INSERT INTO hook (repository_id, kind, url, content_type, secret, events, branch_filter, active) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        ).lastrowid
    return reply(_hook(_one_hook(call, row, str(hook_id))), 201)


def show_hook(call: Call) -> Response:
    return reply(_hook(_one_hook(call, call.repository("admin"), call.path["hook"])))


def edit_hook(call: Call) -> Response:
    row = call.repository("admin")
    hook = _one_hook(call, row, call.path["hook"])
    config = _config(call, {name: hook[name] for name in ("url", "content_type", "secret")})
    active = hook["active"] if call.body.get("active") is None else call.body["active"] is True
    branches = hook["branch_filter"] if call.body.get("branch_filter") is None else str(call.body["branch_filter"])
    values = (config["url"], config["content_type"], config["secret"], _events(call, hook["events"]), branches, active)
    with call.forge.store.writing() as db:
        db.execute(
            "UPDATE hook SET url = ?, content_type = ?, secret = ?, events = ?, branch_filter = ?, active = ? "
            "WHERE id = ?",
            (*values, hook["id"]),
        )
    return reply(_hook(_one_hook(call, row, str(hook["id"]))))


def delete_hook(call: Call) -> Response:
    hook = _one_hook(call, call.repository("admin"), call.path["hook"])
    with call.forge.store.writing() as db:
        db.execute("DELETE FROM hook WHERE id = ?", (hook["id"],))
    return reply(status=204)


def test_hook(call: Call) -> Response:
    """Delivers a push event of the default branch with equal ``before`` and ``after``."""
    row = call.repository("admin")
    _one_hook(call, row, call.path["hook"])
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        head = branch_head(repo, row["default_branch"]) or ZERO_SHA
    push = Push(f"refs/heads/{row['default_branch']}", head.decode(), head.decode(), call.caller.login)
    call.after.append(lambda: call.forge.announce(row, push))
    return reply(status=204)


def _config(call: Call, current: dict[str, str]) -> dict[str, str]:
    changes = call.body.get("config") or {}
    if not isinstance(changes, dict):
        raise HttpError(422, "Deserialization failed")
    config = current | {str(name): str(value) for name, value in changes.items()}
    if "url" in config and urlsplit(config["url"]).scheme not in ("http", "https"):
        raise HttpError(422, "Invalid url")
    if config.get("content_type", "json") != "json":
        raise HttpError(422, "Invalid content type: this server supports only json")
    return config


def _events(call: Call, default: str) -> str:
    events = call.body.get("events")
    return " ".join(map(str, events)) if isinstance(events, list) and events else default


def _one_hook(call: Call, row: Row, hook_id: str) -> Row:
    hook = call.forge.store.one("SELECT * FROM hook WHERE repository_id = ? AND id = ?", row["id"], hook_id)
    if hook is None:
        raise HttpError(404, "webhook does not exist")
    return hook


def _hook(row: Row) -> dict[str, Any]:
    """A webhook in the format of Forgejo's API. Its secret cannot be read."""
    return {
        "id": row["id"],
        "type": row["kind"],
        "active": bool(row["active"]),
        "events": row["events"].split(),
        "branch_filter": row["branch_filter"],
        "config": {"url": row["url"], "content_type": row["content_type"]},
    }


TABLE: list[tuple[str, str, Handler]] = [
    ("POST", "/orgs/{org}/repos", create_repository),
    ("GET", "/repos/{owner}/{repo}", show_repository),
    ("PATCH", "/repos/{owner}/{repo}", edit_repository),
    ("DELETE", "/repos/{owner}/{repo}", delete_repository),
    ("GET", "/repos/{owner}/{repo}/collaborators", list_collaborators),
    ("PUT", "/repos/{owner}/{repo}/collaborators/{user}", put_collaborator),
    ("GET", "/repos/{owner}/{repo}/collaborators/{user}", check_collaborator),
    ("DELETE", "/repos/{owner}/{repo}/collaborators/{user}", drop_collaborator),
    ("GET", "/repos/{owner}/{repo}/collaborators/{user}/permission", show_permission),
    ("GET", "/repos/{owner}/{repo}/hooks", list_hooks),
    ("POST", "/repos/{owner}/{repo}/hooks", create_hook),
    ("GET", "/repos/{owner}/{repo}/hooks/{hook}", show_hook),
    ("PATCH", "/repos/{owner}/{repo}/hooks/{hook}", edit_hook),
    ("DELETE", "/repos/{owner}/{repo}/hooks/{hook}", delete_hook),
    ("POST", "/repos/{owner}/{repo}/hooks/{hook}/tests", test_hook),
]
