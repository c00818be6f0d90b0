"""Mails, and a mail server that takes them over TLS only."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crontopus_app.alerts import mail
from crontopus_app.alerts.notice import Notice
from tests.alerts.test_kinds import CLOSED, INCIDENT, OPENED, TEST
from tests.cast import NOON
from tests.fixtures.processes import free_port

TO = {"to": "oncall@example.com"}
SENDER = "cron@example.org"


def written(notice: Notice) -> EmailMessage:
    return mail.message(TO, notice, SENDER)


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return part.get_content()


def test_the_mail_says_what_why_and_where() -> None:
    facts = replace(
        INCIDENT,
        why="db01 was off.",
        last_good=NOON,
        commit="abcdef1234",
        commit_author="ann",
        commit_message="Faster\n\nmore",
        runbook="https://wiki/backup",
    )
    message = written(replace(OPENED, incidents=(facts,)))
    assert message["Subject"] == "DOWN production/backup on db01: exit 1"
    assert text_of(message).splitlines() == [
        "production/backup on db01: exit 1",
        "Since: 2026-11-23 11:58:00 UTC",
        "Why: db01 was off.",
        "Last good run: 2026-11-23 12:00 UTC",
        "Last change: abcdef1 by ann: Faster",
        "Runbook: https://wiki/backup",
        INCIDENT.url,
        "",
        "Last output:",
        "a & b <c>",
        "```",
        "@everyone *bold*",
        "last line",
    ]
    part = message.get_body(("html",))
    assert part is not None
    assert "a &amp; b &lt;c&gt;" in part.get_content()


def test_mails_about_an_incident_are_one_thread_and_each_has_its_own_id() -> None:
    opened, closed = written(OPENED), written(replace(CLOSED, delivery_id="d2"))
    assert opened["References"] == closed["References"] == closed["In-Reply-To"]
    assert (opened["Message-ID"], closed["Message-ID"]) == ("<d1@example.org>", "<d2@example.org>")
    assert opened["Message-ID"] == written(OPENED)["Message-ID"]
    assert opened["Auto-Submitted"] == "auto-generated"


def test_a_name_adds_no_header_and_a_long_line_is_folded() -> None:
    facts = replace(INCIDENT, title="a\r\nBcc: x@example.com", output_tail="x" * 5000 + "\x1b[31m\0é")
    message = written(replace(OPENED, incidents=(facts,)))
    assert message["Bcc"] is None
    assert max(len(line) for line in bytes(message).splitlines()) <= 998
    assert "\x1b" not in text_of(message)


def test_ids_of_mails_are_written_as_they_are() -> None:
    """Folding would encode a long one, and then the mails are no thread."""
    tenant, sender = "a" * 39, "cron@mail.a-rather-long-name.example.org"
    message = mail.message(TO, replace(OPENED, tenant=tenant), sender)
    root = f"<crontopus.{tenant}.{INCIDENT.id}@mail.a-rather-long-name.example.org>"
    lines = bytes(message).split(b"\r\n")
    assert f"References: {root}".encode() in lines
    assert f"In-Reply-To: {root}".encode() in lines
    body = bytes(message).partition(b"\r\n\r\n")[2]
    assert max(len(line) for line in body.split(b"\r\n")) <= 78


@dataclass
class _Inbox:
    """Keeps what it gets; refuses recipients whose name begins with a code."""

    mails: list[Message] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address[:3].isdigit():
            return f"{address[:3]} no"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


@dataclass(frozen=True)
class _Server:
    url: str
    inbox: _Inbox
    trusts: ssl.SSLContext


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def _serve(folder: Path, *, tls: bool) -> Iterator[_Server]:
    certificate, key = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    inbox = _Inbox()

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"ann", b"p w"), handled=False)

    options: dict[str, Any] = {"tls_context": context, "require_starttls": True} if tls else {}
    port = free_port()
    controller = Controller(
        inbox, hostname="localhost", port=port, authenticator=authenticate, auth_require_tls=tls, **options
    )
    controller.start()
    try:
        trusts = ssl.create_default_context(cafile=str(certificate))
        yield _Server(f"smtp://ann:p%20w@localhost:{port}", inbox, trusts)
    finally:
        controller.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    yield from _serve(tmp_path, tls=True)


@pytest.fixture
def plain_server(tmp_path: Path) -> Iterator[_Server]:
    yield from _serve(tmp_path, tls=False)


def test_a_mail_server_gets_the_mail_over_tls(server: _Server) -> None:
    verdict = mail.deliver(written(TEST), server.url, server.trusts)
    assert verdict.outcome == "sent"
    assert [each["To"] for each in server.inbox.mails] == ["oncall@example.com"]


@pytest.mark.logs_errors  # the server logs the failed handshake
def test_an_unknown_certificate_and_a_wrong_password_are_not_accepted(server: _Server) -> None:
    assert mail.deliver(written(TEST), server.url).outcome == "retry"
    wrong = mail.deliver(written(TEST), server.url.replace("p%20w", "other"), server.trusts)
    assert (wrong.outcome, "other" in wrong.words) == ("retry", False)
    assert server.inbox.mails == []


def test_nothing_is_sent_without_tls(plain_server: _Server) -> None:
    verdict = mail.deliver(written(TEST), plain_server.url, plain_server.trusts)
    assert verdict.outcome == "retry"
    assert plain_server.inbox.mails == []


@pytest.mark.parametrize(("code", "outcome"), [(550, "broken"), (450, "retry"), (552, "failed")])
def test_a_refused_address(code: int, outcome: str, server: _Server) -> None:
    message = mail.message({"to": f"{code}@example.com"}, TEST, SENDER)
    assert mail.deliver(message, server.url, server.trusts).outcome == outcome


def test_a_server_that_is_away_gets_it_later() -> None:
    assert mail.deliver(written(TEST), "smtp://localhost:1").outcome == "retry"
