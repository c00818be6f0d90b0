"""Exports a branch with its history as a Git bundle, which ``git clone`` reads (gitformat-bundle(5), version 2).

A bundle is a header that lists refs, then a pack: exactly the pack that a server sends to a client without any objects
(gitprotocol-pack(5), version 0). So the forge's response is streamed through.
"""

from __future__ import annotations

from collections.abc import Iterator

from crontopus_app.forge.client import Forgejo, ForgeUnavailable

REQUEST = "application/x-git-upload-pack-request"
NOTHING_IN_COMMON = b"0008NAK\n"


def bundle(forge: Forgejo, repository: str, branch: str, head: str) -> Iterator[bytes]:
    """The bundle of ``org/name`` at the commit ``head``, in chunks. Raises the client's errors."""
    with forge.stream(f"/{repository}.git/git-upload-pack", _request(head), REQUEST) as chunks:
        start = b""
        for chunk in chunks:
            start += chunk
            if len(start) >= len(NOTHING_IN_COMMON):
                break
        if not start.startswith(NOTHING_IN_COMMON):
            raise ForgeUnavailable("The Git server did not send the repository's history. Try again.")
        yield f"# v2 git bundle\n{head} refs/heads/{branch}\n{head} HEAD\n\n".encode()
        yield start[len(NOTHING_IN_COMMON) :]
        yield from chunks


def _request(head: str) -> bytes:
    """A request for ``head`` and all its ancestors. Without side bands, so the response is the plain pack."""
    return _line(f"want {head} ofs-delta agent=crontopus\n") + b"0000" + _line("done\n")


def _line(text: str) -> bytes:
    return f"{len(text) + 4:04x}{text}".encode()
