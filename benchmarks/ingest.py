"""Check-ins a second over HTTP with 16 connections, and their latency at 1,000 a second, on SQLite and PostgreSQL.

python benchmarks/ingest.py [sqlite] [postgres] [SECONDS]; the default is both, 10. Sender and server share this
machine's cores; the sender speaks HTTP in a few lines, so that it costs less than what it measures.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from _postgres import postgres
from _product import Product, index_jobs, percentile, running, web_processes, worked

CONNECTIONS, OFFERED, JOBS = 16, 1000, 1000
TARGET_PER_S, TARGET_CPU_MS, TARGET_P99_MS = 1000, 1.0, 25.0
# A rate of its own for each: 6,000 a minute are let in of one endpoint.
ENDPOINTS = 200
WARM_S = 2.0


def main() -> None:
    asked = sys.argv[1:]
    seconds = next((int(word) for word in asked if word.isdigit()), 10)
    kinds = [word for word in asked if not word.isdigit()] or ["sqlite", "postgres"]
    print(f"{'check-ins':<32}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}{'CPU ms each':>14}")
    missed = [miss for kind in kinds for miss in _measure(kind, seconds)]
    if missed:
        raise SystemExit("misses its target: " + "; ".join(missed))


def _measure(kind: str, seconds: int) -> Iterator[str]:
    with _database(kind) as environment, running(environment) as product:
        told = Sender(product)
        asyncio.run(told.flat_out(WARM_S))
        took, cpu = _timed(product, told, told.flat_out(seconds))
        rate = len(took) / seconds
        _print(f"{kind}, {CONNECTIONS} connections", rate, took, cpu)
        if rate < TARGET_PER_S:
            yield f"{kind}: {rate:.0f} a second, not {TARGET_PER_S}"
        if cpu > TARGET_CPU_MS:
            yield f"{kind}: {cpu:.2f} ms of CPU each, not {TARGET_CPU_MS:g}"
        took, cpu = _timed(product, told, told.offered(OFFERED, seconds))
        _print(f"{kind}, {OFFERED} a second offered", len(took) / seconds, took, cpu)
        if percentile(took, 0.99) > TARGET_P99_MS:
            yield f"{kind}: p99 {percentile(took, 0.99):.0f} ms at {OFFERED} a second, not {TARGET_P99_MS:.0f}"


@contextmanager
def _database(kind: str) -> Iterator[dict[str, str]]:
    if kind == "sqlite":
        yield {}
        return
    with postgres() as url:
        yield {"CRONTOPUS_DATABASE_URL": url}


def _timed(product: Product, told: Sender, sending: Coroutine[Any, Any, None]) -> tuple[list[float], float]:
    """Milliseconds of each answer, and the web process's CPU for each."""
    web = web_processes(product)
    before, told.took = worked(web), []
    asyncio.run(sending)
    return told.took, 1000 * (worked(web) - before) / max(1, len(told.took))


class Sender:
    """Sixteen connections that send finished runs of 1,000 jobs on 200 endpoints."""

    def __init__(self, product: Product) -> None:
        self._where = urlsplit(product.url)
        self._jobs, self._tokens = index_jobs(product, JOBS, ENDPOINTS)
        self._number = 0
        self.took: list[float] = []

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

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._where.hostname, self._where.port)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: float) -> None:
        writer.write(self._request())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200") or b"success" not in body:
            raise SystemExit(f"a check-in was answered {head.decode()}{body.decode()}")
        self.took.append(1000 * (time.perf_counter() - begun))

    async def flat_out(self, seconds: float) -> None:
        """Each connection sends the next one as soon as it is answered."""
        end = time.perf_counter() + seconds

        async def send() -> None:
            reader, writer = await self._connect()
            while time.perf_counter() < end:
                await self._one(reader, writer, time.perf_counter())
            writer.close()

        await asyncio.gather(*(send() for _ in range(CONNECTIONS)))

    async def offered(self, rate: int, seconds: float) -> None:
        """An even rate whether or not earlier ones were answered; what waits for a connection counts as waiting."""
        begun, due = time.perf_counter(), asyncio.Queue[float]()

        async def send() -> None:
            reader, writer = await self._connect()
            while (at := await due.get()) > 0:
                await self._one(reader, writer, at)
            writer.close()

        senders = [asyncio.create_task(send()) for _ in range(4 * CONNECTIONS)]
        for number in range(int(rate * seconds)):
            at = begun + number / rate
            if at > time.perf_counter():
                await asyncio.sleep(at - time.perf_counter())
            due.put_nowait(at)
        for _ in senders:
            due.put_nowait(0)
        await asyncio.gather(*senders)


def _print(what: str, rate: float, took: list[float], cpu: float) -> None:
    print(
        f"{what:<32}{rate:>12.0f}{percentile(took, 0.5):>10.1f}{percentile(took, 0.99):>10.1f}{cpu:>14.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
