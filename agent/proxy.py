"""The HTTP proxy between this host and the control plane. Loopback addresses never use a proxy."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_for(url: str, kinds: tuple[str, ...] = ("http",)) -> str | None:
    """The proxy's address for ``url`` by ``https_proxy``, ``http_proxy``, ``all_proxy`` and ``no_proxy``, or None.

    Ignores other kinds of proxies; the runner supports HTTP proxies only.
    """
    parts, proxies = urlsplit(url), getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or is_loopback(url) or proxy_bypass(parts.netloc):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    return proxy if proxy.partition("://")[0] in kinds else None
