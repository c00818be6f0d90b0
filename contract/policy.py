"""``crontopus.yaml``: a tenant's policy as code. A file with errors gives no policy, so the last good one stays."""

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
    """A policy, or the errors that prevent one."""

    policy: Policy | None
    errors: tuple[Problem, ...] = ()


def decode(data: bytes, path: str = "crontopus.yaml") -> PolicyDecoded:
    """The policy in ``data``, or all its errors at once. An empty file is the policy of no file. Never raises."""
    loaded = load(data)
    reader = Reader(path)
    for fault in loaded.faults:
        if fault.code == "empty":
            return PolicyDecoded(Policy())
        reader.fault(fault)
    if loaded.root is None:
        return PolicyDecoded(None, reader.told())
    made = POLICY.read_fields(_not_null(loaded.root), "", reader)
    if reader.errors or made is BAD:
        return PolicyDecoded(None, reader.told())
    return PolicyDecoded(Policy(**made))


def _not_null(root: Node) -> Node:
    """A file of comments only is an empty map."""
    return Node("map", [], 1, 1) if root.type == "null" else root
