"""Every address that Crontopus gives away or calls, each from one function.

Three parties reach the same two servers, each under a name of its own: hosts and people by the public URLs, this server
the Git server by CRONTOPUS_FORGEJO_URL, and the Git server this one by CRONTOPUS_INTERNAL_URL. No address is taken from
a request: behind a proxy a request does not know it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from crontopus_app.base.settings import PREFIX, Settings, is_loopback, local_host

WEBHOOK_PATH = "/api/git/webhook"


def console(ours: Settings) -> str:
    """The console and the API, as hosts and people reach them."""
    return ours.public_url


def forge(ours: Settings) -> str:
    """The Git server, as this server reaches it."""
    return ours.forgejo_url


def public_forge(ours: Settings) -> str:
    """The Git server, as hosts and people reach it."""
    return ours.forgejo_public_url


def clone(ours: Settings, repository: str) -> str:
    """What hosts and people give to ``git clone``; ``repository`` is ``owner/name``."""
    return f"{public_forge(ours)}/{repository}.git"


def repository_page(ours: Settings, repository: str) -> str:
    """The repository in a browser; empty for the embedded forge, which has no pages."""
    return "" if ours.embedded_forge else f"{public_forge(ours)}/{repository}"


def commit_page(repository_page: str, sha: str) -> str:
    """A commit in a browser; empty where the repository has no page."""
    return f"{repository_page}/commit/{sha}" if repository_page else ""


def webhook(ours: Settings) -> str:
    """Where the Git server reports pushes."""
    return ours.internal_url + WEBHOOK_PATH


def unreachable(ours: Settings) -> str:
    """Why other machines cannot use this server, in a sentence that names the setting; empty where nothing says so.

    A server for this machine alone (``Settings.loopback``) has no such problem.
    """
    if ours.loopback:
        return ""
    for variable, url in (("PUBLIC_URL", console(ours)), ("FORGEJO_PUBLIC_URL", public_forge(ours))):
        if _on_this_machine(url):
            return f"Other machines cannot reach {url}: set {PREFIX}{variable} to the address by which they know it."
    return ""


def _on_this_machine(url: str) -> bool:
    """Whether the address leads whoever uses it to their own machine."""
    return is_loopback(local_host(urlsplit(url).hostname or ""))
