"""A branch with all its history as one file that ``git clone`` reads: gitformat-bundle(5), version 2.

A bundle is a line for each branch and then a pack, which is what a server answers to a fetch that has nothing yet
(gitprotocol-pack(5), version 0). So the forge's answer is passed on as it comes, never whole in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from crontopus_app.forge.client import Forgejo, ForgeUnavailable

REQUEST = "application/x-git-upload-pack-request"
NOTHING_IN_COMMON = b"0008NAK\n"


def bundle(forge: Forgejo, repository: str, branch: str, head: str) -> Iterator[bytes]:
    """The bundle of ``org/name`` at the commit ``head``, in pieces. Raises what the client raises."""
    with forge.stream(f"/{repository}.git/git-upload-pack", _request(head), REQUEST) as answer:
        begin = b""
        for piece in answer:
            begin += piece
            if len(begin) >= len(NOTHING_IN_COMMON):
                break
        if not begin.startswith(NOTHING_IN_COMMON):
            raise ForgeUnavailable("The Git server did not send the history of the repository.")
        yield f"# v2 git bundle\n{head} refs/heads/{branch}\n{head} HEAD\n\n".encode()
        yield begin[len(NOTHING_IN_COMMON) :]
        yield from answer


def _request(head: str) -> bytes:
    """Everything that ``head`` stands on, for somebody who has nothing; no side bands, so the pack comes bare."""
    return _line(f"want {head} ofs-delta agent=crontopus\n") + b"0000" + _line("done\n")


def _line(text: str) -> bytes:
    return f"{len(text) + 4:04x}{text}".encode()
