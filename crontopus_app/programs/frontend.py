"""Builds the console's static files, and sets the environment variables of Reflex.

Variables that start with two underscores are internal to Reflex; tests/programs/test_frontend.py checks that they work.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from crontopus_app.base.errors import ConfigurationError
from crontopus_app.base.settings import DEVELOPMENT

ROOT = Path(__file__).resolve().parents[2]
# The URL that `reflex export` writes into scripts; ``build`` replaces it with the page's own origin.
BUILT_IN_URL = "http://localhost:8000"
SOURCES = ("rxconfig.py", "requirements.lock", "assets", "crontopus_app/ui", "crontopus_app/crontopus_app.py")

FALLBACK = "/404.html"

_WITH_KIT = "+kit"

_BUILDING = {
    "REFLEX_USE_NPM": "1",
    "REFLEX_TELEMETRY_ENABLED": "false",
    "REFLEX_CHECK_LATEST_VERSION": "false",
}
_SERVING = {
    # Seconds without a message (interval plus timeout) after which pages report a lost connection and reconnect.
    "REFLEX_SOCKET_INTERVAL": "2",
    "REFLEX_SOCKET_TIMEOUT": "4",
    "__REFLEX_SKIP_COMPILE": "true",
    "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    "REFLEX_ENV_MODE": "prod",
    "REFLEX_TELEMETRY_ENABLED": "false",
}
_LITERAL = re.compile(r"""(["'`])(http|ws)://localhost:8000(/[\w/.-]*)\1""")


def origins(public_url: str, port: int) -> list[str]:
    """The origins of the console's pages. No other origin may open the websocket."""
    return list(dict.fromkeys([public_url, f"http://127.0.0.1:{port}", f"http://localhost:{port}"]))


def serving_environment(public_url: str, port: int) -> dict[str, str]:
    """Environment variables that must be set before Reflex is imported to serve the built files."""
    return {**_SERVING, "REFLEX_CORS_ALLOWED_ORIGINS": ",".join(origins(public_url, port))}


def building_environment() -> dict[str, str]:
    """The environment with Node from the virtual environment first, because the system's may be too old for Reflex."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **_BUILDING, "PATH": path}


def is_current(root: Path = ROOT) -> bool:
    """Whether the built files match the current sources."""
    return _built_from(root).removesuffix(_WITH_KIT) == fingerprint(root)


def is_built(root: Path = ROOT, *, development: bool | None = None) -> bool:
    """Whether ``build`` has nothing to do. A build with /kit is current, but not valid for production."""
    return _built_from(root) == fingerprint(root) + (_WITH_KIT if _is_development(development) else "")


def _built_from(root: Path) -> str:
    stamp = root / ".web" / "crontopus-stamp"
    return stamp.read_text() if stamp.is_file() and (_client(root) / "index.html").is_file() else ""


def _is_development(requested: bool | None) -> bool:
    return os.environ.get(DEVELOPMENT) == "1" if requested is None else requested


def check(root: Path = ROOT) -> None:
    """Raises ConfigurationError unless the built files match the current sources."""
    if not is_current(root):
        raise ConfigurationError("The console is not built from the current sources. Run: crontopus-server build")


def fingerprint(root: Path = ROOT) -> str:
    """A hash of the names and contents of all source files of the build."""
    digest = hashlib.sha256(sys.version.encode())
    for path in _files(root):
        digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for source in (root / name for name in SOURCES):
        if source.is_file():
            yield source
        else:
            yield from sorted(p for p in source.rglob("*") if p.is_file() and p.suffix != ".pyc" and not p.is_symlink())


def _client(root: Path) -> Path:
    return root / ".web" / "build" / "client"


def pages(root: Path = ROOT) -> dict[str, Path]:
    """The built HTML files by URL path. ``FALLBACK`` is served for all other pages."""
    client, files = _client(root), {}
    for file in client.rglob("*.html"):
        path = "/" + file.relative_to(client).as_posix()
        files[path] = file
        if file.name == "index.html":
            files[path.removesuffix("/index.html") or "/"] = file
    return files


def folders(built: Mapping[str, Path]) -> list[str]:
    """The URL paths of pages that are an ``index.html`` in a folder, except the root."""
    return [path for path, file in built.items() if path != "/" and not path.endswith(file.name)]


def build(root: Path = ROOT, *, development: bool | None = None) -> None:
    """Builds the static files with Reflex; raises ConfigurationError with its output if that fails.

    ``development`` includes /kit; None reads it from the environment.
    """
    development = _is_development(development)
    with _build_lock(root):
        if is_built(root, development=development):
            return
        stamp = root / ".web" / "crontopus-stamp"
        stamp.unlink(missing_ok=True)
        new_stamp = fingerprint(root) + (_WITH_KIT if development else "")
        environment = {**building_environment(), DEVELOPMENT: "1" if development else ""}
        command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
        result = subprocess.run(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if result.returncode:
            output = result.stdout.decode(errors="replace")
            raise ConfigurationError(f"The console could not be built:\n{output[-4000:]}")
        use_own_origin(_client(root))
        stamp.write_text(new_stamp)


@contextmanager
def _build_lock(root: Path) -> Iterator[None]:
    (root / ".web").mkdir(exist_ok=True)
    with (root / ".web" / "crontopus-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def use_own_origin(client: Path) -> None:
    """Makes the scripts connect to the page's own origin.

    Reflex writes the backend's URL into the build, but the server's address is set later. Raises ConfigurationError if
    no script contains the URL of ``rxconfig``, because Reflex has changed.
    """
    changed = [_rewrite(script) for script in client.rglob("*.js")]
    if not any(changed):
        raise ConfigurationError(
            f"No script in {client} contains {BUILT_IN_URL}. This release of Reflex is not supported."
        )


def _rewrite(script: Path) -> bool:
    text = script.read_text()
    if not _LITERAL.search(text):
        return False
    text = _LITERAL.sub(_of_page, text)
    script.write_text(text)
    packed = script.with_name(script.name + ".gz")
    if packed.exists():
        packed.write_bytes(gzip.compress(text.encode(), mtime=0))
    return True


def _of_page(literal: re.Match[str]) -> str:
    """A JavaScript expression for the literal's path at the page's origin (ws, or wss on https)."""
    origin = "location.origin" if literal[2] == "http" else 'location.origin.replace("http","ws")'
    return f'({origin}+"{literal[3]}")'
