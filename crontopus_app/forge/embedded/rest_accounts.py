"""REST handlers of organisations, accounts and tokens."""

from __future__ import annotations

import secrets
import sqlite3
from typing import Any

from starlette.responses import Response

from crontopus_app.forge.embedded.access import SCOPES
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.rest import Call, Handler, reply, valid_name
from crontopus_app.forge.embedded.store import Row, digest, hash_password

MIN_PASSWORD = 8
BINDABLE = frozenset({"read:repository", "write:repository", "read:issue", "write:issue"})


def version(call: Call) -> Response:  # noqa: ARG001 -- a handler takes a call
    return reply({"version": "15.0.3+crontopus-embedded"})


def api_settings(call: Call) -> Response:  # noqa: ARG001 -- a handler takes a call
    return reply(
        {
            "max_response_items": 50,
            "default_paging_num": 30,
            "default_git_trees_per_page": 1000,
            "default_max_blob_size": 10485760,
        }
    )


def whoami(call: Call) -> Response:
    call.caller.require("read", "user")
    return reply(_account(_require_account(call, call.caller.login), private=True))


def show_account(call: Call) -> Response:
    call.caller.require("read", "user")
    row = _require_account(call, call.path["user"])
    is_own = call.caller.id == row["id"]
    if row["visibility"] == "private" and not (call.caller.admin or is_own):
        raise HttpError(404, "user redirect does not exist")
    return reply(_account(row, private=call.caller.admin or is_own))


def create_account(call: Call) -> Response:
    call.require_admin()
    login, email, password = valid_name(call.text("username")), call.text("email"), str(call.body.get("password") or "")
    if len(password) < MIN_PASSWORD:
        raise HttpError(400, "PasswordIsRequired or too short")
    if "@" not in email:
        raise HttpError(422, "[Email]: Email")
    values = {
        "login": login,
        "email": email,
        "full_name": str(call.body.get("full_name") or ""),
        "password": hash_password(password),
        "restricted": bool(call.body.get("restricted")),
        "visibility": str(call.body.get("visibility") or "public"),
        "must_change_password": call.body.get("must_change_password", True) is not False,
    }
    with call.forge.store.writing() as db:
        if db.execute("SELECT 1 FROM account WHERE login = ? OR email = ?", (login, email)).fetchone():
            raise HttpError(422, f"user already exists or e-mail already in use [name: {login}]")
        db.execute(_insert("account", values), values)
    return reply(_account(_require_account(call, login), private=True), 201)


def edit_account(call: Call) -> Response:
    call.require_admin()
    row = _require_account(call, call.path["user"])
    editable = ("active", "prohibit_login", "restricted", "must_change_password", "full_name", "visibility", "email")
    values: dict[str, Any] = {name: call.body[name] for name in editable if call.body.get(name) is not None}
    if call.body.get("password"):
        values["password"] = hash_password(str(call.body["password"]))
    if values:
        columns = ", ".join(f"{name} = :{name}" for name in values)
        with call.forge.store.writing() as db:
            db.execute(f"UPDATE account SET {columns} WHERE id = :id", values | {"id": row["id"]})  # noqa: S608 -- known names
    return reply(_account(_require_account(call, row["login"]), private=True))


def delete_account(call: Call) -> Response:
    call.require_admin()
    row = _require_account(call, call.path["user"])
    if row["admin"]:
        raise HttpError(422, "the administrator cannot be deleted")
    _delete(call, row, 422)
    return reply(status=204)


def create_org(call: Call) -> Response:
    call.caller.require("write", "organization")
    if not call.caller.admin or call.caller.repositories is not None:
        raise HttpError(403, "user is not allowed to create organizations")
    login = valid_name(call.text("username"))
    values = {
        "login": login,
        "organisation": 1,
        "full_name": str(call.body.get("full_name") or ""),
        "description": str(call.body.get("description") or ""),
        "visibility": str(call.body.get("visibility") or "public"),
    }
    with call.forge.store.writing() as db:
        if db.execute("SELECT 1 FROM account WHERE login = ?", (login,)).fetchone():
            raise HttpError(422, f"user already exists [name: {login}]")
        db.execute(_insert("account", values), values)
    return reply(_organisation(_require_account(call, login, organisation=True)), 201)


def show_org(call: Call) -> Response:
    call.caller.require("read", "organization")
    row = _require_account(call, call.path["org"], organisation=True)
    if row["visibility"] == "private" and not call.caller.admin:
        raise HttpError(404, "The target couldn't be found.")
    return reply(_organisation(row))


def delete_org(call: Call) -> Response:
    call.require_admin()
    _delete(call, _require_account(call, call.path["org"], organisation=True), 500)
    return reply(status=204)


def create_token(call: Call) -> Response:
    """Creates a token. Only this response contains its secret."""
    row = _own_or_admin(call)
    name, scopes = call.text("name"), call.body.get("scopes")
    if not isinstance(scopes, list) or not scopes or not SCOPES.issuperset(map(str, scopes)):
        raise HttpError(400, "invalid or empty scopes")
    bound = _bound_repositories(call, scopes)
    secret = secrets.token_hex(20)
    values = {
        "account_id": row["id"],
        "name": name,
        "digest": digest(secret),
        "last_eight": secret[-8:],
        "scopes": " ".join(map(str, scopes)),
        "bound": bound is not None,
    }
    with call.forge.store.writing() as db:
        try:
            token_id = db.execute(_insert("token", values), values).lastrowid
        except sqlite3.IntegrityError:
            raise HttpError(400, "access token name has been used already") from None
        for repository in bound or []:
            db.execute("INSERT OR IGNORE INTO token_repository VALUES (?, ?)", (token_id, repository["id"]))
    token = call.forge.store.one("SELECT * FROM token WHERE id = ?", token_id)
    assert token is not None  # noqa: S101 -- written above
    return reply(_token(call, token) | {"sha1": secret}, 201)


