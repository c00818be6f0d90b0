"""The client on answers that no server gives on demand: other versions' forms, failures, and half-truths.

The network is a plain function; statuses and shapes are those seen on Forgejo 7 and read in Forgejo 15.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from crontopus_app.base.errors import BadInput, Conflict, CrontopusError, NotFound, Unavailable
from crontopus_app.forge.client import (
    Author,
    FileOperation,
    ForgeConflict,
    Forgejo,
    ForgeMisconfigured,
    ForgeNotFound,
    ForgeRejected,
    ForgeUnavailable,
    safe_path,
)
from crontopus_app.forge.http import on_this_machine

WHO = Author("Alice", "alice@example.org")
CREATE = [FileOperation("create", "a.yaml", b"a")]
Network = Callable[[httpx.Request], httpx.Response]


class Recorder:
    """Answers requests from a list, in order, and keeps them."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def calls(self) -> list[tuple[str, str]]:
        return [(request.method, request.url.path) for request in self.requests]


def client(network: Network, **options: Any) -> Forgejo:
    return Forgejo("http://forge.example/", "root", "secret", transport=httpx.MockTransport(network), **options)


def ok(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def no(status: int, message: str = "") -> httpx.Response:
    return httpx.Response(status, json={"message": message, "url": ""})


# From status to error


@pytest.mark.parametrize(
    ("status", "error", "parent"),
    [
        (301, ForgeNotFound, NotFound),
        (307, ForgeNotFound, NotFound),
        (401, ForgeMisconfigured, Unavailable),
        (403, ForgeMisconfigured, Unavailable),
        (404, ForgeNotFound, NotFound),
        (408, ForgeUnavailable, Unavailable),
        (409, ForgeConflict, Conflict),
        (413, ForgeRejected, BadInput),
        (422, ForgeRejected, BadInput),
        (423, ForgeRejected, BadInput),
        (429, ForgeUnavailable, Unavailable),
        (500, ForgeUnavailable, Unavailable),
        (502, ForgeUnavailable, Unavailable),
    ],
)
def test_each_status_has_its_error(status: int, error: type[CrontopusError], parent: type[CrontopusError]) -> None:
    with client(Recorder(no(status, "as it says"))) as forge, pytest.raises(error) as caught:
        forge.send("GET", "/api/v1/version")
    assert isinstance(caught.value, parent)
    assert caught.value.message


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
def test_no_answer_is_unavailable_and_names_the_part(error: Exception) -> None:
    with client(Recorder(error)) as forge, pytest.raises(ForgeUnavailable) as caught:
        forge.commit_files("o", "r", "main", CREATE, "m", WHO)
    assert caught.value.part == "forge"
    assert "http://forge.example" in caught.value.message


def test_neither_password_nor_token_is_in_an_error() -> None:
    with client(Recorder(no(500))) as forge, pytest.raises(ForgeUnavailable) as caught:
        forge.version()
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"message": null}'])
def test_an_error_page_of_any_kind_is_read(body: bytes) -> None:
    with client(Recorder(httpx.Response(502, content=body))) as forge, pytest.raises(ForgeUnavailable):
        forge.version()


def test_a_redirect_is_never_followed() -> None:
    network = Recorder(httpx.Response(301, headers={"Location": "http://elsewhere.example/api"}))
    with client(network) as forge, pytest.raises(ForgeNotFound, match="elsewhere"):
        forge.commit_files("o", "r", "main", CREATE, "m", WHO)
    assert len(network.requests) == 1


@pytest.mark.parametrize("status", [424, 500, 404, 301])
def test_an_ill_server_is_not_healthy(status: int) -> None:
    with client(Recorder(no(status))) as forge:
        assert not forge.healthy()


def test_a_silent_server_is_not_healthy() -> None:
    with client(Recorder(httpx.ConnectError("x"))) as forge:
        assert not forge.healthy()


def test_names_are_escaped_whole() -> None:
    network = Recorder(no(404), ok({}))
    with client(network) as forge:
        assert forge.head("o", "r", "feature/../x") is None
    assert network.requests[0].url.raw_path.endswith(b"/branches/feature%2F..%2Fx")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8000/forge", True),
        ("http://[::1]/", True),
        ("http://localhost", True),
        ("http://git.lan", False),
    ],
)
def test_only_loopback_addresses_go_past_the_proxy(url: str, loopback: bool) -> None:
    assert on_this_machine(url) is loopback


# Commits, in the words of either version


