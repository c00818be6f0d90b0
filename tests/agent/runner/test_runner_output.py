"""The command's output: passed on byte for byte, head and tail kept, the command never blocked."""

from __future__ import annotations

import os
import resource
import signal
import subprocess

import pytest

from tests.agent.runner.conftest import JOB, RunnerHost, alive, read_pid, wait_for


def test_both_streams_pass_through_byte_for_byte(host: RunnerHost) -> None:
    host.job(r"printf 'a\0\377\033[31m\t\r\n'; printf '\376\n' >&2")
    done = host.run()
    assert (done.stdout, done.stderr) == (b"a\0\xff\x1b[31m\t\r\n", b"\xfe\n")
    kept = host.waiting("success")["output"]
    assert "a\0\ufffd\x1b[31m\t\r\n" in kept["head"]
    assert kept["lost_bytes"] == 0


def test_mail_drop_keeps_cron_silent_and_the_output_known(host: RunnerHost) -> None:
    host.job("echo out; echo err >&2", checkin={"mail": "drop"})
    done = host.run()
    assert (done.stdout, done.stderr) == (b"", b"")
    assert sorted(host.waiting("success")["output"]["head"].split()) == ["err", "out"]


def test_head_and_tail_are_kept_and_what_fell_out_is_counted(host: RunnerHost) -> None:
    host.job("seq 1 10000", checkin={"head": 10, "tail": 12})
    done = host.run()
    assert len(done.stdout) == 48894
    kept = host.waiting("success")["output"]
    assert kept == {
        "head": "1\n2\n3\n4\n5\n",
        "tail": "9999\n10000\n"[-12:],
        "lost_bytes": 48894 - 10 - 11,
    } or kept == {
        "head": "1\n2\n3\n4\n5\n",
        "tail": "\n9999\n10000\n",
        "lost_bytes": 48894 - 22,
    }


@pytest.mark.parametrize(("head", "tail"), [(0, 0), (0, 4), (4, 0)])
def test_either_end_may_be_off(head: int, tail: int, host: RunnerHost) -> None:
    host.job("echo 123456789", checkin={"head": head, "tail": tail})
    host.run()
    kept = host.waiting("success")["output"]
    assert kept == {"head": "1234"[:head], "tail": "789\n"[:tail], "lost_bytes": 10 - head - tail}


@pytest.mark.parametrize("head", range(8))
def test_a_character_is_never_cut_in_two(head: int, host: RunnerHost) -> None:
    text = "äß€😀-end\n"
    host.job(f"printf '{text[:-1]}\\n'", checkin={"head": head, "tail": 100})
    host.run()
    kept = host.waiting("success")["output"]
    assert (kept["head"] + kept["tail"], kept["lost_bytes"]) == (text, 0)


@pytest.mark.parametrize("size", range(1, 9))
def test_cut_characters_at_the_gap_are_counted_as_lost(size: int, host: RunnerHost) -> None:
    host.job("printf '%s' '" + "€" * 50 + "'", checkin={"head": size, "tail": size})
    host.run()
    kept = host.waiting("success")["output"]
    assert set(kept["head"] + kept["tail"]) <= {"€"}
    assert len((kept["head"] + kept["tail"]).encode()) + kept["lost_bytes"] == 150


def test_output_that_swells_as_json_is_cut_to_what_a_server_takes(host: RunnerHost) -> None:
    host.job("head -c 600000 /dev/zero", checkin={"head": 300_000, "tail": 300_000})
    host.run()
    finish = host.waiting("success")
    largest = max(path.stat().st_size for path in host.spool.glob("[0-9]*.json"))
    assert largest < 1_000_000
    assert 0 < len(finish["output"]["head"]) < 300_000
    assert sum(len(finish["output"][end]) for end in ("head", "tail")) + finish["output"]["lost_bytes"] == 600_000


def test_a_gigabyte_needs_little_memory(host: RunnerHost) -> None:
    host.job("head -c 1000000000 /dev/zero")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with open(os.devnull, "wb") as null:
        process = host.start(stdout=null)
        peak = 0
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
        process.communicate()
    assert process.returncode == 0
    assert 0 < peak < 32 * 1024
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >= before
    kept = host.waiting("success")["output"]
    assert kept["lost_bytes"] == 1_000_000_000 - 65536


def resident(process: int) -> int:
    """The peak memory of the process in KiB; 0 after its end."""
    try:
        with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("VmHWM")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def test_a_reader_that_goes_away_does_not_stop_the_job(host: RunnerHost) -> None:
    host.job("seq 1 200000; echo x > after; exit 4")
    with host.start() as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(30) == 4
    assert host.file("after").exists()
    assert host.waiting("fail")["output"]["tail"].endswith("200000\n")


def test_a_reader_that_stalls_does_not_suspend_the_limits(host: RunnerHost) -> None:
    host.job("exec seq 1 100000000", checkin={"max_runtime_s": 0.3, "kill_grace_s": 0})
    with host.start() as process:
        finish = host.waiting("fail")
        assert finish["timed_out"] is True
        assert finish["output"]["lost_bytes"] >= 0
        process.communicate(timeout=30)
        assert process.returncode in (128 + signal.SIGTERM, 128 + signal.SIGKILL)


def test_closed_standard_files_do_no_harm(host: RunnerHost) -> None:
    host.job("echo lost; echo x > ran")
    done = subprocess.run(["/bin/sh", "-c", f"exec {host.runner} {JOB} <&- >&- 2>&-"], env=host.environment, timeout=30)
    assert done.returncode == 0
    assert host.file("ran").exists()
    assert host.waiting("success")["output"]["head"] == "lost\n"


def test_the_input_is_the_commands(host: RunnerHost) -> None:
    host.job("cat")
    done = subprocess.run([str(host.runner), JOB], input=b"from cron\n", capture_output=True, env=host.environment)
    assert done.stdout == b"from cron\n"


def test_a_background_process_neither_holds_the_run_nor_loses_its_voice(host: RunnerHost) -> None:
    host.job("(echo $$ > pid; read go < gate; echo late) & echo early; exit 6")
    os.mkfifo(host.file("gate"))
    with host.start() as process:
        assert process.wait(30) == 6
        assert host.waiting("fail")["output"]["head"] == "early\n"
        with host.file("gate").open("w") as gate:
            gate.write("go\n")
        out, _ = process.communicate(timeout=30)
    assert out == b"early\nlate\n"


def test_nothing_of_ours_holds_crons_pipe_open(host: RunnerHost, stalled: str) -> None:
    host.connect(stalled)
    host.job("echo done")
    assert host.run().stdout == b"done\n"
    assert host.waiting("success")


def test_the_command_does_not_ignore_what_python_ignores(host: RunnerHost) -> None:
    host.job("grep SigIgn /proc/self/status; yes | head -n 1; kill -PIPE $$")
    done = host.run()
    assert done.returncode == 128 + signal.SIGPIPE
    assert int(done.stdout.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


def test_a_hangup_ignored_before_stays_ignored(host: RunnerHost) -> None:
    host.job("kill -HUP $$; echo $$ > pid; exit 0")
    line = f"trap '' HUP; exec {host.runner} {JOB}"
    done = subprocess.run(["/bin/sh", "-c", line], env=host.environment, stdin=subprocess.DEVNULL, timeout=30)
    assert done.returncode == 0
    assert wait_for(lambda: not alive(read_pid(host.file("pid"))))
