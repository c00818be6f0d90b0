"""The console's static files: built once, served often. All names of Reflex's own environment variables are here.

The double-underscored ones are internal to Reflex: tests/programs/test_frontend.py shows that it still reads them.
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
# What `reflex export` writes into each script that opens the websocket; ``build`` puts the page's own origin there.
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
    # A server that says nothing for so long (seconds, together) is gone: pages say it and connect anew.
    "REFLEX_SOCKET_INTERVAL": "2",
    "REFLEX_SOCKET_TIMEOUT": "4",
    "__REFLEX_SKIP_COMPILE": "true",
    "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    "REFLEX_ENV_MODE": "prod",
    "REFLEX_TELEMETRY_ENABLED": "false",
}
_LITERAL = re.compile(r"""(["'`])(http|ws)://localhost:8000(/[\w/.-]*)\1""")


def origins(public_url: str, port: int) -> list[str]:
    """Where pages of ours come from: no other may open the websocket."""
    return list(dict.fromkeys([public_url, f"http://127.0.0.1:{port}", f"http://localhost:{port}"]))


def serving_environment(public_url: str, port: int) -> dict[str, str]:
    """What Reflex must find in the environment before it is imported to serve the built files."""
    return {**_SERVING, "REFLEX_CORS_ALLOWED_ORIGINS": ",".join(origins(public_url, port))}


def building_environment() -> dict[str, str]:
    """This environment with the virtual environment's Node first: a system's own may be too old for Reflex."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **_BUILDING, "PATH": path}


def is_current(root: Path = ROOT) -> bool:
    """Whether the built files are those of the present sources."""
    return _built_from(root).removesuffix(_WITH_KIT) == fingerprint(root)


def is_built(root: Path = ROOT, *, development: bool | None = None) -> bool:
    """Whether ``build`` has nothing to do: a build with /kit serves as well, but is not what production asks for."""
    return _built_from(root) == fingerprint(root) + (_WITH_KIT if _is_development(development) else "")


def _built_from(root: Path) -> str:
    stamp = root / ".web" / "crontopus-stamp"
    return stamp.read_text() if stamp.is_file() and (_client(root) / "index.html").is_file() else ""


def _is_development(asked: bool | None) -> bool:
    return os.environ.get(DEVELOPMENT) == "1" if asked is None else asked


def check(root: Path = ROOT) -> None:
    """Raises ConfigurationError unless the built files are those of the present sources."""
    if not is_current(root):
        raise ConfigurationError("The console is not built from the present sources: run `crontopus-server build`.")


def fingerprint(root: Path = ROOT) -> str:
    """A hash over names and contents of all that the built files are made from."""
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
    """The built HTML files by the path under which each is served; any other page is served as ``FALLBACK``."""
    client, found = _client(root), {}
    for file in client.rglob("*.html"):
        path = "/" + file.relative_to(client).as_posix()
        found[path] = file
        if file.name == "index.html":
            found[path.removesuffix("/index.html") or "/"] = file
    return found


def folders(built: Mapping[str, Path]) -> list[str]:
    """The paths in ``built`` that name a page by its folder, but the root's."""
    return [path for path, file in built.items() if path != "/" and not path.endswith(file.name)]


def build(root: Path = ROOT, *, development: bool | None = None) -> None:
    """Builds the static files with Reflex and the environment's own Node; raises ConfigurationError with its output.

    ``development`` says whether /kit is among them; None asks the environment.
    """
    development = _is_development(development)
    with _one_at_a_time(root):
        if is_built(root, development=development):
            return
        stamp = root / ".web" / "crontopus-stamp"
        stamp.unlink(missing_ok=True)
        made_from = fingerprint(root) + (_WITH_KIT if development else "")
        environment = {**building_environment(), DEVELOPMENT: "1" if development else ""}
        command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
        done = subprocess.run(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode:
            raise ConfigurationError(f"The console could not be built:\n{done.stdout.decode(errors='replace')[-4000:]}")
        use_own_origin(_client(root))
        stamp.write_text(made_from)


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    (root / ".web").mkdir(exist_ok=True)
    with (root / ".web" / "crontopus-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def use_own_origin(client: Path) -> None:
    """Makes the scripts talk to wherever the page came from.

    Reflex fixes the backend's address when it builds; we build before anybody has said where the server will listen.
    Raises ConfigurationError when no script names the address that ``rxconfig`` set: Reflex has changed.
    """
    changed = [_rewrite(script) for script in client.rglob("*.js")]
    if not any(changed):
        raise ConfigurationError(
            f"No script in {client} names {BUILT_IN_URL}: this release of Reflex builds otherwise."
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
    """A JavaScript expression for the literal's path on the page's own host: ws becomes wss on https."""
    origin = "location.origin" if literal[2] == "http" else 'location.origin.replace("http","ws")'
    return f'({origin}+"{literal[3]}")'
