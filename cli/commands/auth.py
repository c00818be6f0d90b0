"""`crontopus auth`: sign in and out, password, sessions."""

from __future__ import annotations

import os
import sys
from urllib.parse import quote

import click

from cli import output, profile
from cli.client import Client, Failure, connect


@click.group()
def auth() -> None:
    """Sign in and out, change the password, list sessions."""


@auth.command()
@click.option("--url", help="Address of the server. Default: CRONTOPUS_URL, else that of the last sign-in.")
@click.option("--username", help="Your user name. Default: a prompt.")
@click.option("--token", help="Use this API token (ctp_…) instead of a password; - reads it from standard input.")
def login(url: str | None, username: str | None, token: str | None) -> None:
    """Sign in with user name and password, or with an API token."""
    saved = profile.load()
    url = url or os.environ.get("CRONTOPUS_URL") or (saved.url if saved else None)
    if not url:
        raise click.UsageError("The server's address is missing. Add --url https://crontopus.example.org")
    if token == "-":  # noqa: S105 -- the word for standard input
        token = sys.stdin.readline().strip()
    if token is None:
        token = _with_password(Client(url), username or click.prompt("User name"))
    me = Client(url, token).get("/api/auth/me")
    path = profile.save(profile.Profile(url=url.rstrip("/"), token=token, username=me["username"]))
    click.echo(f"Signed in to {url} as {me['username']} (saved in {path}).")


def _with_password(client: Client, username: str) -> str:
    password = click.prompt("Password", hide_input=True)
    return client.send("POST", "/api/auth/login", json={"username": username, "password": password})["access_token"]


@auth.command()
def logout() -> None:
    """End the session and delete the profile."""
    saved = profile.load()
    if saved is not None:
        try:
            Client(saved.url, saved.token).send("POST", "/api/auth/logout")
        except Failure as failure:
            click.echo(f"The server did not end the session: {failure.message}", err=True)
    profile.forget()
    click.echo("Signed out.")


@auth.command()
@output.json_option
def whoami(as_json: bool) -> None:
    """Show the user, tenant and server of the profile."""
    client = connect()
    me = client.get("/api/auth/me")
    if as_json:
        output.show_json(me)
        return
    click.echo(f"{me['username']} ({me['role']}), tenant {me['tenant_id']}, on {client.http.base_url}")
    click.echo(f"repository {me['repository']}: {me['provisioning']} {me['provisioning_error']}".rstrip())


@auth.command()
def password() -> None:
    """Change your password. Ends every other session."""
    client = connect()
    current = click.prompt("Old password", hide_input=True)
    new = click.prompt("New password", hide_input=True, confirmation_prompt="Repeat new password")
    ended = client.send("POST", "/api/auth/password", json={"current": current, "new": new})["ended"]
    click.echo(f"Password changed. Other sessions ended: {ended}.")


@auth.group(invoke_without_command=True)
@output.json_option
@click.pass_context
def sessions(ctx: click.Context, as_json: bool) -> None:
    """List your sessions. To end one: crontopus auth sessions revoke ID"""
    if ctx.invoked_subcommand is not None:
        return
    answer = connect().get("/api/auth/sessions")
    if as_json:
        output.show_json(answer)
        return
    output.table(
        ("id", "client", "from", "since", "last used", ""),
        (
            (
                session["id"],
                session["client"],
                session["address"],
                output.moment(session["created_at"]),
                output.moment(session["last_seen_at"]),
                "this session" if session["current"] else "",
            )
            for session in answer
        ),
    )


@sessions.command()
@click.argument("session_id", required=False)
@click.option("--others", is_flag=True, help="End every session but this one.")
def revoke(session_id: str | None, others: bool) -> None:
    """End one session, or all but this one."""
    if others == bool(session_id):
        raise click.UsageError("Give the ID of one session, or --others.")
    client = connect()
    if session_id:
        client.send("DELETE", f"/api/auth/sessions/{quote(session_id, safe='')}")
        click.echo("Session ended.")
        return
    click.echo(f"Sessions ended: {client.send('DELETE', '/api/auth/sessions')['ended']}.")
