"""Every answer of the running product says whose it is and what a browser may do with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from crontopus_app.api import problems
from crontopus_app.base import csp
from crontopus_app.base.errors import Busy, RateLimited, Unavailable
from crontopus_app.base.settings import settings
from crontopus_app.programs.headers import FOR_EVER, Headers, caching
from tests.fixtures.served import Served

ANSWERS = [
    ("GET", "/", 200),
    ("GET", "/jobs", 200),
    ("GET", "/jobs/production/greet", 200),
    ("GET", "/no/such/page", 404),
    ("GET", "/js/theme.js", 200),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/api/docs", 200),
    ("GET", "/api/openapi.json", 200),
    ("GET", "/api/auth/me", 401),
    ("GET", "/api/nothing", 404),
    ("DELETE", "/api/jobs", 405),
    ("POST", "/api/checkins", 401),
    ("POST", "/api/checkins/batch", 401),
    ("POST", "/api/endpoints/enroll", 422),
    ("GET", "/api/endpoints/me/watch", 401),
    ("POST", "/api/endpoints/me/report", 401),
    ("POST", "/api/endpoints/me/heartbeat", 401),
    ("PUT", "/api/checkins", 405),
    ("GET", "/operator/rq/", 303),
    ("GET", "/forge/api/v1/user", 401),
    ("GET", "/schemas/job-v1.json", 200),
]


@pytest.fixture(scope="module")
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_every_answer_carries_them(http: httpx.Client, method: str, path: str, status: int) -> None:
    answer = http.request(method, path, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers.get_list("crontopus-api") == ["1"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    (policy,) = answer.headers.get_list("content-security-policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs/new", "/operator/tenants", "/no/such/page", "/runs/1"])
def test_a_page_runs_its_own_inline_scripts_only(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    inline = csp.inline(answer.text, "script")
    assert len(inline) > 3
    assert set(inline) <= set(policy["script-src"].split())
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert f"ws://{http.base_url.netloc.decode()}" in policy["connect-src"]
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/jobs", "/runs/1"])
def test_a_page_that_did_not_change_keeps_its_policy(http: httpx.Client, path: str) -> None:
    first = http.get(path)
    again = http.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    own = first.headers["content-security-policy"]
    assert again.headers.get("content-security-policy", own) == own


def test_a_deep_link_is_answered_without_a_redirect(http: httpx.Client) -> None:
    for path in ("/jobs", "/runs", "/endpoints", "/operator/tenants", "/jobs?state=failed"):
        assert http.get(path).status_code == 200, path


def test_hashed_files_are_kept_for_ever_and_others_asked_for_again(http: httpx.Client) -> None:
    (hashed, *_) = re.findall(r"/assets/[^\"']+\.js", http.get("/").text)
    assert http.get(hashed).headers["cache-control"].encode() == FOR_EVER
    again = http.get("/js/theme.js").headers
    assert again["cache-control"] == "no-cache"
    assert http.get("/js/theme.js", headers={"If-None-Match": again["etag"]}).status_code == 304
    assert http.get("/api/auth/me").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/assets/root-CUXiiHzf.js", 200, FOR_EVER),
        ("/assets/root-CUXiiHzf.js", 404, b"no-cache"),
        ("/assets/root.js", 200, b"no-cache"),
        ("/x/assets/root-CUXiiHzf.js", 200, b"no-cache"),
        ("/fonts/Inter-Regular.woff2", 200, b"public, max-age=604800"),
        ("/api/tokens", 201, b"no-store"),
        ("/jobs", 200, b"no-cache"),
    ],
)
def test_what_caches_are_told(path: str, status: int, told: bytes) -> None:
    assert caching(path, status) == told


async def answered(app: ASGIApp, public_url: str) -> httpx.Headers:
    wrapped = Headers(app, replace(settings(), public_url=public_url), {})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=wrapped), base_url="http://test") as client:
        return (await client.get("/")).headers


async def test_only_https_is_told_to_stay_https() -> None:
    plain = PlainTextResponse("x")
    assert "strict-transport-security" not in await answered(plain, "http://cron.example.org")
    assert (await answered(plain, "https://cron.example.org"))["strict-transport-security"] == "max-age=31536000"


class Failing:
    """An application with Starlette's own handling of errors, as the API has it."""

    def __init__(self, error: Exception) -> None:
        self.api = FastAPI()
        problems.install(self.api)

        @self.api.get("/")
        def fail() -> None:
            raise error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unavailable("The database does not respond.", part="database"), 503, "unavailable"),
        (Busy(), 503, "unavailable"),
        (RateLimited("Too many.", retry_after=5, limit=1), 429, "rate_limited"),
        (ValueError("a defect"), 500, "internal"),
    ],
)
@pytest.mark.logs_errors
async def test_errors_are_known_as_ours_too(error: Exception, status: int, code: str) -> None:
    wrapped = Headers(Failing(error).api, settings(), {})
    transport = httpx.ASGITransport(app=wrapped, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.headers.get("crontopus-api"), answer.json()["code"]) == (status, "1", code)


async def test_what_an_answer_says_itself_stays() -> None:
    own = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "private"}
    headers = await answered(Response("x", headers=own), "http://cron.example.org")
    assert headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert headers.get_list("cache-control") == ["private"]
