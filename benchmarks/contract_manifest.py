"""Manifests decoded, linted and edited per second, with and without libyaml, and a fuzz run that must never raise.

python -m benchmarks.contract_manifest [--fuzz SECONDS] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

import yaml

from contract import yaml_nodes
from contract.lints import lint
from contract.manifest import decode, from_fields, render, to_fields
from contract.policy import decode as decode_policy
from crontopus_app.jobs.yaml_edit import EditError, edit
from tests.contract.manifests import FULL, SMALL

PATH = "production/nightly-backup.yaml"
PIECES = [
    b"\n",
    b"  ",
    b"- ",
    b"&a ",
    b"*a",
    b"{",
    b"}",
    b"[",
    b"]",
    b"'",
    b'"',
    b"!!x ",
    b"---\n",
    b"\xff",
    b"\0",
    b": ",
    b"|\n",
]
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


@contextmanager
def pure_python() -> Iterator[None]:
    """PyYAML without libyaml, as on hosts without a matching wheel."""
    before = yaml_nodes._Parser
    yaml_nodes._Parser = yaml.SafeLoader
    try:
        yield
    finally:
        yaml_nodes._Parser = before


def rate(work: Callable[[], object], seconds: float = 0.5) -> float:
    """Calls per second of CPU."""
    begin, calls = time.process_time(), 0
    while time.process_time() - begin < seconds:
        work()
        calls += 1
    return calls / (time.process_time() - begin)


def damaged(source: random.Random) -> bytes:
    """A valid manifest with some bytes removed, repeated, changed or inserted."""
    data = source.choice([FULL, SMALL])
    for _ in range(source.randint(1, 6)):
        at, size = source.randrange(len(data) + 1), source.randint(0, 30)
        piece = source.choice(
            [*PIECES, source.randbytes(source.randint(0, 4)), data[at : at + size] * source.randint(0, 3)]
        )
        data = data[:at] + piece + data[at + source.choice([0, 0, size]) :]
    return data


def fuzz(seconds: float, seed: int) -> tuple[int, int, float]:
    """Numbers of tried and accepted documents, and the slowest in seconds. Raises what the decoder raises."""
    source = random.Random(seed)  # noqa: S311 - a repeatable run, nothing secret
    end, tried, good, slowest = time.monotonic() + seconds, 0, 0, 0.0
    while time.monotonic() < end:
        data = damaged(source)
        begin = time.process_time()
        decoded = decode(data, PATH, "acme")
        decode_policy(data)
        slowest = max(slowest, time.process_time() - begin)
        assert (decoded.manifest is None) == bool(decoded.errors)
        tried, good = tried + 1, good + (decoded.manifest is not None)
        edit_or_refuse(data)
    return tried, good, slowest


def edit_or_refuse(data: bytes) -> None:
    """Checks that an edit is either right or refused."""
    try:
        edit(data, {"spec.command": "/bin/false", "spec.nice": None})
    except EditError:
        return


def figures() -> Iterator[tuple[str, float]]:
    """Pairs of a measurement's name and its rate per second."""
    job = decode(FULL, PATH, "acme").manifest
    assert job is not None
    body = to_fields(job)
    yield "decode, every field given", rate(lambda: decode(FULL, PATH, "acme"))
    yield "decode, smallest manifest", rate(lambda: decode(SMALL, "production/a.yaml", "acme"))
    with pure_python():
        yield "decode, every field given, pure Python YAML", rate(lambda: decode(FULL, PATH, "acme"))
    yield "lint, every field given", rate(lambda: lint(job, now=NOW))
    yield "render", rate(lambda: render(job))
    yield "form to bytes and decoded", rate(lambda: from_fields(body, tenant="acme"))
    yield "edit one field in place", rate(lambda: edit(FULL, {"spec.paused": True}))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fuzz", type=float, default=5.0, help="seconds to fuzz")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    print(f"{'manifests':<48}{'per second':>12}")
    for name, found in figures():
        print(f"{name:<48}{found:>12,.0f}")
    tried, good, slowest = fuzz(chosen.fuzz, chosen.seed)
    print(f"fuzz: {tried:,} documents, {good:,} accepted, none raised, slowest {slowest * 1000:.1f} ms")


if __name__ == "__main__":
    main()
