"""``crontopus-server up`` as a user meets it: starting, being hurt, ending, refusing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from crontopus_app.programs import frontend
from tests.fixtures.processes import free_port, running, wait_until
from tests.fixtures.served import SERVER, Served, answers, environment

pytestmark = pytest.mark.usefixtures("built")


@dataclass
class Up:
    """A running ``up`` that tests may hurt."""

    process: subprocess.Popen[bytes]
    home: Path
    bind: str
    log: Path

    @property
    def url(self) -> str:
        return f"http://{self.bind}"

    def pid(self, name: str) -> int:
        """The process id of the child that was started last under this name."""
        return int(re.findall(rf"spawned: '{name}' with pid (\d+)", self.log.read_text())[-1])


def processes_of(home: Path) -> dict[int, str]:
    """Every process whose environment names this data folder, with its command line: children inherit it."""
    mark = f"CRONTOPUS_HOME={home}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended while we looked, or is another user's
    return found


@contextmanager
def up_in(folder: Path, **settings: str) -> Iterator[Up]:
    """``up`` in a data folder, until all its parts answer."""
    bind = f"127.0.0.1:{free_port()}"
    log = folder / "log"
    with running([*SERVER, "up"], log, env={**environment(folder / "home", bind), **settings}) as process:
        up = Up(process, folder / "home", bind, log)
        wait_until(lambda: ready(up), f"`up` to be ready, see {log}", 150)
        yield up


def ready(up: Up) -> bool:
    assert up.process.poll() is None, up.log.read_text()
    return "Crontopus is ready" in up.log.read_text()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for the unix socket; gone after the test."""
    made = Path(tempfile.mkdtemp(prefix="cr-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One ``up`` whose children the tests of this module kill."""
    made = Path(tempfile.mkdtemp(prefix="cr-"))
    with up_in(made) as up:
        yield up
    shutil.rmtree(made)


def refusal(bind: str, home: Path, **more: str) -> str:
    """What ``up`` says when it refuses to start; a traceback is no sentence."""
    done = subprocess.run(
        [*SERVER, "up"],
        env={**environment(home, bind), **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_everything_is_served_on_one_port(served: Served) -> None:
    with httpx.Client(base_url=served.url, timeout=20) as http:
        assert http.get("/healthz").json() == {"ok": True}
        wait_until(lambda: http.get("/readyz").status_code == 200, "all parts to answer")
        page = http.get("/")
        assert "text/html" in page.headers["content-type"]
        assert http.get("/api/openapi.json").json()["info"]["title"] == "Crontopus"
        assert http.get("/forge/api/v1/user").status_code == 401
        assert http.get("/operator/rq/").headers["location"] == "/login"


def test_another_sites_page_is_told_nothing(served: Served) -> None:
    evil = {"Origin": "https://evil.example"}
    answer = httpx.get(f"{served.url}/healthz", headers=evil)
    assert "access-control-allow-origin" not in answer.headers
    upgrade = {**evil, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    refused = httpx.get(
        f"{served.url}/_event/?EIO=4&transport=websocket", headers={**upgrade, "Sec-WebSocket-Key": "x" * 22 + "=="}
    )
    assert refused.status_code in {400, 403}


def test_the_data_folder_is_its_owners_alone(served: Served) -> None:
    assert served.home.stat().st_mode & 0o077 == 0
    assert (served.home / "crontopus.db").exists()


@pytest.mark.parametrize("name", ["web", "worker", "redis"])
def test_a_child_killed_with_9_comes_back_and_leaves_nothing_behind(hurt: Up, name: str) -> None:
    killed = hurt.pid(name)
    before = set(processes_of(hurt.home))
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: hurt.pid(name) != killed, f"{name} to be started again")
    wait_until(lambda: _ready_again(hurt), "all parts to answer again")
    assert f"exited: {name} (terminated by SIGKILL; not expected)" in hurt.log.read_text()
    wait_until(lambda: len(processes_of(hurt.home)) == len(before), "as many processes as before")


def _ready_again(up: Up) -> bool:
    try:
        return httpx.get(f"{up.url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_no_process_behind(folder: Path, sign: signal.Signals) -> None:
    with up_in(folder) as up:
        assert len(processes_of(up.home)) >= 4
        up.process.send_signal(sign)
        assert up.process.wait(20) == 0
        wait_until(lambda: not processes_of(up.home), f"no process to be left: {processes_of(up.home)}", 5)
        assert up.log.read_text().endswith("Crontopus has stopped.\n")


def test_even_killed_with_9_it_leaves_no_process_behind(folder: Path) -> None:
    with up_in(folder) as up:
        up.process.kill()
        wait_until(lambda: not processes_of(up.home), "its children to notice", 20)


def built_files() -> dict[Path, int]:
    """When each file of the console was written, and the stamp that says what it was made from."""
    files = [*(frontend.ROOT / ".web" / "build").rglob("*"), frontend.ROOT / ".web" / "crontopus-stamp"]
    return {file: file.stat().st_mtime_ns for file in files}


def test_a_start_on_new_and_on_old_data_builds_nothing(folder: Path) -> None:
    before = built_files()
    for _ in range(2):
        with up_in(folder) as up:
            assert answers(up.url)
        up.log.unlink()
    assert built_files() == before


def test_every_embedded_part_can_be_replaced(folder: Path, redis_url: str, empty_postgres_url: str) -> None:
    """PostgreSQL, a Redis that runs already, and a forge of its own, at once."""
    forge = f"127.0.0.1:{free_port()}"
    admin = {"CRONTOPUS_FORGEJO_ADMIN_USER": "svc-root", "CRONTOPUS_FORGEJO_ADMIN_PASSWORD": "forge-password"}
    command = [*SERVER, "forge", "--bind", forge, "--home", str(folder / "forge")]
    with running(command, folder / "forge.log", env={**environment(folder / "unused", forge), **admin}):
        configured = {
            **admin,
            "CRONTOPUS_FORGEJO_URL": f"http://{forge}/forge",
            "CRONTOPUS_DATABASE_URL": empty_postgres_url,
            "CRONTOPUS_REDIS_URL": redis_url,
        }
        with up_in(folder, **configured) as up:
            assert httpx.get(f"{up.url}/readyz").status_code == 200
            assert "'redis'" not in up.log.read_text()
            assert not (up.home / "crontopus.db").exists()
            assert httpx.get(f"{up.url}/forge/api/v1/user").status_code != 401, "the embedded forge is served"
            doctor = subprocess.run(
                [*SERVER, "doctor"],
                env={**environment(up.home, up.bind), **configured},
                capture_output=True,
                check=False,
            )
            assert doctor.returncode == 0, doctor.stdout
            assert b"embedded" not in doctor.stdout
    with psycopg.connect(empty_postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM tenant").fetchone() == (0,)


def test_a_server_behind_a_proxy_says_how_its_operator_is_made(folder: Path) -> None:
    with up_in(folder, CRONTOPUS_PUBLIC_URL="https://cron.example.org", CRONTOPUS_TRUSTED_PROXIES="127.0.0.1") as up:
        wait_until(lambda: "crontopus-server admin grant NAME" in up.log.read_text(), "the sentence")
        form = {"username": "stranger", "email": "stranger@example.org", "password": "correct horse battery"}
        proxied = {"X-Forwarded-For": "203.0.113.9"}
        made = httpx.post(f"{up.url}/api/auth/register", json=form, headers=proxied, timeout=20)
        assert made.json()["role"] == "user"


def test_a_second_up_on_the_same_data_is_refused(served: Served) -> None:
    assert "is using" in refusal(f"127.0.0.1:{free_port()}", served.home)


def test_a_taken_port_is_refused(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        assert "CRONTOPUS_BIND" in refusal(bind, folder / "home")
    assert not processes_of(folder / "home")


def test_a_data_folder_that_cannot_be_written_is_refused(folder: Path) -> None:
    (folder / "home").write_text("a file")
    said = refusal(f"127.0.0.1:{free_port()}", folder / "home")
    assert "is not writable" in said
    assert "CRONTOPUS_HOME" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("crontopus.db", b"half written " * 500, "Restore it from a backup"),
        ("secrets/secret_key", b"", "Delete it and start again"),
    ],
)
def test_a_half_written_data_folder_is_refused_with_what_to_do(
    folder: Path, name: str, content: bytes, said: str
) -> None:
    (folder / "home" / name).parent.mkdir(parents=True)
    (folder / "home" / name).write_bytes(content)
    assert said in refusal(f"127.0.0.1:{free_port()}", folder / "home")


def test_a_data_folder_whose_socket_would_have_too_long_a_name_is_refused(folder: Path) -> None:
    assert "Set CRONTOPUS_HOME to a shorter path" in refusal(f"127.0.0.1:{free_port()}", folder / ("x" * 100))


def test_a_misspelt_setting_is_refused(folder: Path) -> None:
    said = refusal(f"127.0.0.1:{free_port()}", folder / "home", CRONTOPUS_DATABSE_URL="sqlite://")
    assert "Did you mean CRONTOPUS_DATABASE_URL?" in said


def test_doctor_knows_a_well_from_an_ill_installation(served: Served) -> None:
    well = subprocess.run([*SERVER, "doctor"], env=served.environment, capture_output=True, text=True, check=False)
    assert well.returncode == 0, well.stdout + well.stderr
    assert re.findall(r"^(\w+) ", well.stdout, re.MULTILINE) == ["ok"] * 6
    ill = {**served.environment, "CRONTOPUS_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run([*SERVER, "doctor"], env=ill, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(r"^FAIL +Redis: ", done.stdout, re.MULTILINE)


def test_who_is_no_user_cannot_be_made_operator(served: Served) -> None:
    command = [*SERVER, "admin", "grant", "nobody"]
    done = subprocess.run(command, env=served.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "must register first" in done.stderr


def test_it_is_a_module_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crontopus_app.programs.server", "--help"], capture_output=True, text=True, check=True
    )
    verbs = set(re.findall(r"^  (\w+) ", done.stdout, re.MULTILINE))
    assert {"up", "web", "worker", "forge", "migrate", "doctor", "reindex", "admin", "build"} <= verbs


def test_a_start_says_that_other_machines_cannot_reach_its_address(folder: Path) -> None:
    port = free_port()
    with up_in(folder, CRONTOPUS_BIND=f"0.0.0.0:{port}") as up:
        assert f"Other machines cannot reach http://127.0.0.1:{port}. Set CRONTOPUS_PUBLIC_URL" in up.log.read_text()
