"""Every URL that Crontopus publishes or calls, each from one function.

Hosts and people reach both servers by their public URLs; this server reaches the Git server by CRONTOPUS_FORGEJO_URL;
the Git server reaches this one by CRONTOPUS_INTERNAL_URL. No URL is derived from a request: behind a proxy, a request
does not show the public URL.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from crontopus_app.base.settings import PREFIX, Settings, is_loopback, local_host

WEBHOOK_PATH = "/api/git/webhook"


def console(config: Settings) -> str:
    """The console and the API, as hosts and people reach them."""
    return config.public_url


def forge(config: Settings) -> str:
    """The Git server, as this server reaches it."""
    return config.forgejo_url


def public_forge(config: Settings) -> str:
    """The Git server, as hosts and people reach it."""
    return config.forgejo_public_url


def clone(config: Settings, repository: str) -> str:
    """The URL for ``git clone`` on hosts and people's machines; ``repository`` is ``owner/name``."""
    return f"{public_forge(config)}/{repository}.git"


def repository_page(config: Settings, repository: str) -> str:
    """The repository's web page; empty for the embedded forge, which has none."""
    return "" if config.embedded_forge else f"{public_forge(config)}/{repository}"


def commit_page(repository_page: str, sha: str) -> str:
    """The commit's web page; empty if the repository has none."""
    return f"{repository_page}/commit/{sha}" if repository_page else ""


def webhook(config: Settings) -> str:
    """The URL to which the Git server reports pushes."""
    return config.internal_url + WEBHOOK_PATH


def unreachable(config: Settings) -> str:
    """Why other machines cannot reach this server, as a sentence that names the setting; empty if they can.

    Also empty for a server that only this machine uses (``Settings.loopback``).
    """
    if config.loopback:
        return ""
    for variable, url in (("PUBLIC_URL", console(config)), ("FORGEJO_PUBLIC_URL", public_forge(config))):
        if _on_this_machine(url):
            return f"Other machines cannot reach {url}. Set {PREFIX}{variable} to a URL that they can reach."
    return ""


def _on_this_machine(url: str) -> bool:
    """Whether the URL points every machine to itself."""
    return is_loopback(local_host(urlsplit(url).hostname or ""))
