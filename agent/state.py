"""The state folder: the endpoint's identity, the applied state, the lock and the backups.

    identity.json   server, endpoint, tokens, Git credential, crontab (0600)
    memory.json     state of the last pass: entries by path, the block as written, migrated lines
    jobs/ bin/ runner.json spool/   files of the runner
    backups/        the crontabs before the agent's last writes
    repo/           objects of the tenant's repository

The folder has mode 0700, its files 0600. Every write is atomic: a reader sees the old file or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from agent.errors import Refused

BACKUPS = 20


def write_atomic(path: Path, data: bytes, mode: int = 0o600, *, sync: bool = True) -> None:
    """Replaces ``path`` atomically. With ``sync``, the data is on disk before the new file is visible."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


@dataclass(frozen=True)
class Identity:
    """The endpoint's identity and credentials. ``revoked``: why the server rejects the token, empty if it does not."""

    url: str
    endpoint_id: str
    token: str
    tenant: str
    name: str
    machine_id: str
    git_url: str
    git_branch: str
    git_username: str
    git_token: str
    crontab: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    revoked: str = ""


@dataclass
class Entry:
    """The state of one manifest on this host.

    ``standing``: installed, elsewhere (the selector does not match this host), blocked (this host cannot run the job)
    or broken (the file has errors). ``lines``: the last valid crontab lines, which stay if the file gets errors.
    ``twin``: another file claims the same identity. ``refresh_at``: when the gate needs new slots, in epoch seconds.
    ``schedule``: the expressions without ``H`` of ``lines``, in ``zone``; empty if the runs send no check-ins.
    """

    path: str
    blob: str
    job_id: str
    title: str
    standing: str
    commit: str = ""
    lines: list[str] = field(default_factory=list)
    paused: bool = False
    line_hash: str = ""
    problem: str = ""
    twin: bool = False
    refresh_at: float | None = None
    schedule: list[str] = field(default_factory=list)
    zone: str = ""


@dataclass
class Memory:
    """The state of the last pass. If it is lost, the next pass reads everything again, and no entry is removed."""

    applied: str = ""
    fingerprint: str = ""
    block: str | None = None
    had_crontab: bool | None = None
    policy_blob: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    migrated: dict[str, str] = field(default_factory=dict)
    policy: str = ""


def default_folder() -> Path:
    """``$CRONTOPUS_AGENT_STATE``, else /var/lib/crontopus for root, ~/.crontopus for other users."""
    configured = os.environ.get("CRONTOPUS_AGENT_STATE")
    if configured:
        return Path(configured)
    return Path("/var/lib/crontopus") if os.geteuid() == 0 else Path.home() / ".crontopus"


class State:
    """One state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).absolute()
        self.jobs = self.folder / "jobs"
        self.runner = self.folder / "bin" / "run-job"
        self.runner_cache = self.folder / "bin" / "run-job.cache"
        self.spool = self.folder / "spool"
        self.backups = self.folder / "backups"
        self.repo = self.folder / "repo"
        self._identity = self.folder / "identity.json"
        self._memory = self.folder / "memory.json"

    def create(self) -> bool:
        """Creates the folder and its subfolders with mode 0700, unless they exist. Whether any was missing."""
        folders = (self.folder, self.jobs, self.runner.parent, self.spool, self.backups)
        missing = [folder for folder in folders if not folder.is_dir()]
        for folder in missing:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        return bool(missing)

    @property
    def enrolled(self) -> bool:
        return self._identity.exists()

    def identity(self) -> Identity:
        try:
            return Identity(**json.loads(self._identity.read_bytes()))
        except FileNotFoundError:
            raise Refused(
                f"This machine is not enrolled (no identity in {self.folder}). "
                "Run 'crontopus-agent enroll --url … --token …'."
            ) from None
        except (ValueError, TypeError) as problem:
            raise Refused(f"{self._identity} is damaged ({problem}). Run 'crontopus-agent enroll' again.") from problem

    def save_identity(self, identity: Identity) -> None:
        write_atomic(self._identity, json.dumps(asdict(identity), indent=1).encode())

    def memory(self) -> Memory:
        """The saved state of the last pass; an empty one if the file is missing or damaged."""
        try:
            raw = json.loads(self._memory.read_bytes())
            names = {f.name for f in fields(Entry)}
            raw["entries"] = {
                path: Entry(**{name: value for name, value in entry.items() if name in names})
                for path, entry in raw["entries"].items()
            }
            return Memory(**raw)
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return Memory()

    def save_memory(self, memory: Memory) -> None:
        raw = dict(memory.__dict__)
        raw["entries"] = {path: entry.__dict__ for path, entry in memory.entries.items()}
        write_atomic(self._memory, json.dumps(raw, separators=(",", ":")).encode())

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder's lock: only one pass or command at a time may change it. Waits for the lock."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def remove(self) -> None:
        """Deletes the agent's files, and the folder if it has no others."""
        for part in (self.jobs, self.runner.parent, self.spool, self.backups, self.repo):
            shutil.rmtree(part, ignore_errors=True)
        for name in ("identity.json", "memory.json", "runner.json", "lock"):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def keep_backup(folder: Path, data: bytes, stamp: str) -> Path:
    """Saves ``data`` as the newest of at most twenty backups."""
    existing = backups(folder)
    number = int(existing[-1].name.split("-")[0]) + 1 if existing else 1
    path = folder / f"{number:06d}-{stamp}.crontab"
    write_atomic(path, data)
    for old in backups(folder)[:-BACKUPS]:
        old.unlink()
    return path


def backups(folder: Path) -> list[Path]:
    """The backups, oldest first."""
    return sorted(folder.glob("[0-9]*.crontab"))
