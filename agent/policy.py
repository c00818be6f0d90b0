"""The settings of ``crontopus.yaml`` that concern the agent. If it has errors, the last valid policy stays in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contract.policy import Policy

HALF = 0.5


@dataclass(frozen=True)
class HostPolicy:
    """The last valid policy and its text."""

    text: str = ""
    policy: Policy | None = None

    @property
    def heal(self) -> bool:
        return self.policy is None or self.policy.drift != "report"

    @property
    def prune_max_share(self) -> float:
        return HALF if self.policy is None else self.policy.prune_max_share

    def defaults_for(self, namespace: str) -> dict[str, Any]:
        """The policy's spec fields for manifests of this namespace."""
        return {} if self.policy is None else self.policy.defaults_for(namespace)

    def frozen(self, now: datetime) -> str:
        """The freeze window that holds at ``now``, as a reason for the report; empty if none does."""
        if self.policy is None:
            return ""
        window = self.policy.frozen(now)
        return f"freeze window in crontopus.yaml: {window}" if window else ""


NO_POLICY = HostPolicy()


def policy_of(text: str, last_valid: str = "") -> HostPolicy:
    """The policy in ``text``, or in ``last_valid`` if ``text`` has errors. No text means no policy."""
    if not text:
        return NO_POLICY
    from contract.policy import decode  # imported here: most repositories have no policy, and the daemon stays small

    decoded = decode(text.encode())
    if decoded.policy is None:
        return policy_of(last_valid)
    return HostPolicy(text, decoded.policy)
