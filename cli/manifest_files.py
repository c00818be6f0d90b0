"""Reads and checks the manifests of a command line: files, folders, standard input."""

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
    """One file with its errors and lints. ``name``: the path as the user typed it."""

    name: str
    decoded: Decoded | None
    errors: tuple[Problem, ...]
    lints: tuple[Problem, ...]


def check(names: Iterable[str]) -> list[Checked]:
    """Decodes all named files and folders, each file once. Two files with the same identity are both errors."""
    from contract.manifest import mark_duplicates

    paths = list(dict.fromkeys(_files(names)))
    policies: dict[Path, Policy] = {}
    results = [_policy(path) if path.name == POLICY_FILE else _manifest(path, policies) for path in paths]
    manifests = [result for result in results if result.decoded is not None]
    marked = iter(mark_duplicates([result.decoded for result in manifests if result.decoded is not None]))
    return [_with_problems(result, next(marked)) if result.decoded is not None else result for result in results]


def root_of(path: Path) -> Path | None:
    """The file's repository: the nearest folder above it with `crontopus.yaml` or `.git`. None if there is none."""
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
        yaml_files = (file for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES and file.is_file())
        yield from (file for file in yaml_files if _is_checked(file, path))


def _is_checked(file: Path, folder: Path) -> bool:
    """In a repository: manifests by the server's rule, and the policy file. Elsewhere: all files but hidden ones."""
    root = root_of(file)
    if root is None:
        return not is_hidden(file.relative_to(folder).as_posix())
    inside = file.absolute().relative_to(root).as_posix()
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
    """The policy's defaults for a namespace; none if the policy has errors, which only its own check reports."""
    from contract.policy import Policy, decode

    if root not in policies:
        file = root / POLICY_FILE
        policies[root] = (decode(file.read_bytes()).policy if file.is_file() else None) or Policy()
    return policies[root].defaults_for(namespace)


def _policy(path: Path) -> Checked:
    from contract.policy import decode

    return Checked(str(path), None, decode(path.read_bytes(), str(path)).errors, ())


def _with_problems(result: Checked, decoded: Decoded) -> Checked:
    errors = tuple(replace(problem, path=result.name) for problem in decoded.errors)
    lints = tuple(replace(problem, path=result.name) for problem in decoded.lints)
    return Checked(result.name, decoded, errors, lints)
