"""Bare repositories on disk: made, opened, locked, removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dulwich.objects import Commit, ObjectID, Tag
from dulwich.refs import Ref
from dulwich.repo import Repo

from crontopus_app.git.embedded.refused import Refused

LOCK = "crontopus.lock"
# As many loose objects in one of 256 folders as Git's own automatic packing waits for (gc.auto = 6700).
LOOSE_FOLDER, LOOSE_LIMIT = "17", 27


class Repositories:
    """``<root>/<owner>/<name>.git``, in lower case. Names are checked where accounts and repositories are made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, owner: str, name: str) -> Path:
        return self.root / owner.lower() / f"{name.lower()}.git"

    def create(self, owner: str, name: str, branch: str) -> None:
        """An empty bare repository, in place whole or not at all. One left from an earlier crash is replaced."""
        path = self.path(owner, name)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=".new-"))
        with Repo.init_bare(fresh) as repo:
            repo.refs.set_symbolic_ref(Ref(b"HEAD"), Ref(b"refs/heads/" + branch.encode()))
            config = repo.get_config()
            config.set(b"core", b"fsyncObjectFiles", True)
            config.set(b"gc", b"auto", b"0")
            config.write_to_path()
        (fresh / LOCK).touch()
        if path.exists():
            shutil.rmtree(path)
        fresh.rename(path)

    def delete(self, owner: str, name: str) -> None:
        shutil.rmtree(self.path(owner, name), ignore_errors=True)

    def size(self, owner: str, name: str) -> int:
        """Bytes of the repository's files; what a push removes meanwhile counts as nothing."""
        total = 0
        for folder, _, files in os.walk(self.path(owner, name)):
            for file in files:
                with suppress(FileNotFoundError):
                    total += Path(folder, file).stat().st_size
        return total

    @contextmanager
    def open(self, owner: str, name: str) -> Iterator[Repo]:
        with Repo(str(self.path(owner, name))) as repo:
            yield repo

    @contextmanager
    def writing(self, owner: str, name: str) -> Iterator[Repo]:
        """The repository for one writer at a time, over all threads and processes of this machine."""
        path = self.path(owner, name)
        with open(path / LOCK, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _drop_stale_locks(path)
            with Repo(str(path)) as repo:
                yield repo
                _pack_sometimes(path, repo)


def _drop_stale_locks(path: Path) -> None:
    """A writer that was killed leaves ``main.lock`` behind; whoever holds our lock knows that nobody uses it."""
    for stale in (path / "refs").rglob("*.lock"):
        with suppress(FileNotFoundError):
            stale.unlink()


def _pack_sometimes(path: Path, repo: Repo) -> None:
    folder = path / "objects" / LOOSE_FOLDER
    if folder.is_dir() and len(os.listdir(folder)) > LOOSE_LIMIT:
        repo.object_store.pack_loose_objects()


def branch_ref(branch: str) -> Ref:
    return Ref(b"refs/heads/" + branch.encode())


def branch_head(repo: Repo, branch: str) -> ObjectID | None:
    """The commit of a branch; None when there is no such branch."""
    try:
        return repo.refs[branch_ref(branch)]
    except KeyError:
        return None


def is_empty(repo: Repo) -> bool:
    return not repo.refs.keys(Ref(b"refs/heads/"))


def resolve(repo: Repo, ref: str) -> Commit:
    """The commit that a branch, tag or full commit sha names; raises KeyError for anything else."""
    for name in (b"refs/heads/" + ref.encode(), b"refs/tags/" + ref.encode(), ref.encode()):
        with suppress(KeyError):
            return _commit(repo, repo.refs[Ref(name)])
    if len(ref) == 40 and all(character in "0123456789abcdef" for character in ref):
        return _commit(repo, ObjectID(ref.encode()))
    raise KeyError(ref)


def _commit(repo: Repo, sha: ObjectID) -> Commit:
    found = repo.object_store[sha]
    while isinstance(found, Tag):
        found = repo.object_store[found.object[1]]
    if not isinstance(found, Commit):
        raise KeyError(sha)
    return found


def must_resolve(repo: Repo, ref: str, status: int = 404) -> Commit:
    try:
        return resolve(repo, ref)
    except KeyError:
        raise Refused(status, f"object does not exist [id: {ref}]") from None