@pytest.mark.parametrize("status", [400, 409, 422])
def test_every_form_of_a_stale_file_is_a_conflict(status: int) -> None:
    with client(Recorder(no(status, "sha does not match"))) as forge, pytest.raises(ForgeConflict):
        forge.commit_files("o", "r", "main", CREATE, "m", WHO)


def test_a_commit_sends_author_branch_and_base64() -> None:
    network = Recorder(ok({"commit": {"sha": "c" * 40, "parents": [{"sha": "p" * 40}]}, "files": []}, 201))
    operations = [
        FileOperation("create", "a", b"\0\xff"),
        FileOperation("update", "b", b"b", "1" * 40),
        FileOperation("delete", "c", sha="2" * 40),
    ]
    with client(network) as forge:
        made = forge.commit_files("o", "r", "main", operations, "Why\n\nChange-Id: 1", WHO)
    assert (made.sha, made.parent) == ("c" * 40, "p" * 40)
    sent = json.loads(network.requests[0].content)
    assert sent["author"] == sent["committer"] == {"name": "Alice", "email": "alice@example.org"}
    assert (sent["branch"], sent["message"]) == ("main", "Why\n\nChange-Id: 1")
    assert sent["files"] == [
        {"operation": "create", "path": "a", "content": base64.b64encode(b"\0\xff").decode()},
        {"operation": "update", "path": "b", "content": "Yg==", "sha": "1" * 40},
        {"operation": "delete", "path": "c", "sha": "2" * 40},
    ]


@pytest.mark.parametrize("parents", [None, []])
def test_a_first_commit_has_no_parent(parents: list[str] | None) -> None:
    with client(Recorder(ok({"commit": {"sha": "c" * 40, "parents": parents}}, 201))) as forge:
        assert forge.commit_files("o", "r", "main", CREATE, "m", WHO).parent is None


@pytest.mark.parametrize(
    "operations",
    [[], [FileOperation("update", "a", b"a")], [FileOperation("delete", "a")], [FileOperation("create", "a/../b")]],
    ids=["nothing", "update without sha", "delete without sha", "path out of the tree"],
)
def test_a_bad_commit_is_never_sent(operations: list[FileOperation]) -> None:
    network = Recorder()
    with client(network) as forge, pytest.raises(BadInput):
        forge.commit_files("o", "r", "main", operations, "m", WHO)
    assert network.requests == []


@pytest.mark.parametrize("path", ["a", "a/b.yaml", "production/.gitkeep", ".gitignore", "a b/ü", "a..b", "x" * 500])
def test_ordinary_paths_are_safe(path: str) -> None:
    assert safe_path(path)


@pytest.mark.parametrize("path", ["", ".", "..", "/", "a/", "/a", "a\\b", "a\0", "a/./b", ".Git/x", "x" * 501])
def test_odd_paths_are_not(path: str) -> None:
    assert not safe_path(path)


# Tokens


def token(**more: Any) -> httpx.Response:
    return ok({"id": 7, "name": "t", "sha1": "s" * 40, "scopes": ["read:repository"], **more}, 201)


def test_a_token_that_is_bound_is_returned() -> None:
    network = Recorder(token(repositories=[{"name": "r"}]))
    with client(network) as forge:
        made = forge.create_token("bot", "t", "o", "r")
    assert (made.id, made.name, made.secret, made.bound) == (7, "t", "s" * 40, True)
    sent = json.loads(network.requests[0].content)
    assert sent["scopes"] == ["read:repository"]
    assert sent["repositories"] == [{"owner": "o", "name": "r"}]


def test_a_token_for_everything_is_deleted_at_once_and_told() -> None:
    network = Recorder(token(), httpx.Response(204))
    with client(network) as forge, pytest.raises(ForgeMisconfigured, match="Forgejo 15"):
        forge.create_token("bot", "t", "o", "r")
    assert network.calls[-1] == ("DELETE", "/api/v1/users/bot/tokens/7")


def test_a_token_for_everything_is_kept_where_that_is_allowed() -> None:
    with client(Recorder(token()), allow_broad_tokens=True) as forge:
        assert not forge.create_token("bot", "t", "o", "r").bound


def test_a_refused_token_with_a_new_name_is_no_conflict() -> None:
    with client(Recorder(no(400, "bad"), ok([]))) as forge, pytest.raises(ForgeRejected):
        forge.create_token("bot", "t", "o", "r")


# Repetition and races


