"""Sends requests to addresses that tenants choose, without reaching this machine or its private networks.

A name is resolved here, each of its addresses is checked, and the connection goes to the checked address: a second
answer of the name's server (DNS rebinding) is never used. Redirects are not followed.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpcore
import httpx

from crontopus_app.alerts.channels.base import Answer, HttpRequest

Network = IPv4Network | IPv6Network
CONNECT_S, READ_S, TOTAL_S = 10.0, 20.0, 30.0
MOST_BYTES = 64 * 1024
NAT64 = IPv6Network("64:ff9b::/96")
# All public IPv6 addresses but NAT64's are in it. Others, such as ::127.0.0.1 and fec0::1, are obsolete forms.
PUBLIC_V6 = IPv6Network("2000::/3")
# Receivers' error texts are read as they come; a compressed one would be unreadable.
HEADERS = {"user-agent": "Crontopus", "accept-encoding": "identity"}

# It writes the whole URL of each request, which is the secret of most kinds of channels.
logging.getLogger("httpx").setLevel(logging.WARNING)


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
                transport=_transport(allowed, deadline), timeout=timeout, follow_redirects=False, trust_env=False
            ) as client,
            client.stream(
                request.method, request.url, headers={**HEADERS, **request.headers}, content=request.body
            ) as response,
        ):
            body = _bounded(response.iter_raw())
            return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise Refused(f"The address cannot be used: {error}") from error
    except httpx.HTTPError as error:
        raise Failed(f"{type(error).__name__}: {error}") from error


def _bounded(chunks: Iterable[bytes]) -> bytes:
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) >= MOST_BYTES:
            break
    return body[:MOST_BYTES]


def _transport(allowed: Sequence[Network], deadline: float) -> httpx.HTTPTransport:
    transport = httpx.HTTPTransport(trust_env=False)
    # From the environment: certificates that the operator trusts (SSL_CERT_FILE), but no proxies.
    context = httpx.create_ssl_context(trust_env=True)
    transport._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_CheckedBackend(allowed, deadline))
    return transport


class _CheckedBackend(httpcore.SyncBackend):
    """Connects to checked addresses only. The name stays the one of TLS and of the Host header."""

    def __init__(self, allowed: Sequence[Network], deadline: float) -> None:
        self._allowed, self._deadline = allowed, deadline

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: object, **options: object
    ) -> httpcore.NetworkStream:
        failure: Exception = Failed("The answer took too long.")
        for address in resolve(host, port, self._allowed):
            left = self._deadline - time.monotonic()
            if left <= 0:
                break
            try:
                limit = min(left, CONNECT_S if timeout is None else timeout)
                stream = super().connect_tcp(address, port, limit, *args, **options)  # pyright: ignore[reportArgumentType] -- as is
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failure


class _TimedStream(httpcore.NetworkStream):
    """A connection that ends at the deadline, also when the receiver sends a byte from time to time."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._left(timeout))
        return _TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)

    def _left(self, timeout: float | None) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Failed("The answer took too long.")
        return min(left, READ_S if timeout is None else timeout)


def resolve(host: str, port: int, allowed: Sequence[Network]) -> list[str]:
    """The host's addresses. Raises Refused if one of them may not be reached, Failed if there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Failed(f"The name {host} cannot be resolved: {error}") from error
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    for address in addresses:
        if not may_reach(ip_address(address), allowed):
            named = address if address == host else f"{host} leads to {address}, which"
            raise Refused(
                f"{named} is private or reserved. The operator can allow its network with CRONTOPUS_ALERT_NETWORKS."
            )
    return addresses


def may_reach(address: IPv4Address | IPv6Address, allowed: Sequence[Network]) -> bool:
    """Whether the address is public or in an allowed network, and so is an IPv4 address that it contains."""
    if any(address in network for network in allowed if network.version == address.version):
        return True
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return all(may_reach(each, allowed) for each in inner)
        if address not in PUBLIC_V6:
            return False
    return address.is_global and not address.is_multicast


def _inner(address: IPv6Address) -> list[IPv4Address] | None:
    """The IPv4 addresses that the IPv6 address stands for."""
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if address in NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return None
