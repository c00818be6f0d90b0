"""The state folder: who this endpoint is, what it applied, its lock and its backups.

    identity.json   server, endpoint, tokens, the Git credential, which crontab (0600)
    memory.json     what the last pass knew: entries by path, the block as written, migrated lines
    jobs/ bin/ runner.json spool/   for the runner
    backups/        the last crontabs before each of our writes
    repo/           objects of the tenant's repository

The folder is 0700, files are 0600, every write is atomic: a reader sees the old file or the new one.
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
    """Replace ``path`` by ``data`` at once, durable before it is visible."""
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
    """This machine as the control plane knows it."""

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
    """What became of one manifest on this host.

    ``standing`` is installed, elsewhere (its selector means other hosts), blocked (this host cannot) or broken (the
    file has errors). ``lines`` are the last good ones, and stay when the file breaks.
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


@dataclass
class Memory:
    """What the last pass knew. Losing it costs one full pass, never an entry."""

    applied: str = ""
    fingerprint: str = ""
    block: str | None = None
    had_crontab: bool | None = None
    policy_blob: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    migrated: dict[str, str] = field(default_factory=dict)
    policy: str = ""


def default_folder() -> Path:
    """Where the state lives when nobody says: /var/lib/crontopus for root, else ~/.crontopus."""
    given = os.environ.get("CRONTOPUS_AGENT_STATE")
    if given:
        return Path(given)
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

    def create(self) -> None:
        """Make the folder and its parts, closed to others. Can be repeated."""
        for folder in (self.folder, self.jobs, self.runner.parent, self.spool, self.backups):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    @property
    def enrolled(self) -> bool:
        return self._identity.exists()

    def identity(self) -> Identity:
        try:
            return Identity(**json.loads(self._identity.read_bytes()))
        except FileNotFoundError:
            raise Refused(
                f"This machine is not enrolled ({self.folder}): crontopus-agent enroll --url … --token …"
            ) from None
        except (ValueError, TypeError) as problem:
            raise Refused(f"{self._identity} is damaged ({problem}): enroll again") from problem

    def save_identity(self, identity: Identity) -> None:
        write_atomic(self._identity, json.dumps(asdict(identity), indent=1).encode())

    def memory(self) -> Memory:
        """What the last pass left; a damaged file counts as none."""
        try:
            raw = json.loads(self._memory.read_bytes())
            known = {f.name for f in fields(Entry)}
            raw["entries"] = {
                path: Entry(**{name: value for name, value in entry.items() if name in known})
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
        """Only one pass or verb at a time works on this folder; waits for the other."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def remove(self) -> None:
        """Take away everything that ``create`` and the passes made; a folder with foreign files in it stays."""
        for part in (self.jobs, self.runner.parent, self.spool, self.backups, self.repo):
            shutil.rmtree(part, ignore_errors=True)
        for name in ("identity.json", "memory.json", "runner.json", "lock"):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def keep_backup(folder: Path, data: bytes, stamp: str) -> Path:
    """Keep ``data`` as the newest of at most twenty backups."""
    known = backups(folder)
    number = int(known[-1].name.split("-")[0]) + 1 if known else 1
    path = folder / f"{number:06d}-{stamp}.crontab"
    write_atomic(path, data)
    for old in backups(folder)[:-BACKUPS]:
        old.unlink()
    return path


def backups(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("[0-9]*.crontab"))
