"""Rows of the Repository page."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from contract import wire
from crontopus_app.forge import addresses
from crontopus_app.jobs.repository import BadFile, Log, Repository
from crontopus_app.ui.kit import words

POLICIES = {
    "none": "no crontopus.yaml: the defaults apply",
    "in force": "crontopus.yaml is in force",
    "broken": "crontopus.yaml has errors: the last good one is in force",
}


@dataclass(frozen=True)
class Repo:
    """The facts; ``state`` is the colour of ``label``."""

    name: str = ""
    branch: str = ""
    state: str = "unknown"
    label: str = ""
    head: str = ""
    indexed: str = ""
    indexed_at: str = ""
    history: str = ""
    problem: str = ""
    policy: str = ""
    policy_state: str = "unknown"
    policy_problem: str = ""
    clone: str = ""
    web: str = ""
    jobs: str = ""


@dataclass(frozen=True)
class Folder:
    name: str
    count: str
    href: str


@dataclass(frozen=True)
class InvalidFile:
    where: str
    href: str
    message: str
    more: str


@dataclass(frozen=True)
class LogRow:
    sha: str
    short: str
    title: str
    author: str
    at: str
    web: str
    head: bool


@dataclass(frozen=True)
class Commits:
    """A page of them, or why there is none; ``newer`` and ``older`` are addresses."""

    rows: list[LogRow] = field(default_factory=list)
    problem: str = ""
    newer: str = ""
    older: str = ""
    paged: bool = False


@dataclass(frozen=True)
class Credential:
    """``state`` is active or ending."""

    id: str
    name: str
    access: str
    made_by: str
    at: str
    state: str


@dataclass(frozen=True)
class NewCredential:
    """What was made just now, with the token that is shown only now; empty otherwise."""

    name: str = ""
    access: str = ""
    username: str = ""
    token: str = ""


@dataclass(frozen=True)
class Access:
    """The credentials that open something, and the one just made."""

    credentials: list[Credential] = field(default_factory=list)
    made: NewCredential = NewCredential()


ACCESS = {"read": "read", "write": "read and push"}


def credentials(found: list[wire.GitCredential]) -> list[Credential]:
    """Those that are not revoked yet."""
    return [
        Credential(one.id, one.name, ACCESS[one.access], one.made_by, words.iso(one.created_at), one.state)
        for one in found
        if one.state != "revoked"
    ]


def made(one: wire.GitCredential) -> NewCredential:
    return NewCredential(one.name, ACCESS[one.access], one.username, one.token or "")


def repo(found: Repository, log: Log) -> Repo:
    """The facts, with how far the index is behind where the Git server's log tells."""
    state, label = _standing(found, log)
    return Repo(
        name=found.name,
        branch=found.branch,
        state=state,
        label=label,
        head=found.head[:7],
        indexed=found.indexed_head[:7],
        indexed_at=words.iso(found.indexed_at),
        history=_history(found),
        problem=found.problem,
        policy=POLICIES[found.policy],
        policy_state={"broken": "failed", "in force": "ok"}.get(found.policy, "unknown"),
        policy_problem=found.policy_problem,
        clone=f"git clone {found.clone_url}",
        web=found.web_url,
        jobs=words.plural(sum(one.jobs for one in found.folders), "job"),
    )


def _history(found: Repository) -> str:
    """How far the files' commits are looked up; empty where all are known."""
    if found.described == found.files:
        return ""
    return f"history of {found.described:,} of {found.files:,} files read"


def _standing(found: Repository, log: Log) -> tuple[str, str]:
    if not found.indexed_head:
        return "running", "not read yet"
    shas = [commit.sha for commit in log.commits] if log.page == 1 else []
    if shas and found.indexed_head in shas:
        behind = shas.index(found.indexed_head)
        return ("late", f"{words.plural(behind, 'commit')} behind") if behind else ("ok", "up to date")
    return ("ok", "up to date") if found.current else ("late", "behind")


def folders(found: Repository) -> list[Folder]:
    return [
        Folder(one.name, words.plural(one.jobs, "job"), f"/jobs?namespace={quote(one.name)}") for one in found.folders
    ]


def invalid(file: BadFile) -> InvalidFile:
    where = f"{file.path}:{file.line}:{file.column}" if file.line else file.path
    href = f"/jobs/{quote(file.namespace, safe='')}/{quote(file.name, safe='')}?tab=definition"
    more = f"and {words.plural(file.errors - 1, 'other error')}" if file.errors > 1 else ""
    return InvalidFile(where, href, file.message, more)


def commits(log: Log, found: Repository) -> Commits:
    """The log's page; each commit is linked to the Git server where that has pages."""
    rows = [
        LogRow(
            sha=one.sha,
            short=one.sha[:7],
            title=one.message.split("\n", 1)[0],
            author=one.author,
            at=words.iso(one.at),
            web=addresses.commit_page(found.web_url, one.sha),
            head=one.sha == found.indexed_head,
        )
        for one in log.commits
    ]
    newer = "" if log.page == 1 else "/repository" if log.page == 2 else f"/repository?page={log.page - 1}"
    older = f"/repository?page={log.page + 1}" if log.more else ""
    return Commits(rows, log.problem, newer, older, bool(newer or older))
