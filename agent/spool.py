"""The daemon's side of the spool: sends waiting check-ins in order and limits the folder's size.

The runner writes each check-in as ``<number>-<id>.json`` and deletes it when the server has accepted it. This module
sends the files that are left. A file is deleted only after the server's answer, so an interrupted replay is repeated;
the server recognises a repeated check-in by its id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

from agent.answers import BAD_TOKEN, INVALID, Answer
from agent.errors import Revoked, ServerAway
from agent.state import write_atomic

LIMIT = 64 << 20
BATCH, BATCH_BYTES = 500, 8 << 20
REFUSED_KEPT = 200
ABANDONED_S = 3600.0
STUCK_S = 10.0
# Statuses of firewalls and proxies that object to a request because of its size or its text.
OBJECTIONS = (403, 406, 413)

# Sends the body of a batch. Returns any answer, also another server's. Raises ServerAway.
Post = Callable[[bytes], Answer]


def waiting(folder: Path) -> list[Path]:
    """The waiting check-ins, oldest first. Files that are still being written have other names."""
    return sorted(path for path in folder.glob("[0-9]*.json") if path.is_file())


def stuck(folder: Path, now: float) -> int:
    """How many check-ins have waited longer than STUCK_S, so that their runner could not send them.

    ``now`` is in epoch seconds.
    """
    count = 0
    for path in waiting(folder):
        with suppress(OSError):  # sent meanwhile
            count += path.stat().st_mtime < now - STUCK_S
    return count


def replay(folder: Path, post: Post, limit: int = LIMIT) -> int:
    """Sends the waiting check-ins, oldest first. Returns how many the server accepted.

    Raises ``ServerAway`` at the first batch without an answer, and ``Revoked`` for a revoked token; the rest waits.
    """
    sweep(folder)
    bound(folder, limit)
    return sum(_deliver(folder, batch, post) for batch in _batches(folder))


def _batches(folder: Path) -> Iterator[list[tuple[Path, bytes]]]:
    batch: list[tuple[Path, bytes]] = []
    size = 0
    for path in waiting(folder):
        data = _read(path)
        if data is None:
            continue
        if batch and (len(batch) == BATCH or size + len(data) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((path, data))
        size += len(data)
    if batch:
        yield batch


def _read(path: Path) -> bytes | None:
    """The bytes of a check-in; None if the runner has just sent it. Moves a damaged file to ``refused``."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if _body(data) is None:
        refuse(path)
        return None
    return data


def _body(data: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(data)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _deliver(folder: Path, batch: list[tuple[Path, bytes]], post: Post) -> int:
    """Sends one batch. If it is refused as a whole, sends each half, down to the single check-in that is the reason.

    Only the control plane can refuse a check-in. One to which a proxy objects is sent without its output, which says
    that the run has ended; if the proxy objects to that too, the server is away.
    """
    answer = post(b"[%s]" % b",".join(data for _, data in batch))
    if answer.genuine and answer.status == 200:
        return _settle(batch, answer)
    if answer.genuine and answer.code == BAD_TOKEN:
        raise Revoked(answer.detail)
    invalid = answer.genuine and answer.code in INVALID
    if not invalid and (answer.genuine or answer.status not in OBJECTIONS):
        raise ServerAway(f"the check-ins were not accepted: {answer}")
    if len(batch) > 1:
        half = len(batch) // 2
        return _deliver(folder, batch[:half], post) + _deliver(folder, batch[half:], post)
    ((path, data),) = batch
    if invalid:
        refuse(path)
        return 0
    shorter = _without_output(data)
    if shorter is None:
        raise ServerAway(f"the check-ins were not accepted: {answer}")
    return _deliver(folder, [(path, shorter)], post)


def _settle(batch: list[tuple[Path, bytes]], answer: Answer) -> int:
    """Deletes the accepted check-ins and puts the refused ones aside. Returns how many were accepted."""
    try:
        states = [str(each["state"]) for each in answer.json()]
        runs = [each["run_id"] for each in answer.json()]
    except (TypeError, KeyError) as problem:
        raise ServerAway("the answer to the check-ins does not have the control plane's form") from problem
    if runs != [(_body(data) or {}).get("run_id") for _, data in batch]:
        raise ServerAway("the server answered about other runs than those of the check-ins")
    for (path, _), state in zip(batch, states):
        if state == "refused":
            refuse(path)
        else:
            path.unlink(missing_ok=True)
    return sum(state != "refused" for state in states)


def refuse(path: Path) -> None:
    """Moves an invalid check-in to the folder ``refused``, which keeps the newest 200 for inspection."""
    aside = path.parent / "refused"
    aside.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):
        path.replace(aside / path.name)
    for old in waiting(aside)[:-REFUSED_KEPT]:
        old.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Deletes incomplete files of killed runners."""
    for path in folder.glob(".[0-9]*.json*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink()


# -- bounds ----------------------------------------------------------------------------------------


def bound(folder: Path, limit: int = LIMIT) -> int:
    """Deletes data until the folder has at most ``limit`` bytes. Returns the number of deleted bytes.

    In this order, oldest first: output of successful runs, other output, check-ins without an outcome, outcomes.
    """
    sizes = _sizes(folder)
    excess = sum(sizes.values()) - limit
    if excess <= 0:
        return 0
    freed = 0
    for drop in (_drop_success_output, _drop_output, _drop_progress, _drop):
        for path in list(sizes):
            if freed >= excess:
                return freed
            after = drop(path, sizes[path])
            freed += sizes[path] - after
            sizes[path] = after
    return freed


def _sizes(folder: Path) -> dict[Path, int]:
    sizes = {}
    for path in waiting(folder):
        with suppress(FileNotFoundError):
            sizes[path] = path.stat().st_size
    return sizes


def _drop_success_output(path: Path, size: int) -> int:
    return _drop_output(path, size, only="success")


def _drop_output(path: Path, size: int, only: str | None = None) -> int:
    """Removes the output and counts its bytes as lost. Returns the new size."""
    data = _read_bytes(path)
    if only not in (None, (_body(data) or {}).get("kind")):
        return size
    shorter = _without_output(data)
    if shorter is None:
        return size
    try:
        write_atomic(path, shorter)
    except OSError:  # the disk is full even for the smaller file
        return size
    return len(shorter)


def _without_output(data: bytes) -> bytes | None:
    """The check-in without its output, whose bytes count as lost; None if it has no output."""
    body = _body(data)
    output = body.get("output") if body else None
    if body is None or not isinstance(output, dict) or not (output.get("head") or output.get("tail")):
        return None
    text = str(output.get("head", "")) + str(output.get("tail", ""))
    lost = len(text.encode("utf-8", "replace")) + output.get("lost_bytes", 0)
    body["output"] = {"head": "", "tail": "", "lost_bytes": lost}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _drop_progress(path: Path, size: int) -> int:
    kind = (_body(_read_bytes(path)) or {}).get("kind")
    return _drop(path, size) if kind in ("start", "log", "heartbeat") else size


def _drop(path: Path, _size: int) -> int:
    path.unlink(missing_ok=True)
    return 0


def _read_bytes(path: Path) -> bytes:
    """The bytes of a check-in; none if the runner has just sent it."""
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return b""
