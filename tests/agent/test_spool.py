"""The spool: sent in order, deleted only after an answer, limited in size."""

from __future__ import annotations

import json
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import spool
from agent.answers import Answer
from agent.errors import Revoked, ServerAway


def ours(status: int, body: Any) -> Answer:
    return Answer(status, {"crontopus-api": "1"}, body if isinstance(body, bytes) else json.dumps(body).encode())


def error(status: int, code: str) -> Answer:
    return ours(status, {"detail": f"Error {status}", "code": code})


class Server:
    """A function in place of the server: stores each batch and answers it; ``script`` holds answers that come first."""

    def __init__(self, *script: int | bytes | Answer) -> None:
        self.script = list(script)
        self.batches: list[list[dict[str, Any]]] = []
        self.poison: set[int] = set()
        self.refused: set[int] = set()

    def __call__(self, body: bytes) -> Answer:
        checkins = json.loads(body)
        self.batches.append(checkins)
        answer = self.script.pop(0) if self.script else 200
        if isinstance(answer, Answer):
            return answer
        if isinstance(answer, bytes):
            return ours(200, answer)
        if any(one["seq"] in self.poison for one in checkins):
            return error(422, "bad_input")
        if answer != 200:
            return error(answer, "error")
        states = ["refused" if one["seq"] in self.refused else "success" for one in checkins]
        return ours(200, [{"run_id": "r", "state": state, "duplicate": False} for state in states])

    def numbers(self) -> list[int]:
        return [one["seq"] for batch in self.batches for one in batch]


