"""The filter of job lists: ``label:env=prod host:db01 state:failing ns:production backup``. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

LONGEST = 400
# Words of the console for states of a job.
STATES = {"healthy": "ok"}
KINDS = {"label": "label", "host": "host", "endpoint": "host", "state": "state", "ns": "ns", "namespace": "ns"}
NOBODY = "none"


@dataclass(frozen=True)
class Term:
    """One condition: a ``kind`` of ``KINDS`` or ``text``, and its value in lower case; ``word`` is as typed."""

    kind: str
    value: str
    word: str


@dataclass(frozen=True)
class JobFilter:
    """All terms must hold. A value may have the wildcards of file names: ``host:db*``."""

    terms: tuple[Term, ...] = ()

    def fits_file(self, namespace: str, labels: Mapping[str, Any], text: str) -> bool:
        """Whether the terms about the file hold; ``text`` is searched, in lower case."""
        return all(_fits_file(term, namespace, labels, text) for term in self.terms)

    def fits_job(self, state: str, hosts: Sequence[str]) -> bool:
        """Whether the terms about the job's state and hosts hold."""
        return all(_fits_job(term, state, hosts) for term in self.terms)


def parse(text: str) -> JobFilter:
    """The filter that the text describes. A word with an unknown prefix is searched as text."""
    return JobFilter(tuple(_term(word) for word in text[:LONGEST].split()))


def _term(word: str) -> Term:
    prefix, colon, value = word.partition(":")
    kind = KINDS.get(prefix.lower(), "text") if colon and value else "text"
    return Term(kind, (value if kind != "text" else word).lower(), word)


def _fits_file(term: Term, namespace: str, labels: Mapping[str, Any], text: str) -> bool:
    if term.kind == "ns":
        return fnmatchcase(namespace.lower(), term.value)
    if term.kind == "label":
        name, equals, value = term.value.partition("=")
        pairs = ((str(key).lower(), str(of_key).lower()) for key, of_key in labels.items())
        return any(fnmatchcase(key, name) and (not equals or fnmatchcase(own, value)) for key, own in pairs)
    return term.value in text if term.kind == "text" else True


def _fits_job(term: Term, state: str, hosts: Sequence[str]) -> bool:
    if term.kind == "state":
        return STATES.get(term.value, term.value) == state
    if term.kind == "host":
        return any(fnmatchcase(host.lower(), term.value) for host in hosts) or (term.value == NOBODY and not hosts)
    return True
