"""``crontopus``: the command line for the REST API, and for manifests without a server.

Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 not signed in or the server does not answer.
"""

from __future__ import annotations

from importlib import import_module

import click

GROUPS = {
    "auth": ("cli.commands.auth", "auth", "Sign in and out, change the password, list sessions."),
    "channels": ("cli.commands.channels", "channels", "List channels, and send test messages."),
    "endpoints": ("cli.commands.endpoints", "endpoints", "List, show and revoke endpoints."),
    "export": ("cli.commands.export", "export", "Save all data of the account as a ZIP file."),
    "incidents": ("cli.commands.incidents", "incidents", "List incidents, acknowledge and snooze them."),
    "jobs": ("cli.commands.jobs", "jobs", "List, show, apply and delete jobs."),
    "logs": ("cli.commands.logs", "logs", "Print what a job's latest runs printed."),
    "maintenance": ("cli.commands.windows", "maintenance", "List, add and end maintenance."),
    "manifest": ("cli.commands.manifest", "manifest_group", "Check and explain manifests and schedules offline."),
    "policy": ("cli.commands.policy", "policy", "Check crontopus.yaml, and say who would be told of a problem."),
    "silences": ("cli.commands.windows", "silences", "List, add and end silences."),
    "runs": ("cli.commands.runs", "runs", "List and show runs."),
}


class _Lazy(click.Group):
    """Imports a group when it is used, so that `crontopus manifest …` starts without the HTTP client."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return sorted(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- same
        if cmd_name not in GROUPS:
            return None
        module, attribute, _ = GROUPS[cmd_name]
        return getattr(import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- same
        with formatter.section("Commands"):
            formatter.write_dl([(name, GROUPS[name][2]) for name in sorted(GROUPS)])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crontopus", prog_name="crontopus")
def main() -> None:
    """GitOps for cron, monitored."""


if __name__ == "__main__":
    main()
