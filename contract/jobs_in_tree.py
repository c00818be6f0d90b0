"""Which files of a repository are job manifests, and which of them claim the same identity.

The server's index, the agent and the CLI share these rules: if they differed, a host could install a job that the
server rejects and does not monitor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

SUFFIXES = (".yaml", ".yml")
# The size limit of a manifest and of crontopus.yaml. Larger files are not read.
MAX_BYTES = 256 * 1024
NAMED = 10


@dataclass(frozen=True)
class IdentityClaim:
    """The identity that the manifest at ``path`` claims."""

    path: str
    job_id: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Clash:
    """The ``kind`` ("id" or "name") and ``value`` that a manifest shares with the manifests at ``others``.

    Of very many the first NAMED are in ``others``; ``more`` counts the rest.
    """

    kind: str
    value: str
    others: tuple[str, ...]
    more: int = 0

    @property
    def message(self) -> str:
        rest = f" and {self.more} more" if self.more else ""
        return (
            f"{self.kind} {self.value} is also used by {', '.join(self.others)}{rest}; change one, or none of them runs"
        )


def is_hidden(path: str) -> bool:
    """Whether the file or a folder above it has a name with a leading dot (`.git`, `.forgejo`)."""
    return any(part.startswith(".") for part in path.split("/"))


def is_manifest(path: str) -> bool:
    """Whether the file is a job manifest: YAML in a namespace's folder, not hidden. ``path`` starts at the root."""
    return "/" in path and path.endswith(SUFFIXES) and not is_hidden(path)


def clashes(claims: Iterable[IdentityClaim]) -> dict[str, Clash]:
    """Path to clash, for each path whose id, or namespace and name, another path claims too."""
    claims = sorted(claims, key=lambda claim: claim.path)
    paths: dict[tuple[str, str], list[str]] = defaultdict(list)
    for claim in claims:
        for key in _keys(claim):
            paths[key].append(claim.path)
    by_path: dict[str, Clash] = {}
    for claim in claims:
        for kind, value in _keys(claim):
            sharing = paths[kind, value]
            others = tuple(islice((path for path in sharing if path != claim.path), NAMED))
            if others:
                by_path.setdefault(claim.path, Clash(kind, value, others, len(sharing) - 1 - len(others)))
    return by_path


def _keys(claim: IdentityClaim) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("id", claim.job_id), ("name", f"{claim.namespace}/{claim.name}")
