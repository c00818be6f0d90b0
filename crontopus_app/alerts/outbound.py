"""Sends requests to addresses that tenants choose, without reaching this machine or its private networks.

A name is resolved here, each of its addresses is checked, and the connection goes to the checked address: a second
answer of the name's server (DNS rebinding) is never used. Redirects are not followed.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpcore
import httpx

from crontopus_app.alerts.channels.base import Answer, HttpRequest

Network = IPv4Network | IPv6Network
CONNECT_S, READ_S, TOTAL_S = 10.0, 20.0, 30.0
MOST_BYTES = 64 * 1024
NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class Refused(Exception):
    """The address is not one that a channel may reach."""


class Failed(Exception):
    """There was no complete answer. The request may be repeated."""


def send(request: HttpRequest, allowed: Sequence[Network], timeout_s: float = TOTAL_S) -> Answer:
    """The answer, of which at most 64 KiB are read. ``allowed``: networks that may be reached though they are private.

    Raises Refused and Failed.
    """
    deadline = time.monotonic() + timeout_s
    timeout = httpx.Timeout(min(READ_S, timeout_s), connect=min(CONNECT_S, timeout_s))
    try:
        with (
            httpx.Client(
                transport=_transport(allowed), timeout=timeout, follow_redirects=False, trust_env=False
            ) as client,
            client.stream(request.method, request.url, headers=dict(request.headers), content=request.body) as response,
        ):
            body = _bounded(response.iter_raw(), deadline)
            return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise Refused(f"The address cannot be used: {error}") from error
    except httpx.HTTPError as error:
        raise Failed(f"{type(error).__name__}: {error}") from error


def _bounded(chunks: Iterable[bytes], deadline: float) -> bytes:
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) >= MOST_BYTES:
            break
        if time.monotonic() > deadline:
            raise Failed("The answer took too long.")
    return body[:MOST_BYTES]


def _transport(allowed: Sequence[Network]) -> httpx.HTTPTransport:
    transport = httpx.HTTPTransport(trust_env=False)
    checked = httpcore.ConnectionPool(
        ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=_CheckedBackend(allowed)
    )
    transport._pool = checked
    return transport


class _CheckedBackend(httpcore.SyncBackend):
    """Connects to checked addresses only. The name stays the one of TLS and of the Host header."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed

    def connect_tcp(self, host: str, port: int, *args: object, **options: object) -> httpcore.NetworkStream:
        address = resolve(host, port, self._allowed)
        return super().connect_tcp(address, port, *args, **options)  # pyright: ignore[reportArgumentType] -- passed on


def resolve(host: str, port: int, allowed: Sequence[Network]) -> str:
    """An address of the host. Raises Refused if one of its addresses may not be reached, Failed if it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Failed(f"The name {host} cannot be resolved: {error}") from error
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    for address in addresses:
        if not may_reach(ip_address(address), allowed):
            raise Refused(
                f"{host} leads to {address}, which is private or reserved. The operator can allow its network with "
                "CRONTOPUS_ALERT_NETWORKS."
            )
    return addresses[0]


def may_reach(address: IPv4Address | IPv6Address, allowed: Sequence[Network]) -> bool:
    """Whether the address is public or in an allowed network, and so is an IPv4 address that it contains."""
    if any(address in network for network in allowed if network.version == address.version):
        return True
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return all(may_reach(each, allowed) for each in inner)
    return address.is_global and not address.is_multicast


def _inner(address: IPv6Address) -> list[IPv4Address] | None:
    """The IPv4 addresses that the IPv6 address stands for."""
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if any(address in network for network in NAT64):
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return None
