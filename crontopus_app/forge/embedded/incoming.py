"""A quarantine for pushed objects: they enter the repository only after they are checked, as in Git."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from dulwich.object_store import DiskObjectStore
from dulwich.repo import Repo

PREFIX = "incoming-"
ALIVE = "alive"


class Incoming:
    """A temporary object store in the repository's ``objects`` folder, with the repository as its alternate.

    Create it with the repository locked; the lock may be released afterwards. ``is_abandoned`` distinguishes the folder
    of a running push from that of a killed one.
    """

    def __init__(self, repo: Repo) -> None:
        objects = Path(repo.object_store.path)
        self._folder = Path(tempfile.mkdtemp(dir=objects, prefix=PREFIX))
        self._alive = open(self._folder / ALIVE, "w")  # noqa: SIM115 -- held until the end of the push
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        self._packs = objects / "pack"
        (self._folder / "pack").mkdir()
        self.store = DiskObjectStore(self._folder, alternates=[objects], fsync_object_files=True)
        self.existing = DiskObjectStore(objects)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.store.close()
        self.existing.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._alive.close()

    def keep(self) -> None:
        """Moves the objects into the repository. Call with the repository locked."""
        for index in (self._folder / "pack").glob("*.idx"):
            if not (self._packs / index.name).exists():  # a pack's name depends only on its objects
                os.replace(index.with_suffix(".pack"), self._packs / f"{index.stem}.pack")
                os.replace(index, self._packs / index.name)


def is_abandoned(folder: Path) -> bool:
    """Whether the push that created the folder has ended. The kernel releases its lock then."""
    try:
        with open(folder / ALIVE) as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True
