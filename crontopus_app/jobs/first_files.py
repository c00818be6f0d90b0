"""The initial files of a new repository."""

from __future__ import annotations

README = """\
# Job manifests of {tenant}

Each YAML file in a folder here is one job. The folder is its namespace, the file's name is the job's name.
Commit a file to `main` and the agents of your machines install it within seconds; delete it and they remove it.
Crontopus commits here too, in the name of whoever changed a job in the console, by the API or with the CLI.

- `production/`, `staging/`: namespaces to begin with. Make others as you like: any folder is one.
- `example.yaml`: a manifest to copy. It is commented out, and a file outside a folder is no job.

Agents read this repository with an account that can only read. Keep secrets out of it: name an `envFile` that
lies on the machine instead.
"""

EXAMPLE = """\
# Copy this to production/nightly-backup.yaml and take the first column of # away.
#
# apiVersion: v1
# kind: Job
# metadata:
#   name: nightly-backup          # the file's name
#   annotations:
#     owner: ops@example.org
# spec:
#   schedule: "0 2 * * *"         # or a list; also @daily, H 3 * * *, every 15m
#   timezone: Europe/Berlin       # left out: the machine's own
#   command: /opt/scripts/backup.sh
#   args: [--database=prod]
#   checkin:
#     startGrace: 5m              # later, the run counts as missed
#     maxRuntime: 1h              # then it is stopped
#   agent:
#     endpoints: [db01]           # left out: every machine
"""


def first_files(tenant_id: str) -> dict[str, bytes]:
    """Content by path."""
    return {
        "README.md": README.format(tenant=tenant_id).encode(),
        "example.yaml": EXAMPLE.encode(),
        "production/.gitkeep": b"",
        "staging/.gitkeep": b"",
    }
