"""`crontopus export`: save all data of the account in one file."""

from __future__ import annotations

from pathlib import Path

import click

from cli.client import connect


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--force", is_flag=True, help="Replace an existing file.")
def export(file: Path, force: bool) -> None:
    """Save a ZIP with the repository and its history, runs, endpoints, crontabs and the audit trail."""
    if file.exists() and not force:
        raise click.UsageError(f"{file} exists. Use --force to replace it.")
    if not file.parent.is_dir():
        raise click.UsageError(f"The folder {file.parent} does not exist.")
    size = connect().download("/api/export", file)
    click.echo(f"Saved {file} ({size:,} bytes). README.txt in it lists the contents.")
