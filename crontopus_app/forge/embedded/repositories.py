"""Bare repositories on disk: create, open, lock, delete."""

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
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.reading import CommitRead

LOCK = "crontopus.lock"
# Loose objects in one of 256 folders above which objects are packed; the limit of Git (gc.auto = 6700).
LOOSE_FOLDER, LOOSE_LIMIT = "17", 27


class Repositories:
    """Repositories at ``<root>/<owner>/<name>.git``, in lower case. Names are validated when they are created."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, owner: str, name: str) -> Path:
        return self.root / owner.lower() / f"{name.lower()}.git"

    def create(self, owner: str, name: str, branch: str) -> None:
        """Creates an empty bare repository atomically. Replaces one left by an earlier crash."""
        path = self.path(owner, name)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        for leftover in path.parent.glob(".new-*"):  # callers hold the store's write lock, so no other process is here
            shutil.rmtree(leftover)
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
        """The size of the repository's files in bytes. Files that a push deletes meanwhile are not counted."""
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
        """Opens the repository for one writer at a time among all threads and processes of this machine."""
        with self.locked(owner, name) as path, Repo(str(path)) as repo:
            yield repo
            _pack_if_needed(path, repo)

    @contextmanager
    def locked(self, owner: str, name: str) -> Iterator[Path]:
        """Locks the repository and yields its folder. Removes what a killed writer left."""
        path = self.path(owner, name)
        with open(path / LOCK, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _clear_leftovers(path)
            yield path


def _clear_leftovers(path: Path) -> None:
    """Removes what a killed writer left: lock files, incomplete packs, quarantined pushes.

    Call with the repository locked. All writes happen under that lock, so these files are unused.
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
    """Whether Git or dulwich uses the name for temporary files. A finished pack is called ``pack-<sha>``."""
    return name.endswith(".lock") or name.startswith("tmp_") or (name.startswith("tmp") and name.endswith(".pack"))


def _pack_if_needed(path: Path, repo: Repo) -> None:
    folder = path / "objects" / LOOSE_FOLDER
    if folder.is_dir() and len(os.listdir(folder)) > LOOSE_LIMIT:
        repo.object_store.pack_loose_objects()


def branch_ref(branch: str) -> Ref:
    return Ref(b"refs/heads/" + branch.encode("utf-8", "replace"))


def branch_head(repo: Repo, branch: str) -> ObjectID | None:
    """The commit of a branch; None without such a branch."""
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
        raise HttpError(status, f"object does not exist [id: {ref}]") from None
