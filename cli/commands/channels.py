"""`crontopus channels`: list channels, and send test messages."""

from __future__ import annotations

import time
from typing import Any

import click

from cli import output
from cli.client import Client, Failure, connect

PATIENCE_S = 30.0


@click.group()
def channels() -> None:
    """List channels, and send test messages."""


@channels.command("list")
@output.json_option
def list_channels(as_json: bool) -> None:
    """List the channels."""
    answer = connect().get("/api/channels")
    if as_json:
        output.show_json(answer)
        return
    output.table(
        ("name", "kind", "state", "last message", "problem", "id"),
        (
            (
                each["name"],
                each["kind"],
                each["state"],
                output.moment(each["last_sent_at"]),
                each["problem"],
                each["id"],
            )
            for each in answer
        ),
    )


@channels.command()
@click.argument("channel")
@output.json_option
def test(channel: str, as_json: bool) -> None:
    """Send a test message to a channel (name or id), and wait for the outcome."""
    client = connect()
    found = _find(client, channel)
    queued = client.send("POST", f"/api/channels/{found['id']}/test")
    outcome = _outcome(client, found["id"], queued["id"])
    if as_json:
        output.show_json(outcome)
    else:
        click.echo(f"{found['name']}: {outcome['state']}. {output.printable(outcome['answer'])}")
    if outcome["state"] != "sent":
        raise SystemExit(1)


def _find(client: Client, channel: str) -> dict[str, Any]:
    for each in client.get("/api/channels"):
        if channel in (each["name"], each["id"]):
            return each
    raise Failure(f"No channel {channel}. To list them: crontopus channels list")


def _outcome(client: Client, channel_id: str, delivery_id: str) -> dict[str, Any]:
    """The delivery once it is decided or was tried; as it is after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        listed = client.get(f"/api/channels/{channel_id}/deliveries")
        delivery = next(each for each in listed if each["id"] == delivery_id)
        if delivery["state"] != "waiting" or delivery["attempts"] or time.monotonic() > deadline:
            return delivery
        time.sleep(0.3)
