"""Reads the tenant's repository over Git's smart HTTP: the branch's head and the manifests at that commit.

Uses dulwich, so the host needs no git program. A fetch is shallow and limited in time; the credential is sent in a
header. Every failure raises ``FetchFailed``: an unreadable repository must never look like an empty one.
"""

from __future__ import annotations

import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlsplit

from dulwich.client import HttpGitClient, default_user_agent_string
from dulwich.config import ConfigDict
from dulwich.objects import Commit, Tree
from dulwich.repo import MemoryRepo, Repo
from urllib3 import PoolManager

from agent.errors import FetchFailed
from agent.proxy import is_loopback

FETCH_SECONDS = 30
PACKS = 40
HISTORY = 200


@dataclass(frozen=True)
class RepositoryAccess:
    """The repository's address, its branch and a read-only credential."""

    url: str
    branch: str
    username: str
    token: str


@dataclass(frozen=True)
class Snapshot:
    """The YAML files at one commit. ``files`` maps paths to blob shas; ``read`` returns a blob's bytes."""

    head: str
    files: dict[str, str]
    read: Callable[[str], bytes]


class Source:
    """A local copy of the repository in ``folder``. A fetch transfers new objects only."""

    def __init__(self, folder: Path, seconds: float = FETCH_SECONDS) -> None:
        """``seconds``: the longest that any call takes."""
        self.folder, self.seconds = folder, seconds

    def fetch(self, access: RepositoryAccess) -> Snapshot:
        """Fetches the branch's head. If that fails, deletes the local copy and fetches once more."""
        try:
            return self._fetch_in_time(access)
        except FetchFailed:
            if not self.folder.exists():
                raise
            shutil.rmtree(self.folder, ignore_errors=True)
            return self._fetch_in_time(access)

    def head(self, access: RepositoryAccess) -> str:
        """The branch's head on the server, without a fetch."""

        def request_head() -> str:
            with _client(access) as client:
                return _head(client, access)

        return _in_time(request_head, self.seconds)

    def messages_since(self, access: RepositoryAccess, applied: str, head: str) -> list[str]:
        """The messages of the commits after ``applied`` up to ``head``, newest first, at most 200."""

        def messages() -> list[str]:
            repo = MemoryRepo()
            _fetch_into(repo, access, HISTORY)
            texts: list[str] = []
            for step in repo.get_walker(include=[head.encode()], max_entries=HISTORY):  # pyright: ignore[reportArgumentType] -- newer dulwich has a type of its own for ids
                if step.commit.id.decode() == applied:
                    break
                texts.append(step.commit.message.decode("utf-8", "replace"))
            return texts

        return _in_time(messages, self.seconds)

    def _fetch_in_time(self, access: RepositoryAccess) -> Snapshot:
        return _in_time(lambda: self._fetch(access), self.seconds)

    def _fetch(self, access: RepositoryAccess) -> Snapshot:
        repo = self._repo()
        try:
            head = _fetch_into(repo, access, 1)
            files = _manifests(repo, head)
        finally:
            repo.close()
        return Snapshot(head.decode(), files, self.read)

    def read(self, blob: str) -> bytes:
        with Repo(str(self.folder)) as repo:
            return repo[blob.encode()].as_raw_string()

    def read_all(self, blobs: list[str]) -> dict[str, bytes]:
        """The bytes of many blobs; opens the repository once."""
        with Repo(str(self.folder)) as repo:
            return {blob: repo[blob.encode()].as_raw_string() for blob in blobs}

    def _repo(self) -> Repo:
        packs = self.folder / "objects" / "pack"
        if packs.exists() and len(list(packs.glob("*.pack"))) > PACKS:
            shutil.rmtree(self.folder)
        if not self.folder.exists():
            self.folder.mkdir(mode=0o700, parents=True)
            return Repo.init_bare(str(self.folder))
        return Repo(str(self.folder))