def _bound_repositories(call: Call, scopes: list[str]) -> list[Row] | None:
    """The repositories of the request; None without a list, which means all repositories."""
    requested = call.body.get("repositories")
    if requested is None:
        return None
    if not isinstance(requested, list) or not requested or not BINDABLE.issuperset(scopes):
        raise HttpError(400, "invalid combination of scopes and repositories")
    repositories = []
    for item in requested:
        if not isinstance(item, dict):
            raise HttpError(422, "Deserialization failed")
        repository = call.forge.store.repository(str(item.get("owner")), str(item.get("name")))
        if repository is None:
            raise HttpError(400, f"repository does not exist [{item.get('owner')}/{item.get('name')}]")
        repositories.append(repository)
    return repositories


def list_tokens(call: Call) -> Response:
    call.caller.require("read", "user")
    row = _require_account(call, call.path["user"])
    if call.caller.id != row["id"] and not call.caller.admin:
        raise HttpError(403, "only the account itself or an administrator")
    tokens = call.forge.store.all("SELECT * FROM token WHERE account_id = ? ORDER BY id", row["id"])
    return call.page([_token(call, token) for token in tokens])


def delete_token(call: Call) -> Response:
    row, name_or_id = _own_or_admin(call), call.path["token"]
    with call.forge.store.writing() as db:
        deleted = db.execute(
            "DELETE FROM token WHERE account_id = ? AND (id = ? OR name = ?)", (row["id"], name_or_id, name_or_id)
        )
        if not deleted.rowcount:
            raise HttpError(404, "access token does not exist")
    return reply(status=204)


def _own_or_admin(call: Call) -> Row:
    """The account in the path, for callers with a password only: a token must not create or delete tokens."""
    if not call.caller.by_password:
        raise HttpError(401, "auth method not allowed")
    row = call.forge.store.account(call.path["user"])
    if not call.caller.admin and (row is None or call.caller.id != row["id"]):
        raise HttpError(403, "only the account itself or an administrator")
    return _require_account(call, call.path["user"])


def _require_account(call: Call, login: str, organisation: bool = False) -> Row:
    row = call.forge.store.account(login)
    if row is None or bool(row["organisation"]) != organisation:
        raise HttpError(404, "user redirect does not exist")
    return row


def _delete(call: Call, row: Row, status: int) -> None:
    with call.forge.store.writing() as db:
        if db.execute("SELECT 1 FROM repository WHERE owner_id = ?", (row["id"],)).fetchone():
            raise HttpError(status, "account still owns repositories")
        db.execute("DELETE FROM account WHERE id = ?", (row["id"],))


def _insert(table: str, values: dict[str, Any]) -> str:
    names = ", ".join(values)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(':' + name for name in values)})"  # noqa: S608 -- own names


def _account(row: Row, private: bool) -> dict[str, Any]:
    body = {
        "id": row["id"],
        "login": row["login"],
        "username": row["login"],
        "full_name": row["full_name"],
        "email": row["email"] if private else f"{row['login']}@noreply.crontopus.invalid",
        "visibility": row["visibility"],
        "is_admin": bool(row["admin"]),
        "created": row["created"],
    }
    if private:
        names = ("active", "prohibit_login", "restricted")
        body |= {name: bool(row[name]) for name in names}
    return body


def _organisation(row: Row) -> dict[str, Any]:
    names = ("id", "full_name", "description", "visibility")
    return {name: row[name] for name in names} | {"name": row["login"], "username": row["login"]}


def _token(call: Call, row: Row) -> dict[str, Any]:
    rows = call.forge.store.all(
        "SELECT repository.id, name, login FROM token_repository JOIN repository ON repository.id = repository_id "
        "JOIN account ON account.id = owner_id WHERE token_id = ?",
        row["id"],
    )
    bound = [
        {"id": item["id"], "owner": item["login"], "name": item["name"], "full_name": f"{item['login']}/{item['name']}"}
        for item in rows
    ]
    return {
        "id": row["id"],
        "name": row["name"],
        "sha1": "",
        "token_last_eight": row["last_eight"],
        "scopes": row["scopes"].split(),
        "repositories": bound if row["bound"] else None,
    }


TABLE: list[tuple[str, str, Handler]] = [
    ("GET", "/version", version),
    ("GET", "/settings/api", api_settings),
    ("GET", "/user", whoami),
    ("GET", "/users/{user}", show_account),
    ("POST", "/admin/users", create_account),
    ("PATCH", "/admin/users/{user}", edit_account),
    ("DELETE", "/admin/users/{user}", delete_account),
    ("POST", "/orgs", create_org),
    ("GET", "/orgs/{org}", show_org),
    ("DELETE", "/orgs/{org}", delete_org),
    ("POST", "/users/{user}/tokens", create_token),
    ("GET", "/users/{user}/tokens", list_tokens),
    ("DELETE", "/users/{user}/tokens/{token}", delete_token),
]
