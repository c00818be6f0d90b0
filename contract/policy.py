"""Decodes ``crontopus.yaml``, a tenant's policy. A file with errors gives none; callers keep the last valid one."""

from __future__ import annotations

from dataclasses import dataclass

from contract.manifest_kinds import BAD, Reader
from contract.manifest_types import Problem
from contract.policy_fields import POLICY
from contract.policy_types import Policy
from contract.yaml_nodes import Node, load

__all__ = ["Policy", "PolicyDecoded", "decode"]


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


def _not_null(root: Node) -> Node:
    """The root; an empty map for a file of comments only."""
    return Node("map", [], 1, 1) if root.type == "null" else root
