"""Check-ins a second through the API, and the time of a list of 1,000 jobs.

.venv/bin/python benchmarks/api.py
"""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime

import httpx
from _product import Product, index_jobs, percentile, running

JOBS = 1000
CHECKINS = 1500
CONNECTIONS = (1, 16)
LISTS = 20


def main() -> None:
    with running() as product:
        jobs, _ = index_jobs(product, JOBS)
        print(f"{'what':<44}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}")
        for connections in CONNECTIONS:
            _print_checkins(product, jobs, connections)
        _print_list(product)


def _print_checkins(product: Product, jobs: list[str], connections: int) -> None:
    begin = time.perf_counter()
    times = asyncio.run(_check_in(product, jobs, connections))
    took = time.perf_counter() - begin
    what = f"check-ins, {connections} connection{'s' if connections > 1 else ''}"
    print(f"{what:<44}{len(times) / took:>12.0f}{percentile(times, 0.5):>10.1f}{percentile(times, 0.99):>10.1f}")


async def _check_in(product: Product, jobs: list[str], connections: int) -> list[float]:
    """Milliseconds of each check-in. Another status than 200 ends the benchmark."""
    headers = {"Authorization": f"Bearer {product.endpoint_token}"}
    async with httpx.AsyncClient(base_url=product.url, headers=headers, timeout=60) as http:

        async def sender(share: int) -> list[float]:
            return [await _one(http, jobs[number % len(jobs)]) for number in range(share)]

        shares = await asyncio.gather(*(sender(CHECKINS // connections) for _ in range(connections)))
    return [took for share in shares for took in share]


async def _one(http: httpx.AsyncClient, job_id: str) -> float:
    told = {
        "id": str(uuid.uuid4()),
        "run_id": str(uuid.uuid4()),
        "job_id": job_id,
        "kind": "success",
        "at": datetime.now(UTC).isoformat(),
        "duration_s": 1.5,
        "exit_code": 0,
        "output": {"head": "x" * 200, "tail": "", "lost_bytes": 0},
    }
    begin = time.perf_counter()
    answer = await http.post("/api/checkins", json=told)
    answer.raise_for_status()
    return (time.perf_counter() - begin) * 1000


def _print_list(product: Product) -> None:
    times, found = [], {"count": 0}
    for _ in range(LISTS):
        begin = time.perf_counter()
        found = product.http.get("/api/jobs").raise_for_status().json()
        times.append((time.perf_counter() - begin) * 1000)
    what = f"GET /api/jobs, {found['count']} jobs"
    print(f"{what:<44}{1000 / percentile(times, 0.5):>12.1f}{percentile(times, 0.5):>10.1f}{max(times):>10.1f}")


if __name__ == "__main__":
    main()
