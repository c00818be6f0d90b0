"""The worker as a process: rung, swept, killed, stopped, and without Redis."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.registry import StartedJobRegistry
from rq.worker import Worker
from sqlalchemy import Engine, update

from crontopus_app.base import clock, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import changes, edits
from crontopus_app.jobs.changes import Submitted
from crontopus_app.jobs.trailers import changes_in
from crontopus_app.models import Change, Tenant
from crontopus_app.operations import provisioning
from crontopus_app.programs import embedded_redis
from tests.cast import join
from tests.fixtures.forge_server import ForgeServer, forge, forge_server, tenant_name
from tests.fixtures.processes import free_port, running, wait_until
from tests.fixtures.repositories import Repo
from worker.main import Worker as Program

__all__ = ["forge", "forge_server", "tenant_name"]

FORM = {"name": "backup", "namespace": "production", "schedule": "0 2 * * *", "command": "/opt/backup.sh"}
ARGV = [sys.executable, "-m", "worker.main"]


@pytest.fixture
def alice(db: Engine, redis_url: str, forge: Forgejo, tenant_name: str) -> Actor:
    actor = join(tenant_name).actor
    provisioning.provision(actor.tenant_id, forge, clock.now())
    queue.redis().flushall()
    return actor


@pytest.fixture
def repo(forge: Forgejo, tenant_name: str) -> Repo:
    return Repo(forge, "crontopus", f"job-manifests-{tenant_name}")


def environment(**others: str) -> dict[str, str]:
    """That of this test, with the database, the Redis and the forge that it uses."""
    return {**os.environ, **others}


def worker(tmp_path: Path, **others: str) -> AbstractContextManager[Any]:
    return running(ARGV, tmp_path / "worker.log", env=environment(**others))


def create(actor: Actor, name: str = "backup") -> Submitted:
    with writing() as session:
        return edits.create(session, actor, {**FORM, "name": name}, clock.now())


def state(change: Submitted) -> str:
    with reading() as session:
        row = session.get(Change, change.id)
    assert row is not None
    return row.state


def done(change: Submitted) -> bool:
    return state(change) == "done"


def working() -> bool:
    return Worker.count(connection=queue.redis()) > 0


class Proxy(ThreadingHTTPServer):
    """Passes everything on to the forge; the answer to the first commit stays away until somebody lets it go."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.target = url.removesuffix("/forge")
        self.committed, self.release = threading.Event(), threading.Event()
        self.commits = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/forge"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The worker that was killed does not take its answer."""


class Passing(BaseHTTPRequestHandler):
    def pass_on(self) -> None:
        proxy = self.server
        assert isinstance(proxy, Proxy)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        answer = httpx.request(self.command, proxy.target + self.path, headers=headers, content=body, timeout=20)
        if self.command == "POST" and self.path.endswith("/contents"):
            proxy.commits += 1
            proxy.committed.set()
            proxy.release.wait(30)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("content-type", "text/plain"))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = pass_on

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def proxy(forge_server: ForgeServer) -> Iterator[Proxy]:
    with Proxy(forge_server.url) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        yield made
        made.release.set()
        made.shutdown()
        thread.join()


def test_a_ring_becomes_a_commit(alice: Actor, repo: Repo, tmp_path: Path) -> None:
    with worker(tmp_path):
        wait_until(working, "the worker to come up")
        change = create(alice)
        told = changes.wait(change.id, 20)
    assert told.state == "done"
    assert repo.commits()[0].sha == told.commit


def test_a_lost_ring_is_found_by_the_sweep(alice: Actor, repo: Repo, tmp_path: Path) -> None:
    change = create(alice)
    Queue(queue.QUEUE, connection=queue.redis()).empty()
    with worker(tmp_path):
        wait_until(lambda: done(change), "the sweep to commit")
    assert "production/backup.yaml" in repo.files()


def test_a_worker_killed_in_the_middle_of_a_commit_leaves_exactly_one(
    alice: Actor, repo: Repo, tmp_path: Path, proxy: Proxy
) -> None:
    change = create(alice)
    with worker(tmp_path, CRONTOPUS_FORGEJO_URL=proxy.url) as first:
        assert proxy.committed.wait(30)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        assert state(change) == "pending"
        proxy.release.set()
        with worker(tmp_path, CRONTOPUS_FORGEJO_URL=proxy.url):
            wait_until(lambda: done(change), "the next worker to find the commit")
    made = [commit for commit in repo.commits() if change.id in changes_in(commit.message)]
    assert len(made) == 1
    assert proxy.commits == 1


def test_sigterm_stops_an_idle_worker_within_seconds(alice: Actor, tmp_path: Path) -> None:
    with worker(tmp_path) as process:
        wait_until(working, "the worker to come up")
        process.send_signal(signal.SIGTERM)
        assert process.wait(4) == 0


@pytest.fixture
def own_handlers() -> Iterator[None]:
    before = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
    yield
    Program.stop.clear()
    for which, handler in before.items():
        signal.signal(which, handler)


def test_a_signal_before_the_first_wait_is_heard(redis_url: str, own_handlers: None) -> None:
    connection = Redis.from_url(redis_url)
    process = Program([Queue("nothing", connection=connection)], connection=connection)
    Program.stop.set()
    process.work(logging_level="WARNING")
    assert Worker.count(connection=connection) == 0
    connection.close()


def test_sigterm_stops_a_worker_whose_forge_hangs(alice: Actor, tmp_path: Path, proxy: Proxy) -> None:
    with worker(tmp_path, CRONTOPUS_FORGEJO_URL=proxy.url) as process:
        wait_until(working, "the worker to come up")
        create(alice)
        assert proxy.committed.wait(30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(9) == 0


def test_without_redis_the_sweep_goes_on_and_afterwards_rings_are_heard(
    alice: Actor, tmp_path: Path, repo: Repo
) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    argv = [embedded_redis.binary(), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(tmp_path), "--save", ""]
    with worker(tmp_path, CRONTOPUS_REDIS_URL=url), Redis.from_url(url) as client:
        first = create(alice, "one")
        wait_until(lambda: done(first), "the sweep to commit without Redis")
        with running(argv, tmp_path / "redis.log"):
            wait_until(lambda: counted(client), "the worker to come back to Redis")
        second = create(alice, "two")
        wait_until(lambda: done(second), "the sweep to commit after Redis went away")
        with running(argv, tmp_path / "redis.log"):
            wait_until(lambda: counted(client), "the worker to come back once more")


def counted(client: Redis) -> int:
    try:
        return Worker.count(connection=client)
    except RedisError:
        return 0


def test_pending_provisioning_is_swept(
    db: Engine, redis_url: str, forge: Forgejo, tenant_name: str, tmp_path: Path
) -> None:
    actor = join(tenant_name).actor
    with writing() as session:
        session.execute(update(Tenant).values(created_at=clock.now() - timedelta(minutes=1)))
    with worker(tmp_path):
        wait_until(lambda: is_ready(actor), "the sweep to make the repository")


def is_ready(actor: Actor) -> bool:
    with reading() as session:
        tenant = session.get(Tenant, actor.tenant_id)
    return tenant is not None and tenant.provisioning == "ready"


def test_nothing_is_left_running_in_the_queue(alice: Actor, tmp_path: Path) -> None:
    with worker(tmp_path):
        change = create(alice)
        wait_until(lambda: done(change), "the commit")
        wait_until(
            lambda: not StartedJobRegistry(queue.QUEUE, connection=queue.redis()).get_job_ids(), "the task's end"
        )
