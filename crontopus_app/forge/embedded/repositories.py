"""Bare repositories on disk: made, opened, locked, removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dulwich.objects import ObjectID, valid_hexsha
from dulwich.refs import Ref
from dulwich.repo import Repo

from crontopus_app.forge.embedded import incoming, reading
from crontopus_app.forge.embedded.reading import CommitRead
from crontopus_app.forge.embedded.refused import Refused

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
        for killed in path.parent.glob(".new-*"):  # callers hold the store's write lock: nobody else is at work here
            shutil.rmtree(killed)
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
        with self.locked(owner, name) as path, Repo(str(path)) as repo:
            yield repo
            _pack_sometimes(path, repo)

    @contextmanager
    def locked(self, owner: str, name: str) -> Iterator[Path]:
        """Its folder, for one writer at a time; what a killed one left is cleared."""
        path = self.path(owner, name)
        with open(path / LOCK, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _clear_leftovers(path)
            yield path


def _clear_leftovers(path: Path) -> None:
    """Removes what a killed writer left behind: lock files, half-written packs, pushes.

    Only for the holder of the repository's lock, under which all else is written: nobody uses them.
    """
    for folder, inner, files in os.walk(path):
        for name in [name for name in inner if name.startswith(incoming.PREFIX)]:
            inner.remove(name)
            if incoming.is_abandoned(Path(folder, name)):
                shutil.rmtree(Path(folder, name), ignore_errors=True)
        for name in files:
            if name != LOCK and _is_leftover(name):
                with suppress(FileNotFoundError):
                    Path(folder, name).unlink()


def _is_leftover(name: str) -> bool:
    """Git's and dulwich's temporary names; a finished pack is called ``pack-<sha>``."""
    return name.endswith(".lock") or name.startswith("tmp_") or (name.startswith("tmp") and name.endswith(".pack"))


def _pack_sometimes(path: Path, repo: Repo) -> None:
    folder = path / "objects" / LOOSE_FOLDER
    if folder.is_dir() and len(os.listdir(folder)) > LOOSE_LIMIT:
        repo.object_store.pack_loose_objects()


def branch_ref(branch: str) -> Ref:
    return Ref(b"refs/heads/" + branch.encode("utf-8", "replace"))


def branch_head(repo: Repo, branch: str) -> ObjectID | None:
    """The commit of a branch; None when there is no such branch."""
    try:
        sha = repo.refs[branch_ref(branch)]
    except (KeyError, ValueError):
        return None
    return sha if valid_hexsha(sha) else None


def is_empty(repo: Repo) -> bool:
    return not repo.refs.keys(Ref(b"refs/heads/"))


def resolve(repo: Repo, ref: str) -> CommitRead:
    """The commit that a branch, tag or full commit sha names; raises KeyError for anything else."""
    raw = ref.encode("utf-8", "replace")
    for name in (b"refs/heads/" + raw, b"refs/tags/" + raw, raw):
        try:
            sha = repo.refs[Ref(name)]
        except (KeyError, ValueError):
            continue
        return reading.commit(repo.object_store, sha)
    if valid_hexsha(raw) and reading.kind_of(repo.object_store, raw) is not None:
        return reading.commit(repo.object_store, raw)
    raise KeyError(ref)


def must_resolve(repo: Repo, ref: str, status: int = 404) -> CommitRead:
    try:
        return resolve(repo, ref)
    except KeyError:
        raise Refused(status, f"object does not exist [id: {ref}]") from None
