"""`crontopus auth`: signing in and out, the password, sessions."""

from __future__ import annotations

import os
import sys
from urllib.parse import quote

import click

from cli import output, profile
from cli.client import Client, Failure, connect


@click.group()
def auth() -> None:
    """Sign in and out; password and sessions."""


@auth.command()
@click.option("--url", help="The server's address; default: the last one, or CRONTOPUS_URL.")
@click.option("--username", help="Your user name; asked for where it is missing.")
@click.option("--token", help="Use this API token (ctp_…) instead; `-` reads it from standard input.")
def login(url: str | None, username: str | None, token: str | None) -> None:
    """Sign in with user name and password, or with an API token."""
    known = profile.load()
    url = url or os.environ.get("CRONTOPUS_URL") or (known.url if known else None)
    if not url:
        raise click.UsageError("Say which server: --url https://crontopus.example.org")
    if token == "-":  # noqa: S105 -- the word for standard input
        token = sys.stdin.readline().strip()
    if token is None:
        token = _with_password(Client(url), username or click.prompt("User name"))
    me = Client(url, token).get("/api/auth/me")
    path = profile.save(profile.Profile(url=url.rstrip("/"), token=token, username=me["username"]))
    click.echo(f"Signed in to {url} as {me['username']} (kept in {path}).")


def _with_password(client: Client, username: str) -> str:
    password = click.prompt("Password", hide_input=True)
    return client.send("POST", "/api/auth/login", json={"username": username, "password": password})["access_token"]


@auth.command()
def logout() -> None:
    """End the session and forget the profile."""
    known = profile.load()
    if known is not None:
        try:
            Client(known.url, known.token).send("POST", "/api/auth/logout")
        except Failure as failure:
            click.echo(f"The server was not told: {failure.message}", err=True)
    profile.forget()
    click.echo("Signed out.")


@auth.command()
@output.json_option
def whoami(as_json: bool) -> None:
    """Who is signed in, and where."""
    client = connect()
    me = client.get("/api/auth/me")
    if as_json:
        output.show_json(me)
        return
    click.echo(f"{me['username']} ({me['role']}), tenant {me['tenant_id']}, on {client.http.base_url}")
    click.echo(f"repository {me['repository']}: {me['provisioning']} {me['provisioning_error']}".rstrip())


@auth.command()
def password() -> None:
    """Change your password; every other session ends."""
    client = connect()
    current = click.prompt("Old password", hide_input=True)
    new = click.prompt("New password", hide_input=True, confirmation_prompt="Again")
    ended = client.send("POST", "/api/auth/password", json={"current": current, "new": new})["ended"]
    click.echo(f"The password is changed; other sessions ended: {ended}.")


@auth.group(invoke_without_command=True)
@output.json_option
@click.pass_context
def sessions(ctx: click.Context, as_json: bool) -> None:
    """List where you are signed in; `sessions revoke ID` ends one."""
    if ctx.invoked_subcommand is not None:
        return
    found = connect().get("/api/auth/sessions")
    if as_json:
        output.show_json(found)
        return
    output.table(
        ("id", "client", "from", "since", "last used", ""),
        (
            (
                one["id"],
                one["client"],
                one["address"],
                output.moment(one["created_at"]),
                output.moment(one["last_seen_at"]),
                "this one" if one["current"] else "",
            )
            for one in found
        ),
    )


@sessions.command()
@click.argument("session_id", required=False)
@click.option("--others", is_flag=True, help="End every session but this one.")
def revoke(session_id: str | None, others: bool) -> None:
    """End a session, or all but this one, at once."""
    if others == bool(session_id):
        raise click.UsageError("Give the ID of one session, or --others.")
    client = connect()
    if session_id:
        client.send("DELETE", f"/api/auth/sessions/{quote(session_id, safe='')}")
        click.echo("Ended.")
        return
    click.echo(f"Ended: {client.send('DELETE', '/api/auth/sessions')['ended']}.")