def _in_time(work: Callable[[], Any], seconds: float) -> Any:
    """The result of ``work``. Raises ``FetchFailed`` if it fails or takes longer than ``seconds``."""
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work()
        except Exception as problem:  # noqa: BLE001, RUF100 -- dulwich, urllib3 and zlib each raise their own; passed on
            outcome["problem"] = problem

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if "value" in outcome:
        return outcome["value"]
    if "problem" not in outcome:
        raise FetchFailed(f"the Git server did not answer within {seconds:g} s")
    problem = outcome["problem"]
    if isinstance(problem, FetchFailed):
        raise problem
    raise FetchFailed(f"the repository cannot be read: {type(problem).__name__}: {problem}") from problem


def _fetch_into(repo: Any, access: RepositoryAccess, depth: int) -> bytes:
    """Fetches the branch's head with ``depth`` commits. Returns its sha."""
    ref = _ref(access)

    def wants(refs: Any, depth: int | None = None) -> list[Any]:  # noqa: ARG001 -- dulwich passes it by name
        return [refs[ref]] if ref in refs and not _complete(repo, refs[ref]) else []

    with _client(access) as client:
        result: Any = client.fetch(urlsplit(access.url).path, repo, determine_wants=wants, depth=depth)
    return _existing(result.refs.get(ref), access)


@contextmanager
def _client(access: RepositoryAccess) -> Iterator[HttpGitClient]:
    at = urlsplit(access.url)
    config = ConfigDict()
    config.set((b"http",), b"timeout", str(FETCH_SECONDS).encode())
    user = access.username or "crontopus"
    client = HttpGitClient(
        f"{at.scheme}://{at.netloc}", pool_manager=_direct(access.url), config=config, username=user,
        password=access.token,
    )  # fmt: skip
    answers = _remembered(client.pool_manager)
    try:
        yield client
    finally:
        for answer in answers:
            answer.close()
        client.pool_manager.clear()


def _direct(url: str) -> PoolManager | None:
    """A connection pool without a proxy for a loopback address. None: dulwich uses the environment's proxy."""
    headers = {"User-Agent": default_user_agent_string()}
    return PoolManager(headers=headers, timeout=FETCH_SECONDS) if is_loopback(url) else None


def _remembered(manager: Any) -> list[Any]:
    """A list that collects every answer of the manager, to close it: dulwich leaves answers with an error open."""
    answers: list[Any] = []
    original_request = manager.request

    def request(*args: Any, **options: Any) -> Any:
        answers.append(original_request(*args, **options))
        return answers[-1]

    manager.request = request
    return answers


def _ref(access: RepositoryAccess) -> bytes:
    return b"refs/heads/" + access.branch.encode()


def _head(client: HttpGitClient, access: RepositoryAccess) -> str:
    answer: Any = client.get_refs(urlsplit(access.url).path.encode())
    return _existing(getattr(answer, "refs", answer).get(_ref(access)), access).decode()


def _existing(head: bytes | None, access: RepositoryAccess) -> bytes:
    if head is None:
        raise FetchFailed(f"the repository has no branch {access.branch}")
    return head


def _complete(repo: Any, sha: bytes) -> bool:
    """Whether the local copy has this commit with all its files."""
    return sha in repo.object_store and isinstance(repo, Repo)


def _manifests(repo: Any, head: bytes) -> dict[str, str]:
    commit = repo[head]
    if not isinstance(commit, Commit):
        raise FetchFailed(f"the branch's head {head.decode()[:10]} is a {type(commit).__name__.lower()}, not a commit")
    files: dict[str, str] = {}
    _walk(repo, commit.tree, "", files)
    if not files and not len(repo[commit.tree]):
        raise FetchFailed("the repository is empty")
    return files


def _walk(repo: Any, tree: bytes, folder: str, files: dict[str, str]) -> None:
    node = repo[tree]
    if not isinstance(node, Tree):
        raise FetchFailed(f"{folder or '/'} is not a folder in the repository")
    for name, mode, sha in node.items():
        path = f"{folder}{name.decode('utf-8', 'replace')}"
        if stat.S_ISDIR(mode):
            _walk(repo, sha, f"{path}/", files)
        elif stat.S_ISREG(mode) and path.endswith((".yaml", ".yml")):
            files[path] = sha.decode()
