"""With a broken network or a full disk, the job starts at once, keeps its exit code, and no check-in is lost."""

from __future__ import annotations

import json
import resource
import socket
import time
from typing import Any

import pytest

from tests.agent.foreign import ANSWERS, ENDLESS, Foreign, drips, floods, foreign, serving
from tests.agent.runner.conftest import JOB, FarEnd, RunnerHost, wait_for


def test_both_check_ins_arrive_and_leave_the_spool(host: RunnerHost, far: FarEnd) -> None:
    host.connect(far.url)
    host.job("echo told")
    host.run()
    assert far.checkin("success")["output"]["head"] == "told\n"
    wait_for(lambda: not host.spooled())
    assert far.kinds() == ["start", "success"]
    assert set(far.paths) == {"/api/checkins"}
    assert set(far.authorizations) == {"Bearer ep_secret"}


def test_the_start_is_told_while_the_command_runs(host: RunnerHost, far: FarEnd) -> None:
    host.connect(far.url)
    host.job("read go")
    with host.start(stdin=-1) as process:
        start = far.checkin("start")
        assert far.kinds() == ["start"]
        assert process.poll() is None
        process.communicate(b"go\n", timeout=30)
    assert far.checkin("success")["run_id"] == start["run_id"]


def test_a_path_before_the_api_is_kept(host: RunnerHost, far: FarEnd) -> None:
    host.connect(far.url + "/crontopus/")
    host.job("true")
    host.run()
    far.checkin("success")
    assert set(far.paths) == {"/crontopus/api/checkins"}


def test_a_proxy_of_the_environment_is_not_used(host: RunnerHost, far: FarEnd, dead: str) -> None:
    host.environment.update(http_proxy=dead, HTTP_PROXY=dead, all_proxy=dead)
    host.connect(far.url)
    host.job("true")
    host.run()
    assert far.checkin("success")


@pytest.mark.parametrize(("login", "header"), [("", None), ("ana:p%40ss@", "Basic YW5hOnBAc3M=")])
def test_the_agents_proxy_is_asked_for_the_whole_address(
    login: str, header: str | None, host: RunnerHost, far: FarEnd
) -> None:
    host.connect("http://control-plane.invalid/c", proxy=far.url.replace("//", f"//{login}"))
    host.job("true")
    host.run()
    far.checkin("success")
    assert set(far.paths) == {"http://control-plane.invalid/c/api/checkins"}
    assert set(far.proxy_authorizations) == {header}
    assert set(far.authorizations) == {"Bearer ep_secret"}


def test_an_https_server_is_reached_through_a_tunnel(host: RunnerHost) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        host.connect("https://control-plane.invalid", proxy=f"http://127.0.0.1:{server.getsockname()[1]}")
        host.job("true")
        host.run()
        peer, _ = server.accept()
        with peer:
            heard.append(peer.recv(65536))
            peer.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
    assert heard[0].startswith(b"CONNECT control-plane.invalid:443 ")
    assert b"ep_secret" not in heard[0]


@pytest.mark.parametrize("end", ["stalled", "dead"])
def test_a_far_end_that_does_not_answer_delays_nothing(
    end: str, host: RunnerHost, request: pytest.FixtureRequest
) -> None:
    host.connect(request.getfixturevalue(end))
    host.job("date +%s.%N")
    before, clock = time.time(), time.monotonic()
    done = host.run()
    assert float(done.stdout) - before < 2
    assert time.monotonic() - clock < 4
    assert done.returncode == 0
    assert host.kinds(2) == ["start", "success"]


def test_a_resolver_that_knows_nothing_delays_nothing(host: RunnerHost) -> None:
    host.connect("http://control-plane.invalid")
    host.job("exit 5")
    assert host.run().returncode == 5
    assert host.waiting("fail")


@pytest.mark.parametrize("connection", [None, "", "{}", '{"url": 7, "token": null}', '{"url": "", "token": ""}'])
def test_a_missing_or_damaged_connection_only_spools(connection: str | None, host: RunnerHost) -> None:
    path = host.folder / "runner.json"
    path.unlink() if connection is None else path.write_text(connection)
    host.job("exit 5")
    done = host.run()
    assert (done.returncode, done.stderr) == (5, b"")
    assert host.waiting("fail")


@pytest.mark.parametrize("status", [301, 401, 403, 408, 429, 500, 503])
def test_an_answer_that_says_come_again_keeps_the_file(status: int, host: RunnerHost, far: FarEnd) -> None:
    far.status = status
    host.connect(far.url)
    host.job("true")
    host.run()
    far.checkin("success")
    assert host.kinds(2) == ["start", "success"]
    assert not (host.spool / "refused").exists()


@pytest.mark.parametrize(("status", "code"), [(409, "conflict"), (413, "too_large"), (422, "bad_input")])
def test_what_is_refused_for_good_is_put_aside(status: int, code: str, host: RunnerHost, far: FarEnd) -> None:
    far.status, far.code = status, code
    host.connect(far.url)
    host.job("true")
    host.run()
    wait_for(lambda: len(list((host.spool / "refused").glob("*.json"))) == 2)
    assert host.spooled() == []


