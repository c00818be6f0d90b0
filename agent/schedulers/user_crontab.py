"""The crontab of the agent's user, read and written with crontab(1), which every cron provides.

``crontab -l`` does not always print the file's bytes (see ``crontab_banner``). ``read`` returns only bytes that are
proved to be the file's: the spool file if the agent may read it, the listing if no other file has the same listing,
else the copy that ``crontab -e`` gives to its editor.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from agent.errors import Rejected, SchedulerFailed, Unproved
from agent.host import user_name
from agent.schedulers import crontab_banner, crontab_install
from agent.schedulers.base import CHANGED_MEANWHILE

SPOOLS = ("/var/spool/cron/crontabs", "/var/spool/cron", "/var/spool/cron/tabs", "/etc/crontabs")
_SECONDS = 20
# Another crontab(1) that began before this time has ended, or waits for its input.
_QUIET_SECONDS, _MOST_QUIET_SECONDS = 0.03, 1.0
# An editor that copies the file and changes nothing. crontab(1) appends the file's name, which becomes $0.
_COPYING_EDITOR = """sh -c 'cat "$0" > "$CRONTOPUS_COPY"'"""
_NO_FILE = rb"can't open ('?[^\n]*'?: no such file or directory|your crontab file\.?)"

Answer = TypeVar("Answer")


class UserCrontab:
    name = "crontab"

    def __init__(self, program: str = "crontab", spools: Sequence[str] = SPOOLS) -> None:
        """``spools``: folders where cron may keep the file, for who can look there."""
        self._spools = spools
        self._program = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin") or ""
        self.user = user_name(os.getuid())
        self._banner = b""
        self._adds_banner: bool | None = None
        self._proved: Hashable = None

    @property
    def path(self) -> Path | None:
        files = (Path(folder) / self.user for folder in self._spools)
        return next((file for file in files if _visible(file)), None)

    def read(self) -> bytes | None:
        """The crontab without crontab(1)'s banner, or None if crontab(1) says that there is none.

        Raises ``Unproved`` if the file's bytes cannot be known.
        """
        data = self._file()
        self._banner, rest = crontab_banner.split(data or b"")
        return None if data is None else rest

    def write(self, data: bytes, before: bytes | None = None) -> None:
        """Installs ``data``. A banner stays on top once, whether this crontab(1) adds it or not."""
        banner = b"" if not self._banner or self._is_banner_added() else self._banner
        self._install(banner + data, lambda: before is None or self._is_still(before))
        if not banner:
            return
        if crontab_banner.split(self._file() or b"")[1] == banner + data:
            self._adds_banner = True
            self._install(data, lambda: True)

    def _is_still(self, before: bytes) -> bool:
        """Whether the crontab is still ``before``, and no other crontab(1) is at work in the spool folder."""
        deadline = time.monotonic() + _MOST_QUIET_SECONDS
        while time.time() - max(self._folders()) / 1e9 < _QUIET_SECONDS and time.monotonic() < deadline:
            time.sleep(_QUIET_SECONDS / 5)
        folders = self._folders()
        return (self.read() or b"") == before and folders == self._folders()

    def _folders(self) -> tuple[int, ...]:
        """When each spool folder was changed last; 0 for one that cannot be seen. crontab(1) makes files in it."""
        return (0, *(_changed_at(folder) for folder in self._spools))

    def clear(self) -> None:
        if self._listing() is not None:
            self._run("-r")

    def mark(self) -> Hashable:
        """Time, size and inode of the file if it is visible (root), else the time of the spool folder's last change."""
        path = self.path
        return _state(path) if path else self._folders()

    # -- what the file holds --------------------------------------------------------------------------

    def _file(self) -> bytes | None:
        """The whole file with its banner, or None if there is none."""
        path = self.path
        before = _state(path) if path else None
        stored = _bytes(path) if path else None
        if stored is not None and before is not None and before == self._proved:
            return stored
        listing = self._listing()
        if listing is not None and stored is not None and listing in (stored, crontab_banner.printed(stored)):
            self._proved = before
            return stored
        return self._copy(listing) if listing and crontab_banner.ambiguous(listing) else listing

    def _listing(self) -> bytes | None:
        answer = self._run("-l", CRONTAB_NOHEADER="N")
        if answer.returncode == 0:
            return answer.stdout
        message = answer.stderr.strip() or answer.stdout.strip()
        if _says_none(answer.returncode, message, self.user):
            return None
        raise SchedulerFailed(
            f"crontab -l failed with exit code {answer.returncode}: {message.decode('utf-8', 'replace')}"
        )

    def _copy(self, listing: bytes) -> bytes:
        """The file as ``crontab -e`` shows it to the editor, with the comments on top that Debian hides from it."""
        copy = self._edited()
        top = crontab_banner.top_comments(listing)
        for whole in (copy, top + copy):
            if listing in (whole, crontab_banner.printed(whole)):
                _check_top(top if whole != copy else b"")
                return whole
        raise Unproved(
            "crontab -l and crontab -e show different crontabs, so nothing is written: see whether another program "
            "changes the crontab at this moment; the next pass tries again"
        )

    def _edited(self) -> bytes:
        with tempfile.TemporaryDirectory(prefix="crontopus-") as folder:
            target = Path(folder) / "copy"
            answer = self._run("-e", EDITOR=_COPYING_EDITOR, VISUAL=_COPYING_EDITOR, CRONTOPUS_COPY=str(target))
            if answer.returncode != 0 or not target.exists():
                message = answer.stderr.decode("utf-8", "replace").strip()
                raise Unproved(
                    "crontab -l prints \\r and \\b for these characters and for the words alike, and crontab -e cannot "
                    f"tell them apart here ({message}): the crontab is not changed. Mend crontab -e, or take the "
                    "backslashes before r and b out of the crontab"
                )
            return target.read_bytes()

    def _is_banner_added(self) -> bool:
        """Whether crontab(1) puts its banner on each crontab: Debian's does, and its listing hides it."""
        if self._adds_banner is None:
            hidden = crontab_banner.split(self._run("-l").stdout)[0] == b""
            self._adds_banner = True if hidden else None
        return self._adds_banner is True

    # -- crontab(1) -----------------------------------------------------------------------------------

    def _install(self, data: bytes, unchanged: Callable[[], bool]) -> None:
        answer = None
        if crontab_install.is_compiled(self._program):
            answer = self._guarded(lambda: crontab_install.install(self._program, data, _environment({}), unchanged))
        elif not unchanged():
            raise SchedulerFailed(CHANGED_MEANWHILE)
        if answer is None or answer.returncode != 0:
            answer = self._install_file(data)
        if answer.returncode != 0:
            message = answer.stderr.decode("utf-8", "replace").strip()
            raise Rejected(f"crontab(1) rejected the new crontab: {message}")

    def _install_file(self, data: bytes) -> subprocess.CompletedProcess[bytes]:
        with tempfile.NamedTemporaryFile(prefix="crontopus-") as file:
            file.write(data)
            file.flush()
            return self._run(file.name)

    def _run(self, argument: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
        if not self._program:
            raise SchedulerFailed("this host has no crontab program: install cron, then restart the agent")
        words, environment = [self._program, argument], _environment(variables)
        return self._guarded(
            lambda: subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=_SECONDS, check=False
            )
        )

    def _guarded(self, run: Callable[[], Answer]) -> Answer:
        try:
            return run()
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise SchedulerFailed(f"crontab(1) cannot be run: {problem}") from problem


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "CRONTAB_NOHEADER"}
    return {**inherited, "LC_ALL": "C", **variables}


def _says_none(code: int, message: bytes, user: str) -> bool:
    """Whether crontab(1) says that there is no crontab. bcron has an exit code of its own for it."""
    if code == 111:
        return message.lower().rstrip(b".") in (b"crontab does not exist", b"crontab: crontab does not exist")
    no_crontab = rb"no crontab for (\S+|" + re.escape(user.encode()) + rb")"
    return code == 1 and bool(re.match(rb"(?i)^(crontab: )?(" + no_crontab + b"|" + _NO_FILE + rb")$", message))


def _check_top(comments: bytes) -> None:
    """Raises ``Unproved`` if comments that only the listing shows may stand for other bytes."""
    if crontab_banner.ambiguous(comments) and not crontab_banner.split(comments)[0]:
        raise Unproved(
            "the comments on top of the crontab contain \\r or \\b, and crontab(1) does not show whether these are "
            "characters or words: the crontab is not changed. Write them again without: "
            "CRONTAB_NOHEADER=N crontab -l > FILE, edit FILE, crontab FILE"
        )


def _visible(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:
        return False


def _bytes(file: Path) -> bytes | None:
    """The file's contents, None if it is not readable."""
    try:
        return file.read_bytes()
    except OSError:
        return None


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _changed_at(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0
