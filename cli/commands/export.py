"""`crontopus export`: everything of the account in one file."""

from __future__ import annotations

from pathlib import Path

import click

from cli.client import connect


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def export(file: Path, force: bool) -> None:
    """Save everything as a ZIP: the repository with its history, runs, endpoints, crontabs, the audit trail."""
    if file.exists() and not force:
        raise click.UsageError(f"{file} exists: --force replaces it.")
    if not file.parent.is_dir():
        raise click.UsageError(f"There is no folder {file.parent}.")
    size = connect().download("/api/export", file)
    click.echo(f"Saved {file} ({size:,} bytes). README.txt in it says what is where.")