def test_an_organisation_made_by_another_process_meanwhile_is_fine() -> None:
    network = Recorder(no(404), no(422, "exists"), ok({}))
    with client(network) as forge:
        forge.ensure_org("o")
    assert [method for method, _ in network.calls] == ["GET", "POST", "GET"]


def test_a_bot_made_by_another_process_meanwhile_is_fine() -> None:
    account = ok({"email": "bot@bots.crontopus.invalid"})
    with client(Recorder(no(404), no(422), account)) as forge:
        forge.ensure_bot("bot")


def test_an_account_that_cannot_be_made_is_told() -> None:
    with (
        client(Recorder(no(404), no(422, "reserved"), no(404))) as forge,
        pytest.raises(ForgeRejected, match="reserved"),
    ):
        forge.ensure_bot("bot")


@pytest.mark.parametrize("email", ["", "x@example.org", "other@bots.crontopus.invalid", "bot@noreply.example"])
def test_an_account_without_our_mark_is_not_ours(email: str) -> None:
    with client(Recorder(ok({"email": email}))) as forge, pytest.raises(ForgeConflict):
        forge.ensure_bot("bot")


def test_an_older_server_is_given_the_hook_type_it_knows() -> None:
    network = Recorder(ok([]), no(422, "Invalid hook type: forgejo"), ok({"id": 3}, 201))
    with client(network) as forge:
        assert forge.ensure_webhook("o", "r", "http://x/", "s") == 3
    assert [json.loads(request.content)["type"] for request in network.requests[1:]] == ["forgejo", "gitea"]


def test_a_hook_is_looked_for_on_every_page() -> None:
    others = [{"id": number, "config": {"url": "http://other/"}} for number in range(50)]
    old = {"id": 99, "config": {"url": "http://x/"}}
    network = Recorder(ok(others), ok([old]), ok({"id": 100}, 201), httpx.Response(204))
    with client(network) as forge:
        assert forge.ensure_webhook("o", "r", "http://x/", "s") == 100
    assert network.calls[-1] == ("DELETE", "/api/v1/repos/o/r/hooks/99")


# Reading, in the words of either version


@pytest.mark.parametrize("status", [404, 500])
def test_a_file_of_an_empty_repository_is_none_in_either_version(status: int) -> None:
    with client(Recorder(no(status), ok({"empty": True}))) as forge:
        assert forge.file_at("o", "r", "a", "main") is None


def test_a_file_that_the_server_fails_to_read_is_not_taken_for_missing() -> None:
    with client(Recorder(no(500), ok({"empty": False}))) as forge, pytest.raises(ForgeUnavailable):
        forge.file_at("o", "r", "a", "main")


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_the_call_for_many_blobs_is_asked_one_by_one(status: int) -> None:
    blob = {"content": "YQ==", "size": 1}
    network = Recorder(no(status), ok(blob | {"sha": "1" * 40}), ok(blob | {"sha": "2" * 40}))
    with client(network) as forge:
        assert forge.blobs("o", "r", ["1" * 40, "2" * 40]) == {"1" * 40: b"a", "2" * 40: b"a"}


def test_a_blob_that_the_server_holds_back_is_left_out() -> None:
    blobs = [{"content": "", "size": 11 << 20, "sha": "1" * 40}, {"content": "YQ==", "size": 1, "sha": "2" * 40}]
    with client(Recorder(ok(blobs))) as forge:
        assert forge.blobs("o", "r", ["1" * 40, "2" * 40]) == {"2" * 40: b"a"}


def test_pages_of_a_tree_are_read_at_one_commit() -> None:
    def page(number: int) -> httpx.Response:
        entry = {"path": f"{number}", "sha": "b" * 40, "size": 1, "mode": "100644", "type": "blob"}
        folder = {"path": "dir", "sha": "d" * 40, "size": 0, "mode": "040000", "type": "tree"}
        return ok({"sha": "c" * 40, "tree": [entry, folder], "truncated": True, "total_count": 1500})

    network = Recorder(page(1), page(2))
    with client(network) as forge:
        assert [entry.path for entry in forge.tree("o", "r", "main")] == ["1", "2"]
    assert [request.url.path.rsplit("/", 1)[1] for request in network.requests] == ["main", "c" * 40]


def test_a_tree_without_entries_is_empty() -> None:
    with client(Recorder(ok({"sha": "c" * 40, "tree": None, "total_count": 0}))) as forge:
        assert forge.tree("o", "r", "main") == []
