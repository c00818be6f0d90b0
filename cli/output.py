"""Output as tables or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Callable, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Adds ``--json``, which prints the API's answer unchanged."""
    return click.option("--json", "as_json", is_flag=True, help="Print the API's answer as JSON.")(command)


def show_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints aligned columns, or a sentence if there are no rows."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        click.echo("Nothing to show.")
        return
    widths = [max(len(line[n]) for line in [list(heads), *cells]) for n in range(len(heads))]
    for line in [[head.upper() for head in heads], *cells]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def printable(value: Any) -> str:
    """The text of a cell. Replaces control characters, which could change the terminal."""
    if value is None or value == "":
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "-"
    return "".join(char if char.isprintable() else "?" for char in str(value))


def line(text: str) -> str:
    """A line that a job printed, without colours and other control characters but tabs."""
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in click.unstyle(text))


def plain(message: Any) -> str:
    """A message of the API without its backticks, which only Markdown renders."""
    return str(message).replace("`", "")


def moment(text: str | None) -> str:
    """A time of the API in this machine's time zone."""
    if not text:
        return "-"
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
