"""Delivers push events to webhooks as Forgejo does: payload, signatures, a timeout of five seconds, one attempt."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import httpx
from dulwich.objects import ZERO_SHA
from dulwich.repo import Repo

from crontopus_app.forge.embedded import reading
from crontopus_app.forge.embedded.objects import changed, person
from crontopus_app.forge.embedded.reading import CommitRead, Unreadable
from crontopus_app.forge.embedded.store import Row

TIMEOUT_SECONDS = 5.0
PAYLOAD_COMMITS = 15
NEW_BRANCH_COMMITS = 10
MAX_COMMITS = 1000
ZERO = ZERO_SHA.decode()

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Push:
    """A ref that moved. ``before`` is 40 zeros for a new ref, ``after`` for a deleted one."""

    ref: str
    before: str
    after: str
    pusher: str


def push_payload(repo: Repo, repository: dict[str, Any], push: Push) -> dict[str, Any]:
    """Forgejo's push event. Its list of commits is limited; receivers compare ``before`` and ``after``."""
    limit = NEW_BRANCH_COMMITS if push.before == ZERO else PAYLOAD_COMMITS
    commits = [_commit(repo, commit, repository["html_url"]) for commit in _commits(repo, push)]
    account = {"login": push.pusher, "username": push.pusher}
    return {
        "ref": push.ref,
        "before": push.before,
        "after": push.after,
        "compare_url": f"{repository['html_url']}/compare/{push.before}...{push.after}",
        "commits": commits[:limit],
        "total_commits": len(commits),
        "head_commit": commits[0] if commits else None,
        "repository": repository,
        "pusher": account,
        "sender": account,
    }


def _commits(repo: Repo, push: Push) -> list[CommitRead]:
    """The pushed commits that can be read, newest first, at most ``MAX_COMMITS``."""
    store = repo.object_store
    before = push.before.encode()
    if push.before == ZERO or reading.kind_of(store, before) is None:
        before = None
    commits: list[CommitRead] = []
    try:
        for commit in reading.newest_first(store, reading.commit(store, push.after.encode()), before):
            commits.append(commit)
            if len(commits) == MAX_COMMITS:
                break
    except (KeyError, Unreadable):
        pass
    return commits


def _commit(repo: Repo, commit: CommitRead, url: str) -> dict[str, Any]:
    author = person(commit.author, commit.author_time, commit.author_timezone)
    committer = person(commit.committer, commit.commit_time, commit.commit_timezone)
    sha = commit.id.decode()
    return {
        "id": sha,
        "message": commit.message.decode("utf-8", "replace"),
        "url": f"{url}/commit/{sha}",
        "author": {"name": author["name"], "email": author["email"], "username": ""},
        "committer": {"name": committer["name"], "email": committer["email"], "username": ""},
        "verification": None,
        "timestamp": committer["date"],
        **changed(repo, commit),
    }


def matches(hook: Row, push: Push) -> bool:
    """Whether a push is delivered to a webhook. The deletion of a branch is not a push but ``delete`` in Forgejo."""
    if not hook["active"] or push.after == ZERO or "push" not in hook["events"].split():
        return False
    branch = push.ref.removeprefix("refs/heads/")
    return not hook["branch_filter"] or (branch != push.ref and fnmatchcase(branch, hook["branch_filter"]))


def headers(secret: str, body: bytes, event: str = "push") -> dict[str, str]:
    """All headers of a delivery. Without a secret, the signatures are empty, as in Forgejo."""
    key = secret.encode()
    sha256 = hmac.new(key, body, hashlib.sha256).hexdigest() if secret else ""
    sha1 = hmac.new(key, body, hashlib.sha1).hexdigest() if secret else ""
    delivery = str(uuid.uuid4())
    result = {"Content-Type": "application/json"}
    for brand in ("Forgejo", "Gitea", "Gogs"):
        result |= {
            f"X-{brand}-Event": event,
            f"X-{brand}-Event-Type": event,
            f"X-{brand}-Delivery": delivery,
            f"X-{brand}-Signature": sha256,
        }
    return result | {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature": f"sha1={sha1}",
        "X-Hub-Signature-256": f"sha256={sha256}",
    }


class Deliveries:
    """Delivers events in its own threads, so no request waits for a receiver. Failed deliveries are dropped."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="forge-hook")

    def send(self, url: str, secret: str, payload: dict[str, Any]) -> None:
        self._threads.submit(self._deliver, url, secret, json.dumps(payload, indent=2).encode())

    def _deliver(self, url: str, secret: str, body: bytes) -> None:
        try:
            # Receivers belong to this installation, so proxy settings of the environment do not apply.
            answer = httpx.post(
                url, content=body, headers=headers(secret, body), timeout=TIMEOUT_SECONDS, trust_env=False
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("Delivery to the webhook %s failed: %s", url, type(error).__name__)
            return
        if not answer.is_success:
            log.warning("The webhook %s returned status %s", url, answer.status_code)
