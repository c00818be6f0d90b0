"""Decodes ``crontopus.yaml``, a tenant's policy. A file with errors gives none; callers keep the last valid one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from contract.manifest_kinds import BAD, Reader
from contract.manifest_types import Problem
from contract.policy_fields import POLICY
from contract.policy_types import Policy
from contract.yaml_nodes import Node, load

__all__ = ["Policy", "PolicyDecoded", "decode", "in_force"]


@dataclass(frozen=True)
class PolicyDecoded:
    """A policy, or the errors of its file."""

    policy: Policy | None
    errors: tuple[Problem, ...] = ()


def decode(data: bytes, path: str = "crontopus.yaml") -> PolicyDecoded:
    """The policy in ``data``, or all its errors. An empty file gives the default policy. Never raises."""
    loaded = load(data)
    reader = Reader(path)
    for fault in loaded.faults:
        if fault.code == "empty":
            return PolicyDecoded(Policy())
        reader.fault(fault)
    if loaded.root is None:
        return PolicyDecoded(None, reader.problems())
    values = POLICY.read_fields(_not_null(loaded.root), "", reader)
    if reader.errors or values is BAD:
        return PolicyDecoded(None, reader.problems())
    return PolicyDecoded(Policy(**values))


@lru_cache(maxsize=256)
def in_force(data: bytes) -> Policy:
    """The policy in a stored file; the default policy if it is invalid. Callers share it."""
    return decode(data).policy or Policy()


def _not_null(root: Node) -> Node:
    """The root; an empty map for a file of comments only."""
    return Node("map", [], 1, 1) if root.type == "null" else root
