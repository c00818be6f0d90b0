"""The manifests that a command line names: files, folders, standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.jobs_in_tree import SUFFIXES, is_hidden, is_manifest

if TYPE_CHECKING:
    from contract.manifest import Decoded, Problem
    from contract.policy import Policy

POLICY_FILE = "crontopus.yaml"


@dataclass(frozen=True)
class Checked:
    """One file and what is wrong with it; paths are told as the user named them."""

    shown: str
    decoded: Decoded | None
    errors: tuple[Problem, ...]
    lints: tuple[Problem, ...]


def check(names: Iterable[str]) -> list[Checked]:
    """Decode everything that is named, each file once; two files with one identity are both wrong."""
    from contract.manifest import mark_duplicates

    paths = list(dict.fromkeys(_files(names)))
    policies: dict[Path, Policy] = {}
    results = [_policy(path) if path.name == POLICY_FILE else _manifest(path, policies) for path in paths]
    manifests = [result for result in results if result.decoded is not None]
    marked = iter(mark_duplicates([result.decoded for result in manifests if result.decoded is not None]))
    return [_told(result, next(marked)) if result.decoded is not None else result for result in results]


def root_of(path: Path) -> Path | None:
    """The repository a file lies in: the nearest folder above with `crontopus.yaml` or `.git`."""
    for folder in path.absolute().parents:
        if (folder / POLICY_FILE).is_file() or (folder / ".git").exists():
            return folder
    return None


def _files(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield path
            continue
        inside = (found for found in sorted(path.rglob("*")) if found.suffix in SUFFIXES and found.is_file())
        yield from (found for found in inside if _may_hold_a_job(found, path))


def _may_hold_a_job(found: Path, folder: Path) -> bool:
    """Inside a repository what the server takes for a manifest, and the policy file; elsewhere all but hidden files."""
    root = root_of(found)
    if root is None:
        return not is_hidden(found.relative_to(folder).as_posix())
    inside = found.absolute().relative_to(root).as_posix()
    return inside == POLICY_FILE or is_manifest(inside)


def _manifest(path: Path, policies: dict[Path, Policy]) -> Checked:
    from contract.manifest import decode

    if str(path) == "-":
        decoded = decode(sys.stdin.buffer.read(), "<stdin>", "", placed=False)
        return Checked("<stdin>", decoded, (), ())
    root = root_of(path)
    if root is None:
        return Checked(str(path), decode(path.read_bytes(), str(path), "", placed=False), (), ())
    inside = path.absolute().relative_to(root)
    defaults = _defaults(root, inside.parts[0], policies)
    return Checked(str(path), decode(path.read_bytes(), inside.as_posix(), "", defaults=defaults), (), ())


def _defaults(root: Path, namespace: str, policies: dict[Path, Policy]) -> dict[str, Any]:
    """What the tenant's policy fills in; a policy with errors fills in nothing, and is told where it is named."""
    from contract.policy import Policy, decode

    if root not in policies:
        file = root / POLICY_FILE
        policies[root] = (decode(file.read_bytes()).policy if file.is_file() else None) or Policy()
    return policies[root].defaults_for(namespace)


def _policy(path: Path) -> Checked:
    from contract.policy import decode

    return Checked(str(path), None, decode(path.read_bytes(), str(path)).errors, ())


def _told(result: Checked, decoded: Decoded) -> Checked:
    errors = tuple(replace(problem, path=result.shown) for problem in decoded.errors)
    lints = tuple(replace(problem, path=result.shown) for problem in decoded.lints)
    return Checked(result.shown, decoded, errors, lints)
