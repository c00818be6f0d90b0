"""rq-dashboard is for operators who are signed in, and its buttons work under granian and from its own pages only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import httpx
import pytest
from rq import Queue
from sqlalchemy import Engine
from sqlmodel import select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contract import wire
from crontopus_app.api import rq
from crontopus_app.base import clock, queue
from crontopus_app.base.db import writing
from crontopus_app.models import User
from crontopus_app.people import auth, http_auth

BASE = "http://console.test"
PREFIX = "/operator/rq"


def signed_in(name: str, *, operator: bool) -> str:
    """A new user's session token; the queue is left without what their repository needs."""
    form = wire.RegisterRequest(username=name, email=f"{name}@example.org", password="correct horse battery")
    user = auth.register(form, loopback=False, now=clock.now())
    Queue(queue.QUEUE, connection=queue.redis()).empty()
    with writing() as session:
        if operator:
            auth.grant_operator(session, name)
        return auth.open_session(session, user, user_agent="test", now=clock.now())


@pytest.fixture
def operator(sqlite_db: Engine) -> str:
    return signed_in("alice", operator=True)


@pytest.fixture
def user(sqlite_db: Engine) -> str:
    return signed_in("charlie", operator=False)


def as_granian(app: ASGIApp) -> ASGIApp:
    """``receive()`` gives a future, as granian's does, and no coroutine."""

    async def adapted(scope: Scope, receive: Receive, send: Send) -> None:
        def future() -> asyncio.Future[Message]:
            return asyncio.ensure_future(receive())

        await app(scope, future, send)

    return adapted


@pytest.fixture
def client(redis_url: str, sqlite_db: Engine) -> Callable[[str | None], httpx.AsyncClient]:
    """A browser with the session cookie that is asked for."""

    def make(token: str | None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=as_granian(rq.dashboard(redis_url, PREFIX)))
        cookies = {http_auth.COOKIE: token} if token else {}
        return httpx.AsyncClient(transport=transport, base_url=BASE, cookies=cookies)

    return make


Client = Callable[[str | None], httpx.AsyncClient]


async def test_an_operator_sees_the_queues(client: Client, operator: str) -> None:
    Queue(queue.QUEUE, connection=queue.redis()).enqueue("worker.tasks.sweep")
    async with client(operator) as browser:
        page = await browser.get(f"{PREFIX}/", follow_redirects=True)
        assert page.status_code == 200
        assert '<a href="/operator/tasks">Back to Crontopus</a>' in page.text
        listed = await browser.get(f"{PREFIX}/0/data/queues.json")
    assert [found["name"] for found in listed.json()["queues"]] == list(queue.QUEUES)


async def test_a_user_who_is_no_operator_is_refused(client: Client, user: str) -> None:
    async with client(user) as browser:
        answer = await browser.get(f"{PREFIX}/")
    assert answer.status_code == 403
    assert "crontopus-server admin grant" in answer.text


@pytest.mark.parametrize("token", [None, "cts_unknown", "ctp_unknown", "nonsense"])
async def test_who_is_not_signed_in_is_sent_to_sign_in(client: Client, token: str | None) -> None:
    async with client(token) as browser:
        answer = await browser.get(f"{PREFIX}/")
        posted = await browser.post(f"{PREFIX}/queue/{queue.QUEUE}/queued/empty", headers={"Origin": BASE})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert posted.status_code == 401


async def test_an_operator_who_is_disabled_is_refused_at_once(client: Client, operator: str) -> None:
    with writing() as session:
        alice = session.exec(select(User).where(User.username == "alice")).one()
        alice.is_active = False
        session.add(alice)
    async with client(operator) as browser:
        assert (await browser.get(f"{PREFIX}/")).status_code == 303


async def test_a_button_works(client: Client, operator: str) -> None:
    tasks = Queue(queue.QUEUE, connection=queue.redis())
    tasks.enqueue("worker.tasks.sweep")
    async with client(operator) as browser:
        answer = await browser.post(
            f"{PREFIX}/queue/{queue.QUEUE}/queued/empty", headers={"Origin": BASE}, data={"confirmed": "yes"}
        )
    assert answer.status_code == 200, answer.text
    assert tasks.count == 0


@pytest.mark.parametrize("origin", [None, "http://evil.test", "null", "http://console.test:81", "http://xconsole.test"])
async def test_a_button_on_another_site_does_nothing(client: Client, operator: str, origin: str | None) -> None:
    tasks = Queue(queue.QUEUE, connection=queue.redis())
    tasks.enqueue("worker.tasks.sweep")
    async with client(operator) as browser:
        answer = await browser.post(
            f"{PREFIX}/queue/{queue.QUEUE}/queued/empty", headers={"Origin": origin} if origin else {}
        )
    assert answer.status_code == 403
    assert tasks.count == 1


async def test_a_link_that_puts_tasks_back_is_a_button_too(client: Client, operator: str) -> None:
    async with client(operator) as browser:
        assert (await browser.get(f"{PREFIX}/requeue/{queue.QUEUE}")).status_code == 403
        assert (await browser.post(f"{PREFIX}/requeue/{queue.QUEUE}", headers={"Origin": BASE})).status_code == 200


async def test_a_page_of_the_dashboard_runs_its_own_script_only(client: Client, operator: str) -> None:
    async with client(operator) as browser:
        answers = [await browser.get(f"{PREFIX}/", follow_redirects=True) for _ in range(2)]
    nonces = [
        re.findall(r"script-src [^;]*'nonce-([\w-]+)'", one.headers["content-security-policy"]) for one in answers
    ]
    assert nonces[0] != nonces[1]
    for answer, (nonce,) in zip(answers, nonces, strict=True):
        assert re.findall(r"<script(?! name=| src=)[^>]*>", answer.text) == [
            f'<script type="text/javascript" nonce="{nonce}">'
        ]


async def test_no_value_is_printed_unescaped(client: Client, operator: str) -> None:
    task = Queue(queue.QUEUE, connection=queue.redis()).enqueue("worker.tasks.sweep")
    async with client(operator) as browser:
        for path in ("", "0/view/jobs/crontopus/queued/8/asc/1", "0/view/workers", f"0/view/job/{task.id}"):
            page = await browser.get(f"{PREFIX}/{path}", follow_redirects=True)
            assert page.status_code == 200, path
            # Underscore prints what stands in <%= … %> as it is; two values are escaped by hand.
            printed = re.findall(r"<%=(.*?)%>", page.text)
            assert [one for one in printed if not one.strip().startswith("$('<div/>').text(")] == [], path
            assert "<%-" in page.text, path


async def test_a_cookie_that_cannot_be_read_is_no_session(client: Client) -> None:
    async with client(None) as browser:
        answer = await browser.get(f"{PREFIX}/", headers={"Cookie": 'crontopus_session="\x01; ='})
    assert answer.status_code == 303