def put(folder: Path, number: int, kind: str = "success", output: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    body: dict[str, Any] = {"id": str(uuid.uuid4()), "run_id": "r", "kind": kind, "seq": number}
    if output is not None:
        body["output"] = {"head": output[: len(output) // 2], "tail": output[len(output) // 2 :], "lost_bytes": 3}
    path = folder / f"{number:020d}-{body['id']}.json"
    path.write_text(json.dumps(body))
    return path


def names(folder: Path) -> list[int]:
    return [int(path.name[:20]) for path in spool.waiting(folder)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def test_an_empty_spool_asks_nobody(folder: Path) -> None:
    server = Server()
    assert spool.replay(folder, server) == 0
    assert server.batches == []


def test_what_waits_is_sent_in_its_order_and_then_gone(folder: Path) -> None:
    for number in (30, 4, 200, 100):
        put(folder, number)
    server = Server()
    assert spool.replay(folder, server) == 4
    assert server.numbers() == [4, 30, 100, 200]
    assert names(folder) == []


def test_batches_hold_at_most_five_hundred(folder: Path) -> None:
    for number in range(1001):
        put(folder, number)
    server = Server()
    assert spool.replay(folder, server) == 1001
    assert [len(batch) for batch in server.batches] == [500, 500, 1]
    assert server.numbers() == list(range(1001))


def test_batches_are_bounded_in_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        put(folder, number, output="x" * 3_000_000)
    server = Server()
    assert spool.replay(folder, server) == 4
    assert [len(batch) for batch in server.batches] == [2, 2]


@pytest.mark.parametrize("status", [301, 403, 404, 405, 408, 425, 429, 500, 502, 503])
def test_an_answer_that_says_come_again_keeps_all_and_stops(status: int, folder: Path) -> None:
    for number in range(600):
        put(folder, number)
    server = Server(200, status)
    with pytest.raises(ServerAway, match=str(status)):
        spool.replay(folder, server)
    assert names(folder) == list(range(500, 600))
    assert len(server.batches) == 2


def test_a_dead_token_keeps_all(folder: Path) -> None:
    put(folder, 1)
    with pytest.raises(Revoked):
        spool.replay(folder, Server(error(401, "bad_token")))
    assert names(folder) == [1]


OTHERS = b'[{"run_id": "of-another", "state": "success"}]'


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b"null", b"[1]", b'[{"run_id": "r"}]', b"\xff", OTHERS])
def test_somebody_elses_answer_keeps_all(answer: bytes, folder: Path) -> None:
    put(folder, 1)
    with pytest.raises(ServerAway):
        spool.replay(folder, Server(answer))
    assert names(folder) == [1]


def test_one_that_is_refused_is_put_aside_and_stops_none_of_the_others(folder: Path) -> None:
    for number in range(5):
        put(folder, number)
    server = Server()
    server.refused = {2}
    assert spool.replay(folder, server) == 4
    assert (names(folder), names(folder / "refused")) == ([], [2])


def test_one_that_spoils_its_batch_is_found(folder: Path) -> None:
    for number in range(9):
        put(folder, number)
    server = Server()
    server.poison = {3, 8}
    assert spool.replay(folder, server) == 7
    assert (names(folder), names(folder / "refused")) == ([], [3, 8])


class Firewall:
    """A firewall before the server that objects to check-ins of these numbers if they have output, or to all."""

    def __init__(self, server: Server, numbers: set[int], status: int = 403) -> None:
        self.server, self.numbers, self.status = server, numbers, status
        self.requests = 0

    def __call__(self, body: bytes) -> Answer:
        self.requests += 1
        if any(one["seq"] in self.numbers and one.get("output", {}).get("head") for one in json.loads(body)):
            return Answer(self.status, {"content-type": "text/html"}, b"<h1>Forbidden</h1>")
        return self.server(body)


@pytest.mark.parametrize("status", [403, 406, 413])
def test_an_output_that_a_firewall_blocks_is_left_out_and_holds_up_no_other(status: int, folder: Path) -> None:
    for number in range(20):
        put(folder, number, "fail", "/etc/passwd")
    server = Server()
    assert spool.replay(folder, Firewall(server, {7, 12}, status)) == 20
    assert (names(folder), server.numbers()) == ([], list(range(20)))
    sent = {one["seq"]: one["output"] for batch in server.batches for one in batch}
    assert sent[7] == sent[12] == {"head": "", "tail": "", "lost_bytes": 14}
    assert sent[8]["head"] == "/etc/"


def test_a_damaged_file_is_put_aside(folder: Path) -> None:
    put(folder, 1)
    for number, damage in enumerate((b"", b"{", b"[]", b"\xff\xfe", b"7"), 2):
        (folder / f"{number:020d}-x.json").write_bytes(damage)
    assert spool.replay(folder, Server()) == 1
    assert (names(folder), names(folder / "refused")) == ([], [2, 3, 4, 5, 6])


def test_few_refused_ones_are_kept(folder: Path) -> None:
    for number in range(spool.REFUSED_KEPT + 5):
        spool.refuse(put(folder, number))
    assert names(folder / "refused") == list(range(5, spool.REFUSED_KEPT + 5))


def test_files_of_others_are_left_alone(folder: Path) -> None:
    young, old = folder / ".00000000000000000001-x.json", folder / ".00000000000000000002-x.json"
    for path in (young, old, folder / ".seq"):
        path.write_text("half")
    yesterday = time.time() - 86400
    os.utime(old, (yesterday, yesterday))
    os.utime(folder / ".seq", (yesterday, yesterday))
    assert spool.replay(folder, Server()) == 0
    assert sorted(path.name for path in folder.iterdir()) == [young.name, ".seq"]


def test_a_check_in_that_the_runner_sent_meanwhile_is_no_trouble(folder: Path) -> None:
    path = put(folder, 1)

    def post(body: bytes) -> Answer:
        path.unlink()
        return Server()(body)

    assert spool.replay(folder, post) == 1


# -- bounds ----------------------------------------------------------------------------------------


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in spool.waiting(folder))


def bodies(folder: Path) -> dict[int, dict[str, Any]]:
    return {body["seq"]: body for body in (json.loads(path.read_bytes()) for path in spool.waiting(folder))}


def test_within_the_bound_nothing_is_touched(folder: Path) -> None:
    put(folder, 1, output="x" * 1000)
    assert spool.bound(folder, size(folder)) == 0
    assert bodies(folder)[1]["output"]["head"] == "x" * 500


def test_output_of_old_successes_goes_first(folder: Path) -> None:
    put(folder, 1, "fail", "f" * 1000)
    for number in (2, 3, 4):
        put(folder, number, "success", "ä" * 500)
    assert spool.bound(folder, size(folder) - 1500) > 0
    kept = bodies(folder)
    assert [len(kept[number]["output"]["head"]) for number in (1, 2, 3, 4)] == [500, 0, 250, 250]
    assert kept[2]["output"] == {"head": "", "tail": "", "lost_bytes": 1003}


def test_then_output_of_failures_then_starts_and_outcomes_last(folder: Path) -> None:
    put(folder, 1, "start")
    put(folder, 2, "fail", "f" * 1000)
    put(folder, 3, "start")
    put(folder, 4, "success", "s" * 1000)
    spool.bound(folder, 700)
    assert list(bodies(folder)) == [1, 2, 3, 4]
    assert all(body.get("output", {}).get("head", "") == "" for body in bodies(folder).values())
    spool.bound(folder, size(folder) - 1)
    assert list(bodies(folder)) == [2, 3, 4]
    spool.bound(folder, size(folder) - 1)
    assert list(bodies(folder)) == [2, 4]
    spool.bound(folder, size(folder) - 1)
    assert list(bodies(folder)) == [4]


@given(
    st.lists(st.tuples(st.sampled_from(["start", "success", "fail", "skipped"]), st.integers(0, 400)), max_size=12),
    st.integers(0, 4000),
)
def test_the_bound_holds_and_no_outcome_goes_before_all_else(checkins: list[tuple[str, int]], limit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (kind, length) in enumerate(checkins):
            put(folder, number, kind, "x" * length if kind != "start" else None)
        spool.bound(folder, limit)
        assert size(folder) <= limit
        kept = bodies(folder)
        lost = {number for number, (kind, _) in enumerate(checkins) if kind != "start" and number not in kept}
        if lost:
            assert all(body["kind"] != "start" and body["output"]["head"] == "" for body in kept.values())
            assert max(lost) < min(kept, default=len(checkins))
