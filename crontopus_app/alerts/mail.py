"""Mails about incidents: the message, and its delivery to the configured mail server."""

from __future__ import annotations

import html
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from crontopus_app.alerts.channels.base import Kind, Setting, Verdict
from crontopus_app.alerts.notice import Notice, cut_tail, headline, lines, printable

ADDRESS = r"[^\s@<>\"(),:;]{1,64}@[^\s@<>\"(),:;]{1,190}"
CONNECT_S = 30.0
MOST_SUBJECT = 150
MOST_TEXT = 40_000
# Headers are not folded: a word that is longer than a line, such as a URL or the id of another mail, would be encoded
# (RFC 2047), which mail programs do not decode there.
UNFOLDED = SMTP.clone(max_line_length=998)


class Mail(Kind):
    name, label = "email", "E-mail"
    settings = (Setting("to", "Address", hint="oncall@example.com", pattern=ADDRESS, wrong="Write one mail address."),)


def message(settings: Mapping[str, str], notice: Notice, sender: str) -> EmailMessage:
    """The mail. Its Message-ID is that of the delivery; mails about one incident are one thread."""
    mail = EmailMessage(policy=SMTP)
    subject = headline(notice)
    mail["Subject"] = subject if len(subject) <= MOST_SUBJECT else f"{subject[: MOST_SUBJECT - 1]}…"
    mail["From"], mail["To"] = f"Crontopus <{sender}>", settings["to"]
    mail["Date"] = format_datetime(notice.at)
    domain = sender.rpartition("@")[2]
    root = f"<{notice.dedup_key.replace(':', '.')}@{domain}>"
    mail["Message-ID"] = f"<{notice.delivery_id}@{domain}>"
    mail["In-Reply-To"] = mail["References"] = root
    mail["List-Id"] = f"<{notice.tenant}.crontopus.{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    text = cut_tail("\n".join(printable(line) for line in lines(notice)), MOST_TEXT)
    mail.set_content(text + "\n", cte="quoted-printable")
    mail.add_alternative(_html(subject, text, notice), subtype="html", cte="quoted-printable")
    mail.policy = UNFOLDED  # after the contents, whose lines follow the policy too
    return mail


def _html(subject: str, text: str, notice: Notice) -> str:
    colour = "#1a7f37" if notice.event == "closed" else "#0969da" if notice.event == "test" else "#cf222e"
    return (
        f'<!doctype html><html><body style="font-family:sans-serif;max-width:640px">'
        f'<p style="border-left:4px solid {colour};padding-left:10px;font-size:17px">{html.escape(subject)}</p>'
        f'<pre style="white-space:pre-wrap;font-size:13px">{html.escape(text)}</pre>'
        f'<p><a href="{html.escape(notice.url, quote=True)}">Open in Crontopus</a></p></body></html>\n'
    )


def deliver(mail: EmailMessage, smtp_url: str, context: ssl.SSLContext | None = None) -> Verdict:
    """Hands the mail to the server of ``smtp_url``. Never sends a password or a mail without TLS."""
    server = urlsplit(smtp_url)
    context = context or ssl.create_default_context()
    try:
        with _connected(server.hostname or "", server.port, server.scheme, context) as smtp:
            if server.username:
                smtp.login(unquote(server.username), unquote(server.password or ""))
            smtp.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        outcome = "broken" if code in (550, 551, 553) else "retry" if code < 500 else "failed"
        return Verdict(outcome, f"SMTP {code}: {words.decode(errors='replace')}"[:500])
    except smtplib.SMTPAuthenticationError as error:  # the operator's affair, and soon mended
        return Verdict("retry", f"The mail server refused the login (SMTP {error.smtp_code}).")
    except smtplib.SMTPResponseException as error:
        words = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return Verdict("retry" if error.smtp_code < 500 else "failed", f"SMTP {error.smtp_code}: {words}"[:500])
    except (smtplib.SMTPException, OSError) as error:
        return Verdict("retry", f"The mail server did not take it: {error}"[:500])
    return Verdict("sent", f"Taken by {server.hostname}")


def _connected(host: str, port: int | None, scheme: str, context: ssl.SSLContext) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=CONNECT_S, context=context)
    smtp = smtplib.SMTP(host, port or 587, timeout=CONNECT_S)
    try:
        smtp.starttls(context=context)
    except (smtplib.SMTPException, OSError):
        smtp.close()
        raise
    return smtp
