"""Manifests for several tests."""

from __future__ import annotations

from contract.manifest import Decoded, decode

FULL = b"""\
# Nightly backup of the shop
apiVersion: v1
kind: Job
metadata:
  id: 5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e   # written once
  name: nightly-backup
  tenant: acme
  labels: {env: production, team: platform}
  annotations: {owner: ops@example.org, runbook: https://wiki.example.org/backup}
spec:
  schedule: "0 2 * * *"
  timezone: Europe/Berlin
  command: /opt/scripts/backup.sh
  args: [--database=prod, "--label=two  spaces"]
  shell: /bin/bash
  user: backup
  workingDir: /opt/backups
  env: {BACKUP_TARGET: "s3://b", HOME_DIR: "${HOME}", PORT: 8080, DEBUG: no}
  envFile: /etc/crontopus/backup.env
  umask: "0027"
  nice: 10
  concurrency: forbid
  retry: {attempts: 3, backoff: exponential, delay: 45s}
  checkin:
    enabled: true
    startGrace: 7m
    maxRuntime: 1h30m   # it grew last year

    # the offices open at seven
    finishBy: 06:00
    killGrace: 20s
    minRuntime: 2s
    minOutputBytes: 1KiB
    successExitCodes: [0, 3]
    output: {head: 8KiB, tail: 64KiB, mail: drop}
  agent:
    selector: {hostname: db01, role: [db, replica]}
    endpoints: [db01, db02]
  expect: 2
  alerts: {after: 2, route: oncall, remind: 4h}
  enabled: true
  paused: false
# the end
"""

SMALL = b"""\
apiVersion: v1
kind: Job
metadata: {name: a}
spec: {schedule: "0 2 * * *", command: /bin/true}
"""

# A complete manifest from the documentation of the first Crontopus.
FIRST_CRONTOPUS = b"""\
apiVersion: v1
kind: Job
metadata:
  name: daily-backup
  tenant: acme-corp
  labels: {env: production, criticality: high}
spec:
  schedule: "0 2 * * *"
  timezone: America/New_York
  command: /opt/scripts/backup.sh
  args: [--database=prod]
  checkin: {enabled: true, secret: "${CHECKIN_SECRET}", timeout: 3600}
  retry: {enabled: true, attempts: 3, backoff: exponential}
  agent: {selector: {hostname: backup-server-01}}
  enabled: true
  paused: false
"""


def full() -> Decoded:
    return decode(FULL, "production/db/nightly-backup.yaml", "acme")


def with_spec(lines: str) -> Decoded:
    """Decodes a small manifest with these lines in its spec, from line 5 on."""
    head = b"apiVersion: v1\nkind: Job\nmetadata: {name: a}\nspec:\n"
    return decode(head + "".join(f"  {line}\n" for line in lines.splitlines()).encode(), "production/a.yaml", "acme")


def good(lines: str) -> Decoded:
    return with_spec("schedule: '0 2 * * *'\ncommand: /bin/true\n" + lines)


def errors(decoded: Decoded) -> str:
    return "\n".join(map(str, decoded.errors))
