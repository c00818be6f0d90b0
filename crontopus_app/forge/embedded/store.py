"""The embedded forge's database of accounts, repositories, tokens and webhooks: a SQLite file shared by processes."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUSY_SECONDS = 10.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    login TEXT NOT NULL COLLATE NOCASE UNIQUE,
    organisation INTEGER NOT NULL DEFAULT 0,
    full_name TEXT NOT NULL DEFAULT '',
    email TEXT NOT NULL DEFAULT '' COLLATE NOCASE,
    description TEXT NOT NULL DEFAULT '',
    visibility TEXT NOT NULL DEFAULT 'private',
    password TEXT NOT NULL DEFAULT '',
    restricted INTEGER NOT NULL DEFAULT 0,
    admin INTEGER NOT NULL DEFAULT 0,
    active INTEGER NOT NULL DEFAULT 1,
    prohibit_login INTEGER NOT NULL DEFAULT 0,
    must_change_password INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
);
CREATE TABLE IF NOT EXISTS repository (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id INTEGER NOT NULL REFERENCES account(id),
    name TEXT NOT NULL COLLATE NOCASE,
    description TEXT NOT NULL DEFAULT '',
    private INTEGER NOT NULL DEFAULT 1,
    archived INTEGER NOT NULL DEFAULT 0,
    default_branch TEXT NOT NULL DEFAULT 'main',
    created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    UNIQUE (owner_id, name)
);
CREATE TABLE IF NOT EXISTS collaborator (
    repository_id INTEGER NOT NULL REFERENCES repository(id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    PRIMARY KEY (repository_id, account_id)
);
CREATE TABLE IF NOT EXISTS token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    last_eight TEXT NOT NULL,
    scopes TEXT NOT NULL,
    bound INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account_id, name)
);
CREATE TABLE IF NOT EXISTS token_repository (
    token_id INTEGER NOT NULL REFERENCES token(id) ON DELETE CASCADE,
    repository_id INTEGER NOT NULL REFERENCES repository(id) ON DELETE CASCADE,
    PRIMARY KEY (token_id, repository_id)
);
CREATE TABLE IF NOT EXISTS hook (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id INTEGER NOT NULL REFERENCES repository(id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    url TEXT NOT NULL,
    content_type TEXT NOT NULL,
    secret TEXT NOT NULL,
    events TEXT NOT NULL,
    branch_filter TEXT NOT NULL DEFAULT '',
    active INTEGER NOT NULL DEFAULT 0
);
"""

Row = sqlite3.Row


class Store:
    """Opens the file for each unit of work, so threads and processes share no connection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Several processes start at once, and SQLite does not wait for a lock when the journal mode changes.
        with open(path.with_suffix(".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._prepare()

    def _prepare(self) -> None:
        with self.reading() as db:
            db.execute("PRAGMA journal_mode = WAL")
        self.path.chmod(0o600)
        with self.writing() as db:
            for statement in SCHEMA.split(";"):
                db.execute(statement)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        db = self._open()
        try:
            yield db
        finally:
            db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction with the write lock from its start. Rolled back on any error."""
        db = self._open()
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        finally:
            db.close()  # also rolls back an open transaction

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        return db

    def account(self, login: str) -> Row | None:
        return self.one("SELECT * FROM account WHERE login = ?", login)

    def repository(self, owner: str, name: str) -> Row | None:
        """The repository's row, with its owner's login as ``owner``."""
        return self.one(
            "SELECT repository.*, account.login AS owner FROM repository JOIN account ON account.id = owner_id "
            "WHERE account.login = ? AND repository.name = ?",
            owner,
            name,
        )

    def one(self, query: str, *values: Any) -> Row | None:
        with self.reading() as db:
            return db.execute(query, values).fetchone()

    def all(self, query: str, *values: Any) -> list[Row]:
        with self.reading() as db:
            return db.execute(query, values).fetchall()

    def ensure_admin(self, login: str) -> None:
        """Creates the administrator's account. Its password is not stored; the setting is compared."""
        with self.writing() as db:
            db.execute(
                "INSERT INTO account (login, email, admin) VALUES (?, ?, 1) "
                "ON CONFLICT (login) DO UPDATE SET admin = 1",
                (login, f"{login}@forge.crontopus.invalid"),
            )


def digest(secret: str) -> str:
    """The stored form of a token. A plain hash is enough, because tokens are 160 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def password_matches(password: str, stored: str) -> bool:
    """Whether ``password`` matches the stored hash. An empty hash matches no password."""
    salt, _, expected = stored.partition("$")
    return bool(expected) and hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), expected)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
