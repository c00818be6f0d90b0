"""A report as a mail, in text and HTML. Pure."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from crontopus_app.alerts.mail import MOST_SUBJECT, UNFOLDED
from crontopus_app.alerts.notice import printable
from crontopus_app.alerts.report_facts import JobCount, ReportFacts, in_words

LINE = 300


@dataclass(frozen=True)
class Envelope:
    """From whom to whom. ``report_id`` is the same for each attempt to send it. URLs of the console, and to stop."""

    report_id: str
    sender: str
    recipient: str
    at: datetime
    console_url: str
    unsubscribe_url: str


@dataclass(frozen=True)
class _Section:
    title: str
    lines: Sequence[str]


def message(facts: ReportFacts, zone: ZoneInfo, envelope: Envelope) -> EmailMessage:
    """The mail. Its first line says whether all is well."""
    mail = EmailMessage(policy=SMTP)
    domain = envelope.sender.rpartition("@")[2]
    summary = summary_of(facts)
    mail["Subject"] = _cut(f"{facts.tenant}, {_when(facts)}: {summary}", MOST_SUBJECT)
    mail["From"], mail["To"] = f"Crontopus <{envelope.sender}>", envelope.recipient
    mail["Date"], mail["Message-ID"] = format_datetime(envelope.at), f"<{envelope.report_id}@{domain}>"
    mail["List-Id"] = f"<reports.{facts.tenant}.crontopus.{domain}>"
    mail["List-Unsubscribe"] = f"<{envelope.unsubscribe_url}>"
    if envelope.unsubscribe_url.startswith("https://"):  # RFC 8058, section 3.1: only there
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"] = "auto-generated", "All"
    sections = _sections(facts, zone)
    about = f"{facts.tenant}, {_when(facts)}. Times are in {zone.key}."
    mail.set_content(_text(summary, about, sections, envelope), cte="quoted-printable")
    mail.add_alternative(_html(summary, about, sections, envelope), subtype="html", cte="quoted-printable")
    mail.policy = UNFOLDED
    return mail


def summary_of(facts: ReportFacts) -> str:
    """One sentence: ``All is well: 96 runs, none failed or was missed.``"""
    total = sum(facts.runs.values())
    troubles = [
        _plural(facts.unwell_jobs, "job failed or was missed", "jobs failed or were missed"),
        _plural(facts.open_incidents, "incident is open", "incidents are open"),
        _plural(facts.silent_hosts, "host is silent", "hosts are silent"),
    ]
    found = ", ".join(each for each in troubles if each)
    runs = _plural(total, "run", "runs") or "no runs"
    if found:
        return f"{found[0].upper()}{found[1:]} ({runs})."
    return f"All is well: {runs}, none failed or was missed." if total else "All is well: no runs."


def _plural(count: int, one: str, many: str) -> str:
    """Empty for zero."""
    return f"{count:,} {one if count == 1 else many}" if count else ""


def _when(facts: ReportFacts) -> str:
    period = facts.period
    if period.kind == "daily":
        return f"{period.first:%A %Y-%m-%d}"
    return f"{period.first:%B %Y}" if period.kind == "monthly" else f"week {period.first} to {period.last}"


def _sections(facts: ReportFacts, zone: ZoneInfo) -> list[_Section]:
    """Those that have something to say; the counts of runs always."""
    runs = [f"{count:,} {status}" for status, count in facts.runs.items()] or ["none"]
    opened = _plural(facts.opened_incidents, "was opened", "were opened")
    sections = [
        _Section("Runs", [*runs, f"{_plural(facts.jobs, 'job', 'jobs') or 'no jobs'} in the repository"]),
        _Section("Failed or missed most", _with_rest([_unwell(job) for job in facts.unwell], facts.unwell_jobs)),
        _Section(
            "Open incidents" + (f" ({opened} in this time)" if opened else ""),
            _with_rest(
                [f"{each.title}: {each.what}, since {_at(each.since, zone)}" for each in facts.incidents],
                facts.open_incidents,
            ),
        ),
        _Section(
            "Silent hosts",
            _with_rest(
                [f"{name}, last seen {_at(seen, zone) if seen else 'never'}" for name, seen in facts.silent],
                facts.silent_hosts,
            ),
        ),
        _Section(
            "Slowest",
            [f"{job.name}: {in_words(job.longest_s)}, on average {in_words(job.average_s)}" for job in facts.slowest],
        ),
        _Section(
            "Changes",
            _with_rest(
                [f"{_at(each.at, zone)} {each.author}: {each.what}" for each in facts.changes], facts.change_count
            ),
        ),
    ]
    return [section for section in sections if section.lines]


def _unwell(job: JobCount) -> str:
    return f"{job.name}: {job.count:,}" + (f", of which {job.missed:,} missed" if job.missed else "")


def _with_rest(lines: list[str], total: int) -> list[str]:
    return [*lines, f"… and {total - len(lines):,} more"] if total > len(lines) else lines


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _cut(line: str, most: int = LINE) -> str:
    clean = printable(" ".join(line.split()))
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"


def _text(summary: str, about: str, sections: Sequence[_Section], envelope: Envelope) -> str:
    lines = [summary, "", about]
    for section in sections:
        lines += ["", section.title, *(f"  {_cut(line)}" for line in section.lines)]
    lines += ["", f"Open Crontopus: {envelope.console_url}", f"No more reports: {envelope.unsubscribe_url}"]
    return "\n".join(lines) + "\n"


def _html(summary: str, about: str, sections: Sequence[_Section], envelope: Envelope) -> str:
    colour = "#1a7f37" if summary.startswith("All is well") else "#cf222e"
    parts = [
        f'<!doctype html><html lang="en"><body style="font-family:sans-serif;max-width:640px">\n'
        f'<p style="border-left:4px solid {colour};padding-left:10px;font-size:17px">{html.escape(summary)}</p>\n'
        f'<p style="color:#57606a">{html.escape(about)}</p>\n'
    ]
    for section in sections:
        lines = "".join(f"<li>{html.escape(_cut(line))}</li>\n" for line in section.lines)
        parts.append(
            f'<h3 style="font-size:15px;margin-bottom:4px">{html.escape(section.title)}</h3>\n<ul>{lines}</ul>\n'
        )
    console, stop = (html.escape(each, quote=True) for each in (envelope.console_url, envelope.unsubscribe_url))
    parts.append(
        f'<p><a href="{console}">Open Crontopus</a> · <a href="{stop}">No more reports</a></p></body></html>\n'
    )
    return "".join(parts)
