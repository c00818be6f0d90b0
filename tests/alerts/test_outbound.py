"""Channels reach public addresses, and nothing of this machine or its networks."""

from __future__ import annotations

import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from crontopus_app.alerts import outbound
from crontopus_app.alerts.channels.base import HttpRequest
from tests.alerts.receiver import Receiver

LOCAL = (ip_network("127.0.0.0/8"),)


def request(url: str) -> HttpRequest:
    return HttpRequest("POST", url, {"content-type": "application/json"}, b"{}")


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::5db8:d70e", True),
        ("64:ff9b:1::7f00:1", False),
        ("::7f00:1", False),
        ("::5efe:7f00:1", False),
        ("fec0::1", False),
        ("2002:7f00:1::", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ],
)
def test_only_public_addresses_may_be_reached(address: str, fine: bool) -> None:
    assert outbound.may_reach(ip_address(address), ()) == fine


def test_the_operator_can_allow_a_network() -> None:
    networks = (ip_network("10.1.0.0/16"),)
    assert outbound.may_reach(ip_address("10.1.2.3"), networks)
    assert not outbound.may_reach(ip_address("10.2.2.3"), networks)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "017700000001", "127.1", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_every_spelling_of_this_machine_is_refused(host: str, receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]
    with pytest.raises(outbound.Refused, match="private or reserved"):
        outbound.send(request(f"http://{host}:{port}/"), ())
    assert receiver.received == []


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: answers)
    with pytest.raises(outbound.Refused):
        outbound.resolve("two-faced.example.com", 80, ())


def test_the_checked_address_is_the_one_that_is_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name whose server answers another address the second time gets no second question."""
    real, asked = socket.getaddrinfo, []

    def answer(host: Any, port: Any, *args: Any, **named: Any) -> Any:
        if host == "rebinding.example.com":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return real(host, port, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    port = receiver.url.rpartition(":")[2]
    assert outbound.send(request(f"http://rebinding.example.com:{port}/"), LOCAL).status == 200
    assert len(asked) == 1
    assert receiver.received[0].headers["host"] == f"rebinding.example.com:{port}"


def test_the_next_address_is_tried_if_one_does_not_answer(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without IPv6 gets IPv6 addresses of a receiver too."""
    port = int(receiver.url.rpartition(":")[2])
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.2", "127.0.0.1")]
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **named: answers if "two" in str(host) else real(host, *more, **named),
    )
    assert outbound.send(request(f"http://two.example.com:{port}/"), LOCAL).status == 200


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.answers = [(302, {"location": f"{receiver.url}/inside"}, b"")]
    assert outbound.send(request(f"{receiver.url}/"), LOCAL).status == 302
    assert len(receiver.received) == 1


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", receiver.url)
    monkeypatch.setenv("ALL_PROXY", receiver.url)
    with pytest.raises(outbound.Refused):
        outbound.send(request("http://10.0.0.1/"), ())
    assert receiver.received == []


def test_a_long_answer_is_cut(receiver: Receiver) -> None:
    receiver.answers = [(200, {}, b"x" * 1_000_000)]
    assert len(outbound.send(request(receiver.url), LOCAL).body) == outbound.MOST_BYTES


def test_a_receiver_that_does_not_answer_fails_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(outbound.Failed):
            outbound.send(request(url), LOCAL, timeout_s=0.3)


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\nx-slow: ", b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"])
def test_a_receiver_that_drips_fails_in_time(begin: bytes) -> None:
    """Each byte comes within the time limit of a read, but the answer never ends."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        dripping = pool.submit(drip, server, begin)
        with pytest.raises(outbound.Failed, match=r"took too long|Timeout"):
            outbound.send(request(f"http://127.0.0.1:{server.getsockname()[1]}/"), LOCAL, timeout_s=1.0)
        assert dripping.result(timeout=60) == "closed by the client"


def drip(server: socket.socket, begin: bytes) -> str:
    connection, _ = server.accept()
    with connection:
        connection.sendall(begin)
        connection.settimeout(0.05)
        for _ in range(400):
            try:
                if connection.recv(65536) == b"":
                    return "closed by the client"
            except TimeoutError:
                connection.sendall(b"x")
            except OSError:
                return "closed by the client"
    return "read for 20 s"


def test_a_url_is_not_written_to_the_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        outbound.send(request(f"{receiver.url}/T000/B000/the-secret"), LOCAL)
    assert "the-secret" not in caplog.text


def test_the_receiver_is_asked_for_a_readable_answer(receiver: Receiver) -> None:
    outbound.send(request(receiver.url), LOCAL)
    headers = receiver.received[0].headers
    assert (headers["accept-encoding"], headers["user-agent"]) == ("identity", "Crontopus")


def test_a_receiver_that_is_not_there_fails(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with pytest.raises(outbound.Failed):
        outbound.send(request(url), LOCAL)


def test_other_schemes_are_refused() -> None:
    with pytest.raises(outbound.Refused):
        outbound.send(request("file:///etc/passwd"), ())
