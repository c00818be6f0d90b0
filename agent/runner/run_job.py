#!/usr/bin/env -S python3 -I -S
"""Runs one job as cron would and reports the run to the control plane: ``run-job [--manual] JOB-ID``.

The agent installs this file as ``<state>/bin/run-job``; ``<state>/jobs/JOB-ID.json`` describes the job. It needs only
Python 3.8 and the standard library. Monitoring does not change the job: the command starts before anything is written
or sent, and the runner exits with the command's exit code. Whatever fails in the runner, the command runs: without what
has failed, or, if no process or file is left, unmonitored in place of the runner.

Processes: the *runner* reads the command's output and enforces its limits; the *command* leads its own process group;
the *guard* ends that group if the runner is killed; *senders* send check-ins. Only the runner and the command hold
cron's files.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn
else:
    import _signal as signal  # the `signal` module without its enumerations, which take 4 ms at every start

try:
    # The `json` package compiles regular expressions, which takes half of the start-up time. The scanner needs none.
    from _json import make_scanner
except ImportError:  # another implementation than CPython
    make_scanner = None

STATE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPOOL = os.path.join(STATE, "spool")
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
REPLACED = signal.SIGUSR2
UNUSABLE, CANNOT_START, NOT_FOUND = 78, 126, 127
PIECE = 65536
LEFT_OVER = 1 << 20
# A writable pipe accepts this many bytes without blocking: PIPE_BUF of pipe(7).
PIPE_BUF = 4096
BODY_LIMIT = 900_000
# Above this size the spool accepts no more output. SPOOL_FEW files or fewer cannot reach it.
SPOOL_LIMIT = 64 << 20
SPOOL_FEW = SPOOL_LIMIT // BODY_LIMIT
CALL_SECONDS, SENDER_SECONDS, SETTLED_MS = 5, 20, 50
# After KILL, a group with processes is one of zombies that nobody reaps, or of processes that the kernel cannot end.
KILLED_SECONDS = 1.0
# The lock file: the runner that has the lock, then the id of the newest run that waits to replace it.
HOLDER_SIZE = 40
PR_SET_CHILD_SUBREAPER = 36
# No answer of the control plane is larger.
ANSWER_BYTES = 65536
# With these codes the control plane says that the check-in is invalid. Any other error is temporary.
INVALID = ("bad_input", "conflict", "too_large")


class CannotStart(Exception):
    """The command cannot be started. ``code``: the exit code of a shell in this case."""

    def __init__(self, text: str, code: int = CANNOT_START) -> None:
        super().__init__(text)
        self.code = code


class Skipped(Exception):
    """The command must not run now. ``flags``: for the check-in."""

    def __init__(self, text: str, *flags: str) -> None:
        super().__init__(text)
        self.flags = list(flags)


class Ignoring:
    """``contextlib.suppress`` without its module, which takes 3 ms at every start."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, problem: object, trace: object) -> bool:
        return isinstance(problem, self.kind)


class Noting:
    """Adds the exception of the ``with`` block to ``problems``, and goes on after the block."""

    def __init__(self, problems: list) -> None:
        self.problems = problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, problem: object, trace: object) -> bool:
        if isinstance(problem, Exception):
            self.problems.append(problem)
        return isinstance(problem, Exception)


# -- the job ---------------------------------------------------------------------------------------


class _Plain:
    """The decoder's attributes that the scanner of `json` reads."""

    strict, memo = True, {}
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


def read_json(path: str) -> dict:
    """The JSON object in ``path``. Raises OSError or ValueError."""
    with open(path, encoding="utf-8") as file:
        text = file.read().strip()
    try:
        value, end = make_scanner(_Plain)(text, 0)  # type: ignore[arg-type] - it takes whatever has these attributes
    except (StopIteration, SystemError, ValueError, TypeError):
        value, end = None, 0
    if end != len(text) or not text:
        import json

        value = json.loads(text)  # raises ValueError with the position
    if not isinstance(value, dict):
        raise ValueError("the file is not a JSON object")
    return value


def job_path(job_id: str, ending: str = "json") -> str:
    return os.path.join(STATE, "jobs", job_id + "." + ending)


def raw(text: str) -> bytes:
    """The bytes of a text of the job file. The manifest's encoding counts, not that of cron's locale."""
    return text.encode("utf-8", "surrogateescape")


def quoted(argument: bytes) -> bytes:
    """The argument quoted as one word for a POSIX shell."""
    return b"'" + argument.replace(b"'", b"'\"'\"'") + b"'"


def command_line(command: bytes, arguments: list) -> bytes:
    """The command with its arguments, for the shell. Without blanks and newlines at its end, unless it escapes one."""
    if not arguments:
        return command
    ended = command.rstrip(b" \t\r\n")
    backslashes = len(ended) - len(ended.rstrip(b"\\"))
    return b" ".join([command[: len(ended) + backslashes % 2], *map(quoted, arguments)])


def expand(text: bytes, variables: dict) -> bytes:
    """Replaces ``${NAME}`` by the variable (empty if it is not set) and ``$$`` by ``$``. Any other ``$`` stays."""
    done, rest = b"", text
    while b"$" in rest:
        before, _, rest = rest.partition(b"$")
        name, closed, after = rest[1:].partition(b"}")
        if rest[:1] == b"{" and closed:
            done, rest = done + before + variables.get(name, b""), after
        else:
            done, rest = done + before + b"$", rest[1:] if rest[:1] == b"$" else rest
    return done + rest


