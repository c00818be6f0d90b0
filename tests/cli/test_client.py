"""The CLI's requests and its handling of answers, with a function in place of the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import httpx
import pytest

from cli.client import REFUSED, UNREACHABLE, Client, Failure


def client(answer: Callable[[httpx.Request], httpx.Response], token: str = "") -> Client:
    return Client("http://server.example", token, httpx.MockTransport(answer))


def test_the_token_goes_with_each_request_and_empty_filters_do_not() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"runs": []})

    assert client(answer, "ctp_x").get("/api/runs", job="backup", status=None) == {"runs": []}
    assert requests[0].headers["Authorization"] == "Bearer ctp_x"
    assert requests[0].url.query == b"job=backup"


def test_an_empty_answer_is_none() -> None:
    assert client(lambda _request: httpx.Response(204)).send("DELETE", "/api/tokens/1") is None


@pytest.mark.parametrize(
    ("status", "exit_code"), [(401, UNREACHABLE), (503, UNREACHABLE), (403, REFUSED), (422, REFUSED), (500, REFUSED)]
)
def test_the_exit_status_tells_refused_from_unreachable(status: int, exit_code: int) -> None:
    with pytest.raises(Failure) as caught:
        client(lambda _request: httpx.Response(status, json={"detail": "No.", "code": "why"})).get("/api/runs")
    failure = caught.value
    assert (failure.exit_code, failure.code, failure.status) == (exit_code, "why", status)
    assert failure.message == "No."


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"[]", b""])
def test_an_answer_that_is_not_ours_is_told_by_its_status(body: bytes) -> None:
    with pytest.raises(Failure, match="The server answered 502"):
        client(lambda _request: httpx.Response(502, content=body)).get("/api/runs")


def test_each_wrong_field_is_told_with_its_place() -> None:
    errors = [{"field": "schedule", "line": 3, "column": 5, "message": "no such minute"}]
    with pytest.raises(Failure) as caught:
        client(lambda _request: httpx.Response(422, json={"detail": "Bad.", "errors": errors})).get("/x")
    assert caught.value.message == "Bad.\n  schedule 3:5: no such minute"


def test_a_server_that_is_away_is_unreachable() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Failure, match="does not answer") as caught:
        client(refuse).get("/api/runs")
    assert caught.value.exit_code == UNREACHABLE


def test_a_change_that_has_ended_is_not_asked_for() -> None:
    def never(_request: httpx.Request) -> httpx.Response:
        raise AssertionError("the client sent a request")

    done: dict[str, Any] = {"id": "1", "state": "done"}
    assert client(never).wait_for(done, 10) == done


def test_a_download_is_saved_whole_and_for_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "all.zip"
    target.write_text("an older one")
    assert (
        client(lambda _request: httpx.Response(200, content=b"x" * 100_000)).download("/api/export", target) == 100_000
    )
    assert target.read_bytes() == b"x" * 100_000
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_download_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    def half() -> Iterator[bytes]:
        yield b"half"
        raise httpx.RemoteProtocolError("peer closed connection")

    target = tmp_path / "all.zip"
    target.write_text("an older one")
    for answer, exit_code in (
        (httpx.Response(200, content=half()), UNREACHABLE),
        (httpx.Response(403, json={"detail": "No."}), REFUSED),
    ):
        with pytest.raises(Failure) as caught:
            client(lambda _request, answer=answer: answer).download("/api/export", target)
        assert caught.value.exit_code == exit_code
        assert [path.read_text() for path in tmp_path.iterdir()] == ["an older one"]