@pytest.mark.parametrize("name", ANSWERS)
def test_somebody_elses_answer_keeps_the_files(name: str, host: RunnerHost) -> None:
    host.job("exit 3")
    with foreign(name) as proxy:
        host.connect(proxy.url)
        assert host.run().returncode == 3
        assert host.kinds(2) == ["start", "fail"]
        wait_for(lambda: proxy.talks)
        assert len(proxy.bodies) > 0
    assert host.kinds(2) == ["start", "fail"]
    assert not (host.spool / "refused").exists()


@pytest.mark.parametrize("then", [drips, floods])
def test_an_answer_without_an_end_is_given_up(then: Any, host: RunnerHost) -> None:
    host.job("exit 3")
    with serving(Foreign(ENDLESS, then)) as proxy:
        host.connect(proxy.url)
        assert host.run().returncode == 3
        wait_for(lambda: proxy.bodies)
    assert host.kinds(2) == ["start", "fail"]


def test_numbers_rise_over_runs_and_survive_a_lost_counter(host: RunnerHost) -> None:
    host.job("true")
    for _ in range(3):
        host.run()
    (host.spool / ".seq").write_text("rubbish")
    host.run()
    assert host.kinds(8) == ["start", "success"] * 4
    assert len({body["seq"] for body in host.spooled()}) == 8


def test_numbers_never_fall_behind_the_counter(host: RunnerHost) -> None:
    ahead = 2**42
    (host.spool / ".seq").write_text(f"{ahead:020d}")
    host.job("true")
    host.run()
    assert host.kinds(2) == ["start", "success"]
    assert [body["seq"] for body in host.spooled()] == [ahead + 1, ahead + 2]


def test_many_at_once_have_numbers_of_their_own(host: RunnerHost) -> None:
    host.job("true")
    processes = [host.start("--manual", JOB) for _ in range(10)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    wait_for(lambda: len(host.spooled()) == 20)
    assert len({body["seq"] for body in host.spooled()}) == 20
    assert len({body["run_id"] for body in host.spooled()}) == 10


def fill(host: RunnerHost, count: int, size: int) -> None:
    """Creates sparse files, which need no disk space but have a size."""
    for number in range(count):
        with (host.spool / f"{number:020d}-old.json").open("wb") as file:
            file.truncate(size)


def told(host: RunnerHost) -> dict[str, Any]:
    own = [path for path in host.spool.glob("*.json") if not path.name.endswith("-old.json")]
    bodies = [json.loads(path.read_bytes()) for path in own]
    return next(body for body in bodies if body["kind"] == "success")


@pytest.mark.parametrize(("size", "kept"), [(800_000, "printed\n"), (900_000, "")])
def test_a_spool_above_its_bounds_takes_no_more_output(size: int, kept: str, host: RunnerHost) -> None:
    fill(host, 80, size)
    host.job("echo printed")
    assert host.run().stdout == b"printed\n"
    output = told(host)["output"]
    assert (output["head"], output["lost_bytes"]) == (kept, 8 - len(kept))


def test_a_full_spool_sends_the_output_all_the_same(host: RunnerHost, far: FarEnd) -> None:
    fill(host, 80, 900_000)
    host.connect(far.url)
    host.job("echo printed")
    host.run()
    assert far.checkin("success")["output"]["head"] == "printed\n"


def full_disk() -> None:
    """Limits the size of files to zero, like a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_on_a_full_disk_the_job_runs_and_the_network_still_tells(host: RunnerHost, far: FarEnd) -> None:
    host.connect(far.url)
    host.job("echo here; exit 4", concurrency="forbid")
    done = host.run(preexec_fn=full_disk)
    assert (done.returncode, done.stdout) == (4, b"here\n")
    finish = far.checkin("fail")
    assert (finish["output"]["head"], finish["exit_code"], bool(finish["started_at"])) == ("here\n", 4, True)
    assert list(host.spool.glob("*.json")) == []


def test_on_a_full_disk_without_a_network_the_code_stands(host: RunnerHost) -> None:
    host.job("echo here; exit 4")
    done = host.run(preexec_fn=full_disk)
    assert (done.returncode, done.stdout, done.stderr) == (4, b"here\n", b"")
    assert [path.name for path in host.spool.iterdir() if path.name != ".seq"] == []


def test_when_only_a_little_room_is_left_the_outcome_goes_first(host: RunnerHost) -> None:
    host.job("head -c 50000 /dev/zero | tr '\\0' x; exit 4")
    little = (4096, 4096)
    host.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, little))
    finish = host.waiting("fail")
    assert (finish["exit_code"], finish["output"]) == (4, None)


def test_without_a_spool_folder_the_code_stands(host: RunnerHost, far: FarEnd) -> None:
    host.spool.rmdir()
    host.connect(far.url)
    host.job("exit 4")
    assert host.run(JOB).returncode == 4
    assert far.checkin("fail")["exit_code"] == 4