def read_env_file(path: bytes) -> dict:
    """The variables of a file of ``KEY=value`` lines.

    Skips blank lines and comments; removes ``export`` and one pair of quotes. Raises CannotStart.
    """
    variables = {}
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")
    except OSError as problem:
        raise CannotStart("The environment file (envFile) cannot be read: " + in_words(problem)) from problem
    for line in lines:
        name, equals, value = line.strip().partition(b"=")
        name, value = name[7:].strip() if name.startswith(b"export ") else name.strip(), value.strip()
        if equals and name and not name.startswith(b"#"):
            quoted_value = len(value) > 1 and value[:1] == value[-1:] and value[:1] in b"'\""
            variables[name] = value[1:-1] if quoted_value else value
    return variables


def in_words(problem: BaseException) -> str:
    """What failed, with the file's name as text."""
    if not isinstance(problem, OSError) or problem.strerror is None:
        return f"{type(problem).__name__}: {problem}"
    name = problem.filename
    if name is None:
        return problem.strerror
    return problem.strerror + ": " + (name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name))


def find_user(name: str) -> tuple:
    """(name, uid, gid, home) of a user. Raises CannotStart."""
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except (KeyError, UnicodeError):
        raise CannotStart(f"There is no user {name} on this host") from None
    if os.geteuid() not in (0, entry.pw_uid):
        raise CannotStart(f"The job runs as user {name}, which needs an agent that runs as root")
    return name, entry.pw_uid, entry.pw_gid, os.fsencode(entry.pw_dir)


def build_environment(job: dict, user: tuple | None) -> dict:
    """The job's environment: cron's, overridden by the user's LOGNAME, USER and HOME, by ``env_file``, by ``env``.

    Names and values are bytes: a text would change with the locale.
    """
    variables = crons_environment()
    if user is not None:
        variables.update({b"LOGNAME": raw(user[0]), b"USER": raw(user[0]), b"HOME": user[3]})
    if job.get("env_file"):
        path = expand(raw(job["env_file"]), variables)
        variables.update(read_env_file(os.path.join(variables.get(b"HOME", b"/"), path)))
    for name, value in (job.get("env") or {}).items():
        variables[raw(name)] = expand(raw(str(value)), variables)
    return variables


def crons_environment() -> dict:
    """The environment with which cron started this process.

    Where it names no locale, Python sets LC_CTYPE for itself (PEP 538), with which grep, ssh and others would differ.
    """
    variables = dict(os.environb)
    if variables.get(b"LC_CTYPE") not in (b"C.UTF-8", b"C.utf8", b"UTF-8") or variables.get(b"LC_ALL"):
        return variables
    try:
        with open("/proc/self/environ", "rb") as file:
            _, named, rest = (b"\0" + file.read()).partition(b"\0LC_CTYPE=")
    except OSError:  # not on Linux: Python sets it only if LANG names no locale
        named, rest = variables.get(b"LANG", b"C") not in (b"", b"C", b"POSIX"), variables[b"LC_CTYPE"]
    variables[b"LC_CTYPE"] = rest.partition(b"\0")[0]
    if not named:
        del variables[b"LC_CTYPE"]
    return variables


def slot_of(job: dict, manual: bool, now: float) -> int | None:
    """The minute for which cron started the job; None for a manual run and for a job with ``@reboot`` only."""
    timed = [text for text in job.get("schedule") or () if not text.startswith("@reboot")]
    return int(now) // 60 * 60 if timed and not manual else None


def through_gate(job: dict, slot: int | None) -> tuple:
    """(whether the job is due, its slot). Crontab lines of a job in another zone fire more often than the job is due.

    On a loaded host, cron may start the job a minute late. With the gate's ``late``, cron never starts the job in two
    consecutive minutes, so a start in the minute after a slot belongs to that slot.
    """
    gate = job.get("gate")
    if not gate or slot is None or slot > gate["until"] or slot in gate["slots"]:
        return True, slot
    if gate.get("late") and slot - 60 in gate["slots"] and not clock_changed(slot):
        return True, slot - 60
    return False, slot


def clock_changed(now: float) -> bool:
    """Whether the clock changed in the last three hours, in which cron(8) may still catch up on skipped runs."""
    return time.localtime(now).tm_gmtoff != time.localtime(now - 3 * 3600).tm_gmtoff


# -- check-ins -------------------------------------------------------------------------------------


def iso(moment: float | None) -> str | None:
    if moment is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06d}+00:00"


