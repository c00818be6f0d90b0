"""Rows of the Repository page."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from contract import wire
from crontopus_app.forge import addresses
from crontopus_app.jobs.repository import BadFile, Log, Repository
from crontopus_app.ui.kit import words

POLICIES = {
    "none": "none (defaults)",
    "in force": "crontopus.yaml applied",
    "broken": "crontopus.yaml has errors; the last valid version is applied",
}


@dataclass(frozen=True)
class Repo:
    """Facts of the repository; ``state`` is the colour of ``label``."""

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
    """A page of commits, or why there is none; ``newer`` and ``older`` are addresses."""

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
    """The credential just created, with the token, which is shown once; otherwise empty."""

    name: str = ""
    access: str = ""
    username: str = ""
    token: str = ""


@dataclass(frozen=True)
class Access:
    """Credentials that are not revoked, and the one just created."""

    credentials: list[Credential] = field(default_factory=list)
    created: NewCredential = NewCredential()


ACCESS = {"read": "read", "write": "read and push"}


def credentials(listed: list[wire.GitCredential]) -> list[Credential]:
    """Rows of the credentials that are not revoked yet."""
    return [
        Credential(one.id, one.name, ACCESS[one.access], one.made_by, words.iso(one.created_at), one.state)
        for one in listed
        if one.state != "revoked"
    ]


def created(one: wire.GitCredential) -> NewCredential:
    return NewCredential(one.name, ACCESS[one.access], one.username, one.token or "")


def repo(repository: Repository, log: Log) -> Repo:
    """Facts of the repository; the log says how many commits the index is behind."""
    state, label = _index_state(repository, log)
    return Repo(
        name=repository.name,
        branch=repository.branch,
        state=state,
        label=label,
        head=repository.head[:7],
        indexed=repository.indexed_head[:7],
        indexed_at=words.iso(repository.indexed_at),
        history=_history(repository),
        problem=repository.problem,
        policy=POLICIES[repository.policy],
        policy_state={"broken": "failed", "in force": "ok"}.get(repository.policy, "unknown"),
        policy_problem=repository.policy_problem,
        clone=f"git clone {repository.clone_url}",
        web=repository.web_url,
        jobs=words.plural(sum(one.jobs for one in repository.folders), "job"),
    )


def _history(repository: Repository) -> str:
    """Progress of looking up each file's last commit; empty once complete."""
    if repository.described == repository.files:
        return ""
    return f"history of {repository.described:,} of {repository.files:,} files indexed"


def _index_state(repository: Repository, log: Log) -> tuple[str, str]:
    if not repository.indexed_head:
        return "running", "not indexed yet"
    shas = [commit.sha for commit in log.commits] if log.page == 1 else []
    if shas and repository.indexed_head in shas:
        behind = shas.index(repository.indexed_head)
        return ("late", f"{words.plural(behind, 'commit')} behind") if behind else ("ok", "up to date")
    return ("ok", "up to date") if repository.current else ("late", "behind")


def folders(repository: Repository) -> list[Folder]:
    return [
        Folder(one.name, words.plural(one.jobs, "job"), f"/jobs?namespace={quote(one.name)}")
        for one in repository.folders
    ]


def invalid(file: BadFile) -> InvalidFile:
    where = f"{file.path} line {file.line}" if file.line else file.path
    href = f"/jobs/{quote(file.namespace, safe='')}/{quote(file.name, safe='')}?tab=definition"
    more = f"and {words.plural(file.errors - 1, 'more error')}" if file.errors > 1 else ""
    return InvalidFile(where, href, words.problem(file.message), more)


def commits(log: Log, repository: Repository) -> Commits:
    """A page of the log; commits link to the Git server if it has web pages."""
    rows = [
        LogRow(
            sha=one.sha,
            short=one.sha[:7],
            title=one.message.split("\n", 1)[0],
            author=one.author,
            at=words.iso(one.at),
            web=addresses.commit_page(repository.web_url, one.sha),
            head=one.sha == repository.indexed_head,
        )
        for one in log.commits
    ]
    newer = "" if log.page == 1 else "/repository" if log.page == 2 else f"/repository?page={log.page - 1}"
    older = f"/repository?page={log.page + 1}" if log.more else ""
    return Commits(rows, log.problem, newer, older, bool(newer or older))
