"""The tenant's repository as the agent reads it: the branch's head and the manifests at it, over Git's smart HTTP.

dulwich only, so no git is needed on the host. The fetch is shallow and bounded; the credential comes from the 0600
identity and travels in a header. Whatever goes wrong is ``FetchFailed``: an unreadable repository never looks like an
empty one.
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
class Access:
    """Where the repository is, and a credential that can only read it."""

    url: str
    branch: str
    username: str
    token: str


@dataclass(frozen=True)
class Snapshot:
    """The manifests at one commit: path → blob sha; ``read`` gives a blob's bytes."""

    head: str
    files: dict[str, str]
    read: Callable[[str], bytes]


class Source:
    """Objects are kept in ``folder``, so that the next fetch brings only what is new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(self, access: Access) -> Snapshot:
        """The branch's head now. Damaged local objects are thrown away and fetched again, once."""
        try:
            return self._bounded(access)
        except FetchFailed:
            if not self.folder.exists():
                raise
            shutil.rmtree(self.folder, ignore_errors=True)
            return self._bounded(access)

    def head(self, access: Access) -> str:
        """The branch's head as the server tells it; nothing is fetched."""

        def ask() -> str:
            with _client(access) as client:
                return _head(client, access)

        return _within(ask)

    def messages_since(self, access: Access, applied: str, head: str) -> list[str]:
        """Messages of the commits after ``applied`` up to ``head``, newest first, at most 200."""

        def messages() -> list[str]:
            repo = MemoryRepo()
            _fetch_into(repo, access, HISTORY)
            found: list[str] = []
            for step in repo.get_walker(include=[head.encode()], max_entries=HISTORY):  # pyright: ignore[reportArgumentType] -- newer dulwich has a type of its own for ids
                if step.commit.id.decode() == applied:
                    break
                found.append(step.commit.message.decode("utf-8", "replace"))
            return found

        return _within(messages)

    def _bounded(self, access: Access) -> Snapshot:
        return _within(lambda: self._fetch(access))

    def _fetch(self, access: Access) -> Snapshot:
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
        """Many blobs with the repository opened once."""
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


def _within(work: Callable[[], Any]) -> Any:
    """Do ``work`` within the bound, whatever the network does; every failure is FetchFailed."""
    box: dict[str, Any] = {}

    def run() -> None:
        try:
            box["value"] = work()
        except Exception as problem:  # noqa: BLE001, RUF100 -- dulwich, urllib3 and zlib each raise their own; carried to the caller
            box["problem"] = problem

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(FETCH_SECONDS)
    if "value" in box:
        return box["value"]
    if "problem" not in box:
        raise FetchFailed(f"the repository did not answer within {FETCH_SECONDS} s")
    problem = box["problem"]
    if isinstance(problem, FetchFailed):
        raise problem
    raise FetchFailed(f"the repository could not be read: {type(problem).__name__}: {problem}") from problem


def _fetch_into(repo: Any, access: Access, depth: int) -> bytes:
    """Fetch the branch's head with ``depth`` commits; its sha."""
    ref = _ref(access)

    def wants(refs: Any, depth: int | None = None) -> list[Any]:  # noqa: ARG001 -- dulwich passes it by name
        return [refs[ref]] if ref in refs and not _complete(repo, refs[ref]) else []

    with _client(access) as client:
        result: Any = client.fetch(urlsplit(access.url).path, repo, determine_wants=wants, depth=depth)
    return _known(result.refs.get(ref), access)


@contextmanager
def _client(access: Access) -> Iterator[HttpGitClient]:
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
    """Around any proxy to our own machine; None: dulwich looks for one in the environment."""
    headers = {"User-Agent": default_user_agent_string()}
    return PoolManager(headers=headers, timeout=FETCH_SECONDS) if is_loopback(url) else None


def _remembered(manager: Any) -> list[Any]:
    """Every answer that the manager gives: dulwich leaves those it refuses open."""
    answers: list[Any] = []
    ask = manager.request

    def request(*args: Any, **options: Any) -> Any:
        answers.append(ask(*args, **options))
        return answers[-1]

    manager.request = request
    return answers


def _ref(access: Access) -> bytes:
    return b"refs/heads/" + access.branch.encode()


def _head(client: HttpGitClient, access: Access) -> str:
    answer: Any = client.get_refs(urlsplit(access.url).path.encode())
    return _known(getattr(answer, "refs", answer).get(_ref(access)), access).decode()


def _known(head: bytes | None, access: Access) -> bytes:
    if head is None:
        raise FetchFailed(f"the repository has no branch {access.branch}")
    return head


def _complete(repo: Any, sha: bytes) -> bool:
    """Every manifest at this commit is here: nothing needs to be asked for."""
    return sha in repo.object_store and isinstance(repo, Repo)


def _manifests(repo: Any, head: bytes) -> dict[str, str]:
    commit = repo[head]
    if not isinstance(commit, Commit):
        raise FetchFailed(f"the branch does not point at a commit but at {type(commit).__name__}")
    files: dict[str, str] = {}
    _walk(repo, commit.tree, "", files)
    if not files and not len(repo[commit.tree]):
        raise FetchFailed("the repository is empty")
    return files


def _walk(repo: Any, tree: bytes, folder: str, files: dict[str, str]) -> None:
    node = repo[tree]
    if not isinstance(node, Tree):
        raise FetchFailed(f"{folder or '/'} is not a folder in Git")
    for name, mode, sha in node.items():
        path = f"{folder}{name.decode('utf-8', 'replace')}"
        if stat.S_ISDIR(mode):
            _walk(repo, sha, f"{path}/", files)
        elif stat.S_ISREG(mode) and path.endswith((".yaml", ".yml")):
            files[path] = sha.decode()