def new_id() -> str:
    """A random UUID (version 4)."""
    raw = bytearray(os.urandom(16))
    raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def next_number() -> int:
    """A sequence number larger than all earlier ones of this state folder, even if the clock jumps back."""
    number = int(time.time() * 1000)
    try:
        file = os.open(os.path.join(SPOOL, ".seq"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return number
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        last = os.read(file, 32).strip()
        number = max(number, int(last) + 1) if last.isdigit() else number
        os.pwrite(file, b"%020d" % number, 0)
    except OSError:  # a full disk: use the clock
        pass
    finally:
        os.close(file)
    return number


def boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


class PendingCheckin:
    """One check-in, and its file in the spool if it has one."""

    def __init__(self, body: dict) -> None:
        self.body, self.spooled = body, False

    @property
    def path(self) -> str:
        return os.path.join(SPOOL, f"{self.body['seq']:020d}-{self.body['id']}.json")

    def data(self) -> bytes:
        """The check-in as JSON, with the output shortened to ``BODY_LIMIT`` bytes."""
        import json

        output = dict(self.body.get("output") or {})
        while True:
            data = json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
            if len(data) <= BODY_LIMIT or not output:
                return data
            head, tail = output["head"], output["tail"]
            kept = head[: len(head) // 2], tail[(len(tail) + 1) // 2 :]
            output["lost_bytes"] += len((head + tail).encode()) - len("".join(kept).encode())
            output["head"], output["tail"] = kept
            self.body = dict(self.body, output=output)

    def spool(self) -> None:
        """Writes the check-in to the spool; on a full disk without its output, or not at all."""
        full = bool(self.body.get("output")) and is_spool_full()
        first = PendingCheckin(without_output(self.body)) if full else self
        for data in (first.data(), PendingCheckin(dict(self.body, output=None)).data()):
            try:
                write_durably(self.path, data)
            except OSError:
                continue
            self.spooled = True
            return


def is_spool_full() -> bool:
    """Whether the spool exceeds ``SPOOL_LIMIT``, because no agent runs that sends or limits it."""
    with Ignoring(OSError):
        if len(os.listdir(SPOOL)) <= SPOOL_FEW:
            return False
        size = 0
        with os.scandir(SPOOL) as entries:
            for entry in entries:
                with Ignoring(FileNotFoundError):  # a sender has just deleted it
                    size += entry.stat(follow_symlinks=False).st_size
                if size > SPOOL_LIMIT:
                    return True
    return False


def without_output(body: dict) -> dict:
    """The check-in without its output, whose bytes count as lost."""
    output = body["output"]
    lost = output["lost_bytes"] + len((output["head"] + output["tail"]).encode("utf-8", "replace"))
    return dict(body, output={"head": "", "tail": "", "lost_bytes": lost})


def write_durably(path: str, data: bytes) -> None:
    """Writes the file atomically; it is on disk when it appears under its name."""
    folder, name = os.path.split(path)
    hidden = os.path.join(folder, "." + name)
    file = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(hidden, path)
    except OSError:
        os.unlink(hidden)
        raise
    parent = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def send(checkins: list) -> None:
    """Sends each check-in in order, for a few seconds. What fails stays in the spool for the agent."""
    os.nice(10)  # jobs come first
    signal.alarm(SENDER_SECONDS)  # ends this process if anything hangs, such as the resolver
    import http.client
    from urllib.parse import urlsplit

    connection = read_json(os.path.join(STATE, "runner.json"))
    url = urlsplit(connection["url"])
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    headers = {"Authorization": "Bearer " + connection["token"], "Content-Type": "application/json"}
    headers["User-Agent"] = "crontopus-run-job"
    path = url.path.rstrip("/") + "/api/checkins"
    if connection.get("proxy"):
        peer, path = via_proxy(urlsplit(connection["proxy"]), url, kind, headers, path)
    else:
        peer = kind(url.hostname or "", url.port, timeout=CALL_SECONDS)
    remaining = [checkin for checkin in checkins if not deliver(checkin, peer, path, headers)]
    for checkin in remaining:  # sent by another process, or only now spooled by a slow guard
        deliver(checkin, peer, path, headers)


def deliver(checkin: PendingCheckin, peer, path: str, headers: dict) -> bool:
    """Sends a check-in. False if its file does not exist (not yet, or already sent)."""
    if checkin.spooled and not os.path.exists(checkin.path):
        return False
    peer.request("POST", path, checkin.data(), headers)
    answer = peer.getresponse()
    data = answer.read(ANSWER_BYTES)
    if not answer.isclosed():
        peer.close()
    if checkin.spooled and answer.getheader("Crontopus-Api") == "1":
        settle(checkin, answer.status, data)
    return True


def via_proxy(proxy, url, kind, headers: dict, path: str) -> tuple:
    """(connection, request path) through an HTTP proxy. Adds its credentials to ``headers`` or to the tunnel."""
    from base64 import b64encode
    from urllib.parse import unquote

    own = {}
    if proxy.username is not None:
        secret = unquote(proxy.username) + ":" + unquote(proxy.password or "")
        own["Proxy-Authorization"] = "Basic " + b64encode(secret.encode()).decode()
    peer = kind(proxy.hostname or "", proxy.port or 80, timeout=CALL_SECONDS)
    if url.scheme == "https":
        peer.set_tunnel(url.hostname or "", url.port, own)
        return peer, path
    headers.update(own)
    return peer, f"http://{url.netloc}{path}"


def settle(checkin: PendingCheckin, status: int, answer: bytes) -> None:
    """Deletes an accepted check-in, moves an invalid one to ``refused``, and leaves any other in the spool.

    Only an answer in the control plane's form counts: a proxy may answer for it, and even pass its headers on.
    """
    import json

    try:
        fields = json.loads(answer)
        fields = fields if isinstance(fields, dict) else {}
        if status == 200 and fields.get("run_id") == checkin.body["run_id"] and fields.get("state"):
            os.unlink(checkin.path)
        elif status >= 400 and fields.get("code") in INVALID:
            refused = os.path.join(SPOOL, "refused")
            os.makedirs(refused, 0o700, exist_ok=True)
            os.rename(checkin.path, os.path.join(refused, os.path.basename(checkin.path)))
    except (ValueError, FileNotFoundError):  # no JSON; or the agent was faster
        pass


class RunCheckins:
    """The check-ins of one run."""

    def __init__(self, job: dict, slot: int | None) -> None:
        self.job, self.slot, self.run_id, self.boot = job, slot, new_id(), boot_id()
        self.monitored = (job.get("checkin") or {}).get("enabled", True)

    def create(self, kind: str, attempt: int, started: float | None, **facts: object) -> PendingCheckin:
        body = {"id": new_id(), "job_id": self.job["job_id"], "run_id": self.run_id, "kind": kind, "attempt": attempt}
        body.update(at=iso(time.time()), slot=iso(self.slot), started_at=iso(started), boot_id=self.boot)
        body.update(commit=self.job.get("commit") or "", line_hash=self.job.get("line_hash") or "")
        body.update(facts, seq=next_number() if self.monitored else 0)
        return PendingCheckin(body)

    def post(self, *checkins: PendingCheckin) -> None:
        """Writes the check-ins to the spool, and sends them from a separate process."""
        if self.monitored:
            for checkin in checkins:
                with Ignoring(Exception):  # what is not on disk can still be sent
                    if not checkin.spooled:
                        checkin.spool()
            detach(lambda: send(list(checkins)))


# -- processes -------------------------------------------------------------------------------------


def close_files(keep: tuple = ()) -> None:
    """Redirects the standard files to /dev/null, so that cron sees their end, and closes all others but ``keep``."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        if number not in keep:
            os.dup2(null, number)
    low = 3
    for file in [*sorted(n for n in keep if n > 2), min(os.sysconf("SC_OPEN_MAX"), PIECE)]:
        os.closerange(low, file)
        low = file + 1


def let_go(keep: tuple) -> None:
    """Leaves the runner's signals, folder and files, but those to ``keep``."""
    signal.set_wakeup_fd(-1)
    for number in (*FORWARDED, REPLACED, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.chdir("/")
    close_files(keep)


def detach(work, keep: tuple = ()) -> bool:
    """Runs ``work`` in a detached process: own session, no terminal, no inherited files but ``keep``.

    False if the host has no process left.
    """
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    code = 1
    try:
        os.setsid()
        if os.fork() == 0:
            let_go(keep)
            work()
        code = 0
    finally:
        os._exit(code)


def adopt_orphans() -> None:
    """Makes the command's orphans children of this process, where Linux allows it.

    A PID 1 that reaps no children, as in many containers, would leave them as zombies, which count as running. Called
    when the group is about to end, because importing `ctypes` takes as long as the start of the runner.
    """
    with Ignoring(Exception):
        from ctypes import CDLL

        CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def signal_group(group: int, number: int) -> bool:
    """Sends a signal to a process group. False if the group has no process."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # a process of the group has changed its user
        return True
    return True


def guard(runner: int, grace: float) -> None:
    """Waits for the end of the runner. If it was killed, ends the command's group.

    ``runner`` is a pipe. Each line is the id of the running group, 0 for none, or ``bye`` at the end of the run.
    """
    word = b""
    while True:
        data = os.read(runner, 4096)
        if not data:
            break
        word = data.split()[-1]
        if word == b"bye":
            return
    if word.isdigit() and int(word):
        end_group(int(word), grace)


def announce(running: int, checkin: PendingCheckin) -> None:
    """Writes the start check-in to the spool, and sends it. That of a short run is sent together with its end.

    ``running`` is a pipe that the runner closes when the command has ended.
    """
    checkin.spool()
    poll = select.poll()
    poll.register(running, select.POLLIN)
    if not poll.poll(SETTLED_MS):
        send([checkin])


def end_group(group: int, grace: float) -> None:
    until = time.monotonic() + grace
    if signal_group(group, signal.SIGTERM):
        while time.monotonic() < until:
            time.sleep(0.05)
            if not signal_group(group, 0):  # another group may have its id from now on
                return
        signal_group(group, signal.SIGKILL)


# -- the command -----------------------------------------------------------------------------------


class OutputBuffer:
    """The first and the last bytes of the output. Holds at most these and one piece."""

    def __init__(self, head: int, tail: int) -> None:
        self.room, self.limit, self.total = head, tail, 0
        self.head, self.tail = bytearray(), bytearray()

    def add(self, data: bytes) -> None:
        self.total += len(data)
        if self.room:
            self.head += data[: self.room]
            data, self.room = data[self.room :], self.room - min(self.room, len(data))
        self.tail += data
        if len(self.tail) > self.limit + PIECE:
            del self.tail[: len(self.tail) - self.limit]

    def as_checkin(self) -> dict:
        """Head and tail as text. A character cut in two moves to the tail, or its bytes count as lost."""
        head, tail = bytes(self.head), bytes(self.tail[max(0, len(self.tail) - self.limit) :])
        cut = len(head) - unfinished(head)
        if len(head) + len(tail) == self.total:
            head, tail = (head[:cut], head[cut:] + tail) if tail else (head, tail)
        else:
            head, tail = head[:cut], tail[continuation(tail) :]
        lost = self.total - len(head) - len(tail)
        return {"head": head.decode("utf-8", "replace"), "tail": tail.decode("utf-8", "replace"), "lost_bytes": lost}


def unfinished(data: bytes) -> int:
    """The number of bytes at the end that begin an incomplete UTF-8 character."""
    for count, byte in enumerate(reversed(data[-3:]), 1):
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return count if count < length else 0
        if byte < 0x80:
            return 0
    return 0


def continuation(data: bytes) -> int:
    """The number of bytes at the start that end a UTF-8 character from before ``data``."""
    count = 0
    while count < min(3, len(data)) and 0x80 <= data[count] < 0xC0:
        count += 1
    return count


def start_command(job: dict, environment: dict, user: tuple | None, guard_pipe: int | None) -> tuple:
    """(process id, its stdout, its stderr). The process leads its own session and group. Raises CannotStart.

    It tells the guard its group before it becomes the command: the runner may be killed at any time.
    """
    out, err, failure = os.pipe(), os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            with Ignoring(OSError):
                if guard_pipe is not None:
                    os.write(guard_pipe, b"%d\n" % os.getpid())
            os.dup2(out[1], 1)
            os.dup2(err[1], 2)
            become_command(job, environment, user)
        except BaseException as problem:
            number = getattr(problem, "errno", 0) or 0
            os.write(failure[1], b"%d %s" % (number, in_words(problem).encode("utf-8", "replace")))
        finally:
            os._exit(CANNOT_START)
    for pipe in (out, err, failure):
        os.close(pipe[1])
    message = os.read(failure[0], 4096)
    os.close(failure[0])
    if message:
        os.close(out[0])
        os.close(err[0])
        os.waitpid(child, 0)
        number, _, text = message.decode("utf-8", "replace").partition(" ")
        raise CannotStart("The command cannot be started: " + text, NOT_FOUND if number == "2" else CANNOT_START)
    return child, out[0], err[0]


def become_command(job: dict, environment: dict, user: tuple | None) -> NoReturn:
    """Replaces this process with the job's shell. Raises OSError or ValueError if it cannot."""
    with Ignoring(PermissionError):  # it leads a session already
        os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (*FORWARDED, REPLACED, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        if number == signal.SIGPIPE or signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGXFSZ:
            signal.signal(number, signal.SIG_DFL)  # Python ignores SIGPIPE and SIGXFSZ; a command must not
    if job.get("nice") is not None:
        os.nice(job["nice"])
    if user is not None and os.geteuid() != user[1]:
        os.initgroups(user[0], user[2])
        os.setgid(user[2])
        os.setuid(user[1])
    if job.get("umask") is not None:
        os.umask(int(str(job["umask"]), 8))
    enter_folder(job.get("cwd"), environment)
    shell = raw(job.get("shell") or "/bin/sh")
    line = command_line(raw(job["command"]), [raw(text) for text in job.get("args") or ()])
    os.execve(shell, [shell, b"-c", line], environment)  # noqa: S606 - the shell is what starts


def enter_folder(folder: str | None, environment: dict) -> None:
    """Changes to the home folder as cron(8) does (``/`` if it does not exist), then to ``folder``. Raises OSError."""
    home = environment.get(b"HOME") or b"/"
    try:
        os.chdir(home)
    except OSError:
        os.chdir(b"/")
    if folder:
        path = raw(folder)
        os.chdir(os.path.join(home, path[2:]) if path[:2] == b"~/" else path)


class RunningCommand:
    """The running command of one attempt: passes its output on, enforces its limits and waits for its end."""

    def __init__(self, job: dict, wake: int, process: int, out: int, err: int) -> None:
        check = job.get("checkin") or {}
        mail = check.get("mail") != "drop"
        self.process, self.wake, self.status = process, wake, 0
        self.ended, self.began, self.ended_at = False, time.monotonic(), 0.0
        self.output = OutputBuffer(check.get("head", 16384), check.get("tail", 49152))
        self.sinks = {out: 1 if mail else None, err: 2 if mail else None}
        self.waiting = {}
        self.grace = check.get("kill_grace_s") or 0
        limit = check.get("max_runtime_s")
        self.end_at = None if limit is None else self.began + limit
        self.kill_at = self.killed_at = None
        self.timed_out, self.signals = False, []

    def run(self) -> None:
        """Runs until the command has ended; after a TERM, until its whole group has."""
        while not self.ended or self.is_group_ending():
            self.turn(self.timeout())
            self.enforce()
        budget = LEFT_OVER
        while budget > 0 and self.turn(0, reading=True):
            budget -= PIECE

    def is_group_ending(self) -> bool:
        """Whether a TERM has been sent and the group still has processes. At most ``KILLED_SECONDS`` after KILL."""
        if self.kill_at is None:
            return False
        with Ignoring(ChildProcessError):
            while os.waitpid(-self.process, os.WNOHANG)[0]:  # orphans that this process has adopted
                pass
        given_up = self.killed_at is not None and time.monotonic() > self.killed_at + KILLED_SECONDS
        return not given_up and signal_group(self.process, 0)

    def timeout(self) -> int | None:
        """Milliseconds until the next limit, or None. A group sends no signal at its end, so it is polled."""
        if self.ended:
            return 20
        due = self.kill_at if self.kill_at is not None else self.end_at
        return None if due is None else max(0, int((due - time.monotonic()) * 1000) + 1)

    def enforce(self) -> None:
        now = time.monotonic()
        if not self.ended and self.end_at is not None and now >= self.end_at and not self.timed_out:
            self.timed_out = True
            self.forward(signal.SIGTERM)
        if self.kill_at is not None and now >= self.kill_at:
            signal_group(self.process, signal.SIGKILL)
            self.kill_at, self.killed_at = now + KILLED_SECONDS, self.killed_at or now

    def forward(self, number: int) -> None:
        """Sends the signal to the group. After TERM, KILL follows when the kill grace is over."""
        if number == signal.SIGTERM and self.kill_at is None:
            adopt_orphans()
        signal_group(self.process, number)
        if number == signal.SIGTERM and self.kill_at is None:
            self.kill_at = time.monotonic() + self.grace

    def turn(self, timeout: int | None, reading: bool = False) -> bool:
        """Waits up to ``timeout`` ms for signals and output, and handles them. False if there were none.

        A slow reader of the output slows the command down, as under plain cron. With ``reading``, all available output
        is read regardless.
        """
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        for source, sink in self.sinks.items():
            if reading or sink not in self.waiting:
                poll.register(source, select.POLLIN)
        for sink in () if reading else self.waiting:
            poll.register(sink, select.POLLOUT)
        events = poll.poll(timeout)
        for file, _ in events:
            if file == self.wake:
                self.handle_signals(os.read(file, 512))
            elif file in self.sinks:
                self.read_from(file)
            else:
                self.write_to(file)
        return bool(events)

    def handle_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGCHLD and not self.ended:
                process, status = os.waitpid(self.process, os.WNOHANG)
                if process:
                    self.ended, self.status, self.ended_at = True, status, time.monotonic()
            elif number in FORWARDED or number == REPLACED:
                self.signals.append(number)
                self.forward(signal.SIGTERM if number == REPLACED else number)

    def read_from(self, source: int) -> None:
        data, sink = os.read(source, PIECE), self.sinks[source]
        with Ignoring(Exception):
            self.output.add(data)
        if not data:
            os.close(source)
            del self.sinks[source]
        elif sink is not None:
            self.waiting[sink] = self.waiting.get(sink, b"") + data

    def write_to(self, sink: int) -> None:
        """Passes on as much output as fits. If the reader has closed the pipe, the command continues."""
        held = self.waiting.pop(sink)
        size = len(held) if stat.S_ISREG(os.fstat(sink).st_mode) else PIPE_BUF
        try:
            held = held[os.write(sink, held[:size]) :]
        except OSError:
            held = b""
            self.sinks = {source: None if to == sink else to for source, to in self.sinks.items()}
        if held:
            self.waiting[sink] = held

    def finish_simply(self) -> None:
        """Passes the output on until the command ends, if ``run`` has failed. Nothing enforces the limits then."""
        for number in FORWARDED:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)  # the guard ends the group
        while not self.ended:
            self.copy_output()
            with Ignoring(ChildProcessError):
                process, self.status = os.waitpid(self.process, os.WNOHANG)
                if not process:
                    time.sleep(0.01)
                    continue
            self.ended, self.ended_at = True, time.monotonic()
        self.copy_output()

    def copy_output(self) -> None:
        """Passes the available output on, and waits for its readers."""
        for sink in list(self.waiting):
            self.write_all(sink, self.waiting.pop(sink))
        for source, sink in list(self.sinks.items()):
            os.set_blocking(source, False)
            with Ignoring(BlockingIOError):  # no more at the moment
                while source in self.sinks:
                    data = os.read(source, PIECE)
                    if data and sink is not None:
                        self.write_all(sink, data)
                    elif not data:
                        os.close(source)
                        del self.sinks[source]

    @staticmethod
    def write_all(sink: int, data: bytes) -> None:
        with Ignoring(OSError):  # the reader has gone
            while data:
                data = data[os.write(sink, data) :]

    def release(self) -> None:
        """Passes on the rest of the output, also of background processes that the command has left, as under cron."""
        if self.sinks:
            detach(self.pass_on, keep=(1, 2, self.wake, *self.sinks))
            for source in self.sinks:
                os.close(source)
        else:
            self.pass_on()

    def pass_on(self) -> None:
        self.end_at = self.kill_at = None
        while self.sinks or self.waiting:
            self.turn(None)


# -- the run ---------------------------------------------------------------------------------------


def listen() -> int:
    """Redirects signals to a pipe, as bytes, and returns it. Ignored signals stay ignored."""
    wake, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    for number in (*FORWARDED, REPLACED, signal.SIGCHLD):
        if number == signal.SIGCHLD or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    return wake


class JobRun:
    """One run of a job with its attempts. ``problems``: what has failed in the runner so far."""

    def __init__(self, job: dict, checkins: RunCheckins, wake: int, lock: int | None, problems: list) -> None:
        self.job, self.checkins, self.wake, self.lock = job, checkins, wake, lock
        self.check = job.get("checkin") or {}
        self.guard_pipe = self.running = None
        self.started, self.problems = False, problems

    def run(self) -> int:
        """Makes all attempts. Returns the exit code of the last one."""
        code, final = self.attempt(1)
        with Noting(self.problems):  # without the next attempts, if their number or delay cannot be read
            retry = self.job.get("retry") or {}
            attempt, last = 1, 1 + (retry.get("attempts") or 0)
            while not final and attempt < last and not self.pause(retry, attempt):
                attempt += 1
                code, final = self.attempt(attempt)
        with Ignoring(Exception):
            self.tell_guard("bye")
        return code

    def pause(self, retry: dict, attempt: int) -> bool:
        """Waits before the next attempt. True if a signal ends the run."""
        delay = (retry.get("delay_s") or 0) * (2 ** (attempt - 1) if retry.get("backoff") == "exponential" else 1)
        until = time.monotonic() + delay
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        while time.monotonic() < until:
            if poll.poll((until - time.monotonic()) * 1000 + 1) and set(os.read(self.wake, 512)) - {signal.SIGCHLD}:
                return True
        return False

    def attempt(self, attempt: int) -> tuple:
        """Makes one attempt. Returns its exit code and whether the run is over."""
        started, clock = time.time(), time.monotonic()
        try:
            command = self.start()
        except CannotStart as problem:
            print_error(str(problem))
            facts = {"exit_code": problem.code, "error": str(problem), "duration_s": time.monotonic() - clock}
            with Ignoring(Exception):
                self.checkins.post(self.checkins.create("fail", attempt, started, **facts))
            return problem.code, False
        kind = self.monitor(command, attempt, started)
        return exit_code(command.status), kind == "success" or bool(command.signals)

    def start(self) -> RunningCommand:
        """Starts the command. Raises CannotStart; or OSError if the host has no process or file left for it."""
        user = find_user(self.job["user"]) if self.job.get("user") else None
        environment = build_environment(self.job, user)
        with Noting(self.problems):
            self.start_guard()
        process, out, err = start_command(self.job, environment, user, self.guard_pipe)
        self.started = True
        try:
            return RunningCommand(self.job, self.wake, process, out, err)
        except Exception as problem:
            self.problems.append(problem)
            return RunningCommand({}, self.wake, process, out, err)

    def monitor(self, command: RunningCommand, attempt: int, started: float) -> str:
        """Reports the attempt, until the command has ended. Returns the kind of its last check-in."""
        start, kind = [], "success"  # no attempt follows one whose outcome cannot be judged
        with Noting(self.problems):
            start.append(self.checkins.create("start", attempt, started))
            self.announce(start[0])
        try:
            command.run()
        except Exception as problem:
            self.problems.append(problem)
            command.finish_simply()
        with Noting(self.problems):
            self.tell_guard("0")
            if self.running is not None:
                os.close(self.running)
                self.running = None
        with Noting(self.problems):
            kind, facts = verdict(command, self.check)
            facts["error"] = " ".join(filter(None, [facts["error"], *map(runner_problem, self.problems)]))
            self.checkins.post(*start, self.checkins.create(kind, attempt, started, **facts))
        try:
            command.release()
        except Exception:
            command.copy_output()
        return kind

    def start_guard(self) -> None:
        """Starts the guard at the first attempt, before the command."""
        if self.guard_pipe is not None:
            return
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                os.setsid()
                let_go((reader,) if self.lock is None else (reader, self.lock))
                guard(reader, self.check.get("kill_grace_s") or 0)
            finally:
                os._exit(0)
        os.close(reader)
        self.guard_pipe = writer

    def announce(self, start: PendingCheckin) -> None:
        """Spools and sends the start check-in, in a detached process."""
        if self.checkins.monitored:
            reader, self.running = os.pipe()
            start.spooled = detach(lambda: announce(reader, start), (reader,))
            os.close(reader)

    def tell_guard(self, word: str) -> None:
        try:
            if self.guard_pipe is not None:
                os.write(self.guard_pipe, word.encode() + b"\n")
        except BrokenPipeError:  # the guard was killed; the run continues without it
            self.guard_pipe = None


def runner_problem(problem: Exception) -> str:
    return f"The runner had a problem: {in_words(problem)}."


def exit_code(status: int) -> int:
    """The exit code of a shell: the command's own, or 128 plus its signal."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def verdict(command: RunningCommand, check: dict) -> tuple:
    """The kind of check-in for a command that has ended, and its fields."""
    killed = os.WIFSIGNALED(command.status)
    number = os.WTERMSIG(command.status) if killed else None
    code = None if killed else os.WEXITSTATUS(command.status)
    duration, flags = command.ended_at - command.began, []
    success = not command.timed_out and code in (check.get("success_exit_codes") or [0])
    if success and duration < (check.get("min_runtime_s") or 0):
        flags.append("too_fast")
    if success and command.output.total < (check.get("min_output_bytes") or 0):
        flags.append("too_quiet")
    facts = {"exit_code": code, "signal": number, "duration_s": round(duration, 6), "timed_out": command.timed_out}
    facts.update(flags=flags, output=command.output.as_checkin(), error=reason(command, check))
    return "success" if success else "fail", facts


def reason(command: RunningCommand, check: dict) -> str:
    """Why the command ended, if the exit code does not tell."""
    if command.timed_out:
        return f"The run was ended after its maxRuntime of {check['max_runtime_s']:g} s"
    if REPLACED in command.signals:
        return "The run was ended because the next run replaced it (concurrency: replace)"
    from signal import Signals

    names = [Signals(number).name for number in command.signals]
    return "The runner received " + ", ".join(names) + " and passed it to the command" if names else ""


def claim_slot(job: dict, slot: int | None) -> None:
    """Raises Skipped if the job has been started for this slot before. Without its file, it goes on."""
    if slot is None:
        return
    with Ignoring(OSError):
        file = os.open(job_path(job["job_id"], "slot"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            for _ in range(10):  # another runner has it for microseconds
                with Ignoring(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(0.005)
            last = os.read(file, 20)
            if last.isdigit() and int(last) == slot:
                raise Skipped("The job was started twice for this slot. Does the crontab have its line twice?", "extra")
            os.pwrite(file, b"%020d" % slot, 0)
        finally:
            os.close(file)


def take_lock(job: dict) -> int | None:
    """Takes the job's lock, held until the run ends; None if the job needs none or no file can be locked.

    Raises Skipped if another run has the lock.
    """
    policy = job.get("concurrency") or "allow"
    if policy == "allow":
        return None
    try:
        lock = os.open(job_path(job["job_id"], "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:  # no space for a lock file: lock the job file
        lock = os.open(job_path(job["job_id"]), os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if policy != "replace":
            raise Skipped("The previous run was still going (concurrency: forbid)") from None
        replace_run(lock, (job.get("checkin") or {}).get("kill_grace_s") or 0)
    with Ignoring(OSError):  # a full disk: the next run cannot replace this one and is skipped
        os.pwrite(lock, holder_of(os.getpid()).ljust(HOLDER_SIZE), 0)
    return lock


def replace_run(lock: int, grace: float) -> None:
    """Ends the run that holds the lock: signals its runner, later kills it, so that its guard ends the group.

    Of several runs that wait, only the newest gets the lock. Raises Skipped for the others.
    """
    ticket, told, until, killed = new_id().encode(), None, 0.0, False
    try:
        os.pwrite(lock, ticket, HOLDER_SIZE)
    except OSError:  # a full disk: whoever is first gets the lock
        ticket = os.pread(lock, len(ticket), HOLDER_SIZE)
    while True:
        if os.pread(lock, len(ticket), HOLDER_SIZE) != ticket:
            raise Skipped("A newer run took its place before it started (concurrency: replace)")
        with Ignoring(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holder, now = os.pread(lock, HOLDER_SIZE, 0).strip(), time.monotonic()
        if holder != told:
            told, until, killed = holder, now + 2 * grace + 5, False
            signal_holder(holder, REPLACED)
        elif now >= until:
            raise Skipped("The previous run could not be ended (concurrency: replace)")
        elif now > until - grace - 2 and not killed:
            killed = True
            signal_holder(holder, signal.SIGKILL)
        time.sleep(0.02)


def holder_of(process: int) -> bytes:
    """The process's id and, on Linux, its start time: another process may get the same id later."""
    started = b""
    with Ignoring(OSError), open(f"/proc/{process}/stat", "rb") as file:
        started = file.read().rpartition(b")")[2].split()[19]
    return b"%d %s" % (process, started)


def signal_holder(holder: bytes, number: int) -> None:
    """Sends a signal to the runner that holds a lock, if it is still the same process."""
    process = holder.split()[0] if holder.split() else b""
    with Ignoring(ProcessLookupError):
        if process.isdigit() and holder_of(int(process)).strip() == holder:
            os.kill(int(process), number)


def print_error(text: str) -> None:
    with Ignoring(OSError):  # stderr may be closed
        os.write(2, f"run-job: {text}\n".encode("utf-8", "replace"))


def open_standard_files() -> None:
    """Opens closed standard files on /dev/null, so that no other file gets their numbers."""
    with Ignoring(OSError):
        file = os.open(os.devnull, os.O_RDWR)
        while file <= 2:
            file = os.dup(file)
        os.close(file)


def main(arguments: list) -> int:
    open_standard_files()
    if arguments == ["--selftest"]:  # the agent sees that cron can start this file
        os.write(1, b"ok\n")
        return 0
    ids = [text for text in arguments if text != "--manual"]
    if len(ids) != 1 or set(ids[0]) - set("0123456789abcdef-"):
        print_error("usage: run-job [--manual] JOB-ID")
        return 2
    manual = len(ids) < len(arguments) or os.isatty(0)
    try:
        job = read_json(job_path(ids[0]))
        if job.get("job_id") != ids[0] or not isinstance(job.get("command"), str):
            raise ValueError("the file belongs to another job, or has no command")
    except Exception as problem:
        return unusable(ids[0], problem)
    due, slot, problems = True, None, []
    with Noting(problems):  # too often is better than never
        slot = slot_of(job, manual, time.time())
        due, slot = through_gate(job, slot)
    return run_job(job, slot, problems) if due else 0


def run_job(job: dict, slot: int | None, problems: list) -> int:
    run = None
    try:
        checkins, wake, lock = RunCheckins(job, slot), listen(), None
        with Noting(problems):
            try:
                claim_slot(job, slot)
                lock = take_lock(job)
            except Skipped as reason:
                return skip(checkins, reason)
        run = JobRun(job, checkins, wake, lock, problems)
        return run.run()
    except Exception as problem:
        if run is not None and run.started:
            raise
        return run_unmonitored(job, slot, problem)


def skip(checkins: RunCheckins, reason: Skipped) -> int:
    with Ignoring(Exception):
        facts = {"error": str(reason), "flags": reason.flags, "duration_s": 0.0}
        checkins.post(checkins.create("skipped", 1, time.time(), **facts))
    return 0


def run_unmonitored(job: dict, slot: int | None, problem: Exception) -> int:
    """Replaces the runner with the command, as cron would run it, and leaves a check-in of the start to the agent.

    Returns only if the command cannot be started.
    """
    close_own_files()
    with Ignoring(Exception):
        checkins = RunCheckins(job, slot)
        text = f"{runner_problem(problem)} It could not monitor this run, whose outcome is not known."
        if checkins.monitored:
            checkins.create("start", 1, time.time(), error=text).spool()
    try:
        if (job.get("checkin") or {}).get("mail") == "drop":
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.dup2(null, 2)
        user = find_user(job["user"]) if job.get("user") else None
        become_command(job, build_environment(job, user), user)
    except CannotStart as reason:
        print_error(str(reason))
        return reason.code
    except Exception as reason:
        print_error("The command cannot be started: " + in_words(reason))
        return NOT_FOUND if isinstance(reason, FileNotFoundError) else CANNOT_START


def close_own_files() -> None:
    """Closes what the runner has opened, and leaves what it has inherited to the command."""
    signal.set_wakeup_fd(-1)
    for file in range(3, 64):
        with Ignoring(OSError):
            if not os.get_inheritable(file):
                os.close(file)


def unusable(job_id: str, problem: Exception) -> int:
    """Reports a failed run because the job file is missing or damaged."""
    text = f"The job file {job_path(job_id)} cannot be used: {problem}"
    print_error(text)
    with Ignoring(Exception):
        checkins = RunCheckins({"job_id": job_id}, None)
        checkins.post(checkins.create("fail", 1, time.time(), exit_code=UNUSABLE, error=text))
    return UNUSABLE


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # Python's own end takes milliseconds, in which a signal would change the exit code
