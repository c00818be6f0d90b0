"""Generates load with wrk or at an even rate, and measures the CPU of the servers."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from _product import percentile

SCRIPT = Path(__file__).with_name("_checkins.lua")


@dataclass(frozen=True)
class Load:
    """The result of wrk: answers, milliseconds, and how many were refused (an error status) or lost."""

    answers: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    lost: int

    @property
    def rate(self) -> float:
        """Successful answers a second."""
        return (self.answers - self.refused) / self.seconds


def wrk(url: str, kind: str, lines: Path, *, connections: int, seconds: float, count: int = 0) -> Load:
    """Sends requests as fast as the server answers, for ``seconds``, or until ``count`` have succeeded."""
    program = shutil.which("wrk")
    if not program:
        raise SystemExit("wrk is missing: run scripts/install-system-parts")
    argv = [program, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "-s", str(SCRIPT), url]
    argv += ["--", kind, str(lines), *([str(count)] if count else [])]
    ran = subprocess.run(argv, check=True, capture_output=True, text=True)
    return Load(**json.loads(ran.stdout.strip().splitlines()[-1]))


def with_cpu(work: Callable[[], Load], *cpu: Callable[[], float]) -> tuple[Load, list[float]]:
    """The load, and the CPU milliseconds per answer by each clock of CPU seconds."""
    before = [clock() for clock in cpu]
    load = work()
    spent = [clock() - start for clock, start in zip(cpu, before, strict=True)]
    return load, [1000 * each / max(1, load.answers) for each in spent]


class Sender:
    """Sends finished runs of the jobs, each with 200 bytes of output, at an even rate."""

    CONNECTIONS = 64

    def __init__(self, url: str, jobs: Sequence[str], tokens: Sequence[str]) -> None:
        self._where = urlsplit(url)
        self._jobs, self._tokens = jobs, tokens
        self._number = 0
        self._took: list[float] = []

    def offered(self, rate: int, seconds: float) -> Load:
        """Sends ``rate`` a second, whether or not earlier ones are answered."""
        self._took = []
        begun = time.perf_counter()
        asyncio.run(self._offer(begun, rate, seconds))
        took = time.perf_counter() - begun
        p50, p99 = percentile(self._took, 0.5), percentile(self._took, 0.99)
        return Load(len(self._took), took, p50, p99, refused=0, lost=0)

    async def _offer(self, begun: float, rate: int, seconds: float) -> None:
        due = asyncio.Queue[float]()

        async def send() -> None:
            reader, writer = await asyncio.open_connection(self._where.hostname, self._where.port)
            while (at := await due.get()) > 0:
                await self._one(reader, writer, at)
            writer.close()

        senders = [asyncio.create_task(send()) for _ in range(self.CONNECTIONS)]
        for number in range(int(rate * seconds)):
            at = begun + number / rate
            if at > time.perf_counter():
                await asyncio.sleep(at - time.perf_counter())
            due.put_nowait(at)
        for _ in senders:
            due.put_nowait(0)
        await asyncio.gather(*senders)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: float) -> None:
        writer.write(self._request())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200") or b"success" not in body:
            raise SystemExit(f"a check-in was answered {head.decode()}{body.decode()}")
        self._took.append(1000 * (time.perf_counter() - begun))

    def _request(self) -> bytes:
        self._number += 1
        place = self._number % len(self._tokens)
        job = self._jobs[self._number % len(self._jobs)]
        body = (
            f'{{"id":"{uuid.uuid4()}","run_id":"{uuid.uuid4()}","job_id":"{job}","kind":"success","exit_code":0,'
            f'"at":"{datetime.now(UTC).isoformat()}","duration_s":1.5,"output":{{"head":"{"x" * 200}"}}}}'
        ).encode()
        head = (
            f"POST /api/checkins HTTP/1.1\r\nHost: {self._where.netloc}\r\n"
            f"Authorization: Bearer {self._tokens[place]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body
