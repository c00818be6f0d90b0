"""Time until 200 browsers of one tenant show each of 200 check-ins a second.

python benchmarks/live.py [CLIENTS] [CHECK-INS A SECOND] [SECONDS] [PAGE]; the default is 200, 200, 20, /.
The clients speak Socket.IO as a page does, but draw nothing. Clients, sender and server share this machine's cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
from _product import Product, percentile, read, running, web_processes, worked
from simple_websocket import AioClient

RUN = re.compile(r"00000000-0000-4000-8000-(\d{12})")
SENDERS = 16
# Engine.IO's ping: a page that does not answer is disconnected after some seconds.
PING, PONG = "2", "3"
SETTLE_S = 3.0


@dataclass
class Client:
    """One page's websocket: the time at which it first shows each run, and the bytes sent."""

    seen: list[tuple[float, int]] = field(default_factory=list)
    bytes: int = 0
    deltas: int = 0

    async def follow(self, product: Product, cookie: str, page: str) -> None:
        address = f"ws{product.url.removeprefix('http')}/_event/?token={uuid.uuid4()}&EIO=4&transport=websocket"
        socket = await AioClient.connect(address, headers={"Cookie": cookie, "Origin": product.url})
        await socket.receive()
        load = {"name": "reflex___state____state.hydrate_and_load", "payload": {}}
        load["router_data"] = {"pathname": page, "asPath": page}
        await socket.send("40/_event," + json.dumps({"event": load}))
        try:
            while True:
                told = str(await socket.receive())
                if told == PING:
                    await socket.send(PONG)
                self._take(told)
        finally:
            await socket.close()

    def _take(self, told: str) -> None:
        self.bytes += len(told)
        self.deltas += told.startswith("42")
        newest = max(map(int, RUN.findall(told)), default=0)
        if newest and (not self.seen or newest > self.seen[-1][1]):
            self.seen.append((time.monotonic(), newest))


def main() -> None:
    asked = sys.argv[1:]
    clients, rate, seconds = [int(word) for word in [*asked[:3], *("200", "200", "20")[len(asked[:3]) :]]]
    page = asked[3] if len(asked) > 3 else "/"
    with running() as product:
        asyncio.run(_measure(product, clients, rate, seconds, page))


async def _measure(product: Product, count: int, rate: int, seconds: int, page: str) -> None:
    cookie, job_id, web = await asyncio.to_thread(_cookie, product), _job(product), web_processes(product)
    before = _memory(web)
    clients = [Client() for _ in range(count)]
    following = [asyncio.create_task(client.follow(product, cookie, page)) for client in clients]
    await _until(lambda: all(client.deltas >= 3 for client in clients), following)
    for client in clients:
        client.bytes = client.deltas = 0
    before_work, begun = worked(web), time.monotonic()
    sent = await _send(product, job_id, rate, seconds)
    took = time.monotonic() - begun
    await asyncio.sleep(SETTLE_S)
    busy = worked(web) - before_work
    for task in following:
        task.cancel()
    _print(clients, sent, took, busy, (_memory(web) - before) / count)


async def _until(ready: Callable[[], bool], following: list[asyncio.Task[None]]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        broken = next((task for task in following if task.done()), None)
        if broken:
            broken.result()
        if time.monotonic() > deadline:
            raise SystemExit("the pages were not ready within 60 s")
        await asyncio.sleep(0.1)


async def _send(product: Product, job_id: str, rate: int, seconds: int) -> list[tuple[float, float]]:
    """Sends check-ins at an even rate, whether or not earlier ones are answered. Returns the times."""
    told: list[tuple[float, float]] = [(0.0, 0.0)] * (rate * seconds)
    limits = httpx.Limits(max_connections=SENDERS)
    bearer = {"Authorization": f"Bearer {product.endpoint_token}"}
    async with httpx.AsyncClient(base_url=product.url, headers=bearer, limits=limits, timeout=60) as http:

        async def one(number: int) -> None:
            body = {"id": str(uuid.uuid4()), "job_id": job_id, "run_id": f"00000000-0000-4000-8000-{number + 1:012d}"}
            body |= {"kind": "success", "at": datetime.now(UTC).isoformat(), "duration_s": 1.0}
            begun = time.monotonic()
            (await http.post("/api/checkins", json=body)).raise_for_status()
            told[number] = (begun, time.monotonic())

        begun, tasks = time.monotonic(), []
        for number in range(rate * seconds):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            tasks.append(asyncio.create_task(one(number)))
        await asyncio.gather(*tasks)
    return told


def _print(clients: list[Client], sent: list[tuple[float, float]], took: float, busy: float, memory: float) -> None:
    from_sent, from_answer, missing = [], [], 0
    for client in clients:
        arrivals = iter(client.seen)
        at, newest = next(arrivals, (0.0, 0))
        for number, (begun, answered) in enumerate(sent, start=1):
            while newest < number:
                found = next(arrivals, None)
                if found is None:
                    break
                at, newest = found
            if newest < number:
                missing += 1
                continue
            from_sent.append(1000 * (at - begun))
            from_answer.append(1000 * max(0.0, at - answered))
    deltas, size = sum(client.deltas for client in clients), sum(client.bytes for client in clients)
    answers = [1000 * (answered - begun) for begun, answered in sent]
    print(f"{len(clients)} websockets, {len(sent)} check-ins offered, answered at {len(sent) / took:.0f}/s")
    print(f"{'ms':<28}{'p50':>8}{'p99':>8}")
    for what, found in (
        ("sent → answered", answers),
        ("answered → on a page", from_answer),
        ("sent → on a page", from_sent),
    ):
        print(f"{what:<28}{percentile(found, 0.5):>8.0f}{percentile(found, 0.99):>8.0f}")
    print(f"never on a page: {missing} · CPU of web {100 * busy / (took + SETTLE_S):.0f} % of a core")
    print(
        f"{memory / 1024:.0f} KiB of web a client · {deltas / took:.0f} deltas/s · {size / max(deltas, 1):.0f} B each"
    )


def _cookie(product: Product) -> str:
    form = {"username": product.tenant, "password": "a benchmark's password"}
    answer = httpx.post(f"{product.url}/api/auth/session", data=form).raise_for_status()
    return f"crontopus_session={answer.cookies['crontopus_session']}"


def _job(product: Product) -> str:
    form = {"name": "live", "namespace": "production", "schedule": "0 2 * * *", "command": "true"}
    return product.http.post("/api/jobs", json=form).raise_for_status().json()["job"]["id"]


def _memory(processes: list[Path]) -> float:
    """Resident bytes."""
    pages = sum(int(read(one / "statm").split()[1]) for one in processes)
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
