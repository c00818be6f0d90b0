"""Objects of a push, kept apart from the repository's until they are checked, as Git's own quarantine does."""

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
    """A store below the repository's ``objects``, through which those can be read too; removed at the end.

    Make it with the repository locked. The lock may be given back then: ``is_abandoned`` tells what a living push
    still uses from what a killed one left.
    """

    def __init__(self, repo: Repo) -> None:
        objects = Path(repo.object_store.path)
        self._folder = Path(tempfile.mkdtemp(dir=objects, prefix=PREFIX))
        self._alive = open(self._folder / ALIVE, "w")  # noqa: SIM115 -- held until the end of the push
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        self._kept = objects / "pack"
        (self._folder / "pack").mkdir()
        self.store = DiskObjectStore(self._folder, alternates=[objects], fsync_object_files=True)
        self.here = DiskObjectStore(objects)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.store.close()
        self.here.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._alive.close()

    def keep(self) -> None:
        """Moves the objects into the repository. Call with the repository locked."""
        for index in (self._folder / "pack").glob("*.idx"):
            if not (self._kept / index.name).exists():  # else the same objects are there, under the same name
                os.replace(index.with_suffix(".pack"), self._kept / f"{index.stem}.pack")
                os.replace(index, self._kept / index.name)


def is_abandoned(folder: Path) -> bool:
    """Whether the push that made the folder has ended: the kernel dropped its lock then."""
    try:
        with open(folder / ALIVE) as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True
