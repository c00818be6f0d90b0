"""The daemon's side of the spool: check-ins that wait are replayed in order, and the folder stays within its bounds.

The runner writes each check-in as ``<number>-<id>.json`` and takes it away itself when the server has it. What is left
is replayed here; each file goes only when the server has said what became of it, so a replay that is cut short is
repeated, and the server knows a check-in by its id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

from agent.errors import Revoked, ServerAway
from agent.state import write_atomic

LIMIT = 64 << 20
BATCH, BATCH_BYTES = 500, 8 << 20
REFUSED_KEPT = 200
ABANDONED_S = 3600.0
# Answers that say nothing about the check-ins themselves.
PASSING = (408, 425, 429)

# Sends the body of a batch; the status and the body of the answer. Raises ServerAway.
Post = Callable[[bytes], "tuple[int, bytes]"]


def waiting(folder: Path) -> list[Path]:
    """In the order in which they happened. Files that are still being written have other names."""
    return sorted(path for path in folder.glob("[0-9]*.json") if path.is_file())


def replay(folder: Path, post: Post, limit: int = LIMIT) -> int:
    """Send what waits, oldest first; how many check-ins the server took.

    Raises ServerAway at the first batch without an answer (the rest waits; when to come again is the caller's to say)
    and Revoked when the token is dead.
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
    """The check-in; None when the runner was faster. One that a crash has damaged is put aside."""
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
    """Send one batch. One that is refused as a whole is sent in halves, until the culprit stands alone."""
    status, answer = post(b"[%s]" % b",".join(data for _, data in batch))
    if status == 200:
        return _settle(batch, answer)
    if status in (401, 403):
        raise Revoked(f"the check-ins were answered with {status}")
    if not 400 <= status < 500 or status in PASSING:
        raise ServerAway(f"the check-ins were answered with {status}")
    if len(batch) == 1:
        refuse(batch[0][0])
        return 0
    half = len(batch) // 2
    return _deliver(folder, batch[:half], post) + _deliver(folder, batch[half:], post)


def _settle(batch: list[tuple[Path, bytes]], answer: bytes) -> int:
    try:
        states = [str(each["state"]) for each in json.loads(answer)]
    except (ValueError, TypeError, KeyError) as problem:
        raise ServerAway("the check-ins were not answered by the control plane") from problem
    if len(states) != len(batch):
        raise ServerAway(f"{len(batch)} check-ins were sent, {len(states)} were answered")
    for (path, _), state in zip(batch, states):
        if state == "refused":
            refuse(path)
        else:
            path.unlink(missing_ok=True)
    return sum(state != "refused" for state in states)


def refuse(path: Path) -> None:
    """Put a check-in aside that no server will ever take; the newest of them are kept for a person to look at."""
    aside = path.parent / "refused"
    aside.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):
        path.replace(aside / path.name)
    for old in waiting(aside)[:-REFUSED_KEPT]:
        old.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Take away what a runner that was killed left half written."""
    for path in folder.glob(".[0-9]*.json*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink()


# -- bounds ----------------------------------------------------------------------------------------


def bound(folder: Path, limit: int = LIMIT) -> int:
    """Give up as little as possible until the folder is within ``limit`` bytes; how many bytes were given up.

    In this order, oldest first: output of successes, output of the others, check-ins that are no outcome, outcomes.
    """
    sizes = _sizes(folder)
    excess = sum(sizes.values()) - limit
    if excess <= 0:
        return 0
    given = 0
    for sacrifice in (_drop_success_output, _drop_output, _drop_progress, _drop):
        for path in list(sizes):
            if given >= excess:
                return given
            after = sacrifice(path, sizes[path])
            given += sizes[path] - after
            sizes[path] = after
    return given


def _sizes(folder: Path) -> dict[Path, int]:
    found = {}
    for path in waiting(folder):
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_size
    return found


def _drop_success_output(path: Path, size: int) -> int:
    return _drop_output(path, size, only="success")


def _drop_output(path: Path, size: int, only: str | None = None) -> int:
    """The size afterwards. What is dropped is counted as lost."""
    body = _there(path)
    if body is None or not body.get("output") or only not in (None, body.get("kind")):
        return size
    output = body["output"]
    lost = len((output.get("head", "") + output.get("tail", "")).encode()) + output.get("lost_bytes", 0)
    if lost == output.get("lost_bytes", 0):
        return size
    body["output"] = {"head": "", "tail": "", "lost_bytes": lost}
    data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    try:
        write_atomic(path, data)
    except OSError:  # not even room for less
        return size
    return len(data)


def _drop_progress(path: Path, size: int) -> int:
    body = _there(path)
    return _drop(path, size) if body is not None and body.get("kind") in ("start", "log", "heartbeat") else size


def _drop(path: Path, _size: int) -> int:
    path.unlink(missing_ok=True)
    return 0


def _there(path: Path) -> dict[str, Any] | None:
    with suppress(FileNotFoundError):
        return _body(path.read_bytes())
    return None
