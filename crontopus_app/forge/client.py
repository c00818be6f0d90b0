"""The client of the Git server, for Forgejo and the embedded forge.

Every ``ensure_*`` is idempotent: it creates what is missing and corrects what differs.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Literal

import httpx

from crontopus_app.base.errors import BadInput
from crontopus_app.forge.addresses import WEBHOOK_PATH
from crontopus_app.forge.http import (
    AccessToken,
    Author,
    CommitInfo,
    Committed,
    FileOperation,
    ForgeConflict,
    ForgeMisconfigured,
    ForgeNotFound,
    ForgeRejected,
    ForgeUnavailable,
    TreeEntry,
    Wire,
    address,
    failure,
)

__all__ = [
    "AccessToken",
    "Author",
    "CommitInfo",
    "Committed",
    "FileOperation",
    "ForgeConflict",
    "ForgeMisconfigured",
    "ForgeNotFound",
    "ForgeRejected",
    "ForgeUnavailable",
    "Forgejo",
    "TreeEntry",
]

# Accounts made by Crontopus have this e-mail domain, which nobody can own (RFC 2606).
BOT_DOMAIN = "bots.crontopus.invalid"
BRANCH = "main"
Access = Literal["read", "write"]
PAGE = 50
TREE_PAGE = 1000
BLOBS_AT_ONCE = 50
MAX_PATH = 500
# Statuses for a commit on a branch that has moved (v7: 422 for a stale sha, v15: 409).
STALE = (400, 409, 422)


class Forgejo(Wire):
    """Calls Forgejo as its administrator, with HTTP Basic: creating tokens for other accounts requires a password.

    ``allow_broad_tokens`` accepts tokens that are not bound to one repository; Forgejo below 15 has no others. Then
    only the permissions of the token's account limit it, and each such account can read one repository.
    """

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        allow_broad_tokens: bool = False,
    ) -> None:
        super().__init__(url, user, password, transport=transport, timeout=timeout)
        self._allow_broad_tokens = allow_broad_tokens

    # The server

    def version(self) -> str:
        """The version, such as ``15.0.3+gitea-1.22.0``; raises ForgeMisconfigured for wrong credentials."""
        return str(self.send("GET", address("version")).json()["version"])

    def healthy(self) -> bool:
        """Whether the server responds and reports itself healthy. Never raises."""
        try:
            return self.send("GET", "/api/healthz").status_code == 200
        except (ForgeUnavailable, ForgeNotFound, ForgeConflict, ForgeRejected):
            return False

    # Provisioning

    def ensure_org(self, name: str) -> None:
        """Creates a private organisation; an existing one is not changed."""
        if self._get(address("orgs", name)) is not None:
            return
        body = {"username": name, "visibility": "private"}
        answer = self.send("POST", address("orgs"), json=body, expect=(201, 422))
        if answer.status_code == 422 and self._get(address("orgs", name)) is None:
            raise failure(answer)  # refused, and not created by another process meanwhile

    def ensure_repository(self, org: str, name: str, description: str) -> None:
        """Creates a private repository without commits. An existing one keeps its content and becomes private."""
        body = {
            "name": name,
            "description": description,
            "private": True,
            "auto_init": False,
            "default_branch": BRANCH,
        }
        answer = self.send("POST", address("orgs", org, "repos"), json=body, expect=(201, 409))
        if answer.status_code == 201:
            return
        if not self.send("GET", address("repos", org, name)).json()["private"]:
            self.send("PATCH", address("repos", org, name), json={"private": True})

    def ensure_bot(self, username: str) -> None:
        """Creates a restricted, private account with a random password that nobody knows.

        Raises ForgeConflict, and changes nothing, if an account of that name exists that Crontopus did not make.
        """
        account = self._get(address("users", username)) or self._make_bot(username)
        if str(account.get("email", "")).lower() != f"{username}@{BOT_DOMAIN}".lower():
            raise ForgeConflict(
                f"The Git server has an account {username!r} that Crontopus did not create. Rename that account."
            )

    def _make_bot(self, username: str) -> dict[str, Any]:
        body = {
            "username": username,
            "email": f"{username}@{BOT_DOMAIN}",
            "full_name": "Made by Crontopus for one repository",
            "password": secrets.token_urlsafe(36) + "aA1!",
            "must_change_password": False,
            "restricted": True,
            "send_notify": False,
            "visibility": "private",
        }
        answer = self.send("POST", address("admin", "users"), json=body, expect=(201, 422))
        if answer.status_code == 201:
            return answer.json()
        account = self._get(address("users", username))
        if account is None:
            raise failure(answer)
        return account

    def ensure_collaborator(self, org: str, repo: str, username: str, access: Access = "read") -> None:
        """Sets the account's permission for the repository to ``access``."""
        self.send("PUT", address("repos", org, repo, "collaborators", username), json={"permission": access})

    def create_token(self, username: str, name: str, org: str, repo: str, access: Access = "read") -> AccessToken:
        """Creates a token with ``access`` to this repository only, over REST and Git.

        Raises ForgeConflict if the account has a token of that name. Raises ForgeMisconfigured, after deleting the
        token, if the server bound it to no repository (Forgejo below 15) and broad tokens are not allowed.
        """
        body = {"name": name, "scopes": [f"{access}:repository"], "repositories": [{"owner": org, "name": repo}]}
        answer = self.send("POST", address("users", username, "tokens"), json=body, expect=(201, 400, 422))
        if answer.status_code != 201:
            if name in self._token_names(username):
                raise ForgeConflict(f"The account {username!r} already has a token named {name!r}. Delete it first.")
            raise failure(answer)
        item = answer.json()
        token = AccessToken(int(item["id"]), str(item["name"]), str(item["sha1"]), bool(item.get("repositories")))
        if not token.bound and not self._allow_broad_tokens:
            self.delete_token(username, token.id)
            raise ForgeMisconfigured(
                "This Git server cannot limit a token to one repository; Forgejo 15 or later can. Upgrade it, or set "
                "CRONTOPUS_FORGEJO_BROAD_TOKENS=true to accept tokens that only their account limits."
            )
        return token

    def delete_token(self, username: str, name_or_id: str | int) -> None:
        """Revokes the token; no error if it does not exist."""
        self.send("DELETE", address("users", username, "tokens", str(name_or_id)), expect=(204, 404))

    def _token_names(self, username: str) -> set[str]:
        return {str(token["name"]) for token in self._pages(address("users", username, "tokens"))}

    def ensure_webhook(self, org: str, repo: str, url: str, secret: str) -> int:
        """Creates the webhook for pushes to ``main``, replaces older ones of Crontopus, and returns its id.

        A webhook's secret cannot be read, and not every version can change it (7 keeps the old one and answers 200).
        So a new webhook is created before the old ones are deleted: a push in between is reported twice, never lost.
        """
        path = address("repos", org, repo, "hooks")
        urls = [(hook["id"], hook.get("config", {}).get("url", "")) for hook in self._pages(path)]
        old = [hook_id for hook_id, hook_url in urls if hook_url == url or hook_url.endswith(WEBHOOK_PATH)]
        body = {
            "active": True,
            "events": ["push"],
            "branch_filter": BRANCH,
            "config": {"url": url, "content_type": "json", "secret": secret},
        }
        created = self._make_hook(path, body)
        for hook_id in old:
            self.send("DELETE", address("repos", org, repo, "hooks", str(hook_id)), expect=(204, 404))
        return created

    def _make_hook(self, path: str, body: dict[str, Any]) -> int:
        answer = self.send("POST", path, json={"type": "forgejo", **body}, expect=(201, 422))
        if answer.status_code == 422:  # older servers know only the type's former name
            answer = self.send("POST", path, json={"type": "gitea", **body})
        return int(answer.json()["id"])

    # Reading

    def head(self, org: str, repo: str, branch: str) -> str | None:
        """The commit at the tip; None if the repository is empty or has no such branch."""
        item = self._get(address("repos", org, repo, "branches", branch))
        if item is None:
            self._repository(org, repo)
            return None
        return str(item["commit"]["id"])

    def tree(self, org: str, repo: str, ref: str) -> list[TreeEntry]:
        """All files of a commit, at any depth, including symbolic links; none for an empty repository."""
        entries: list[TreeEntry] = []
        page = 1
        while True:
            params: dict[str, str | int] = {"recursive": "true", "page": page, "per_page": TREE_PAGE}
            answer = self.send(
                "GET", address("repos", org, repo, "git", "trees", ref), params=params, expect=(200, 400, 404, 409)
            )
            if answer.status_code != 200:
                return self._nothing(org, repo, answer)
            body = answer.json()
            entries += [entry for item in body["tree"] or [] if (entry := _entry(item))]
            # "truncated" is true on the last page too, so the count decides.
            if page * TREE_PAGE >= int(body.get("total_count") or 0):
                return entries
            page, ref = page + 1, str(body["sha"])

    def blobs(self, org: str, repo: str, shas: Iterable[str]) -> dict[str, bytes]:
        """Content by blob sha. Omits blobs above the server's limit (10 MiB)."""
        distinct = list(dict.fromkeys(shas))
        contents: dict[str, bytes] = {}
        for start in range(0, len(distinct), BLOBS_AT_ONCE):
            for item in self._some_blobs(org, repo, distinct[start : start + BLOBS_AT_ONCE]):
                content = base64.b64decode(item.get("content") or "")
                if len(content) == int(item["size"]):
                    contents[str(item["sha"])] = content
        return contents

    def _some_blobs(self, org: str, repo: str, shas: list[str]) -> list[dict[str, Any]]:
        path = address("repos", org, repo, "git", "blobs")
        answer = self.send("GET", path, params={"shas": ",".join(shas)}, expect=(200, 400, 404, 405))
        if answer.status_code == 200:
            return answer.json()
        if answer.status_code == 400:
            raise ForgeNotFound(f"The repository {org}/{repo} lacks one of {len(shas)} blobs.")
        return [self._one_blob(org, repo, sha) for sha in shas]

    def _one_blob(self, org: str, repo: str, sha: str) -> dict[str, Any]:
        answer = self.send("GET", address("repos", org, repo, "git", "blobs", sha), expect=(200, 400))
        if answer.status_code == 400:
            raise ForgeNotFound(f"The repository {org}/{repo} has no blob {sha}.")
        return answer.json()

    def commits(
        self, org: str, repo: str, *, ref: str, path: str | None = None, page: int = 1, files: bool = False
    ) -> list[CommitInfo]:
        """A page of at most 50 commits, newest first; with ``path``, only commits that changed it. Empty past the end.

        ``files`` adds the changed paths, which costs Forgejo a Git process per commit.
        """
        params: dict[str, str | int] = {"sha": ref, "page": page, "limit": PAGE}
        params |= {"stat": "false", "verification": "false", "files": str(files).lower()}
        if path is not None:
            params["path"] = path
        answer = self.send("GET", address("repos", org, repo, "commits"), params=params, expect=(200, 404, 409))
        if answer.status_code == 404 and path is not None:
            self._repository(org, repo)
            return []
        if answer.status_code != 200:
            return self._nothing(org, repo, answer)
        return [_commit(item) for item in answer.json()]

    def diff(self, org: str, repo: str, sha: str) -> str:
        """The unified diff of a commit against its first parent."""
        answer = self.send("GET", address("repos", org, repo, "git", "commits", f"{sha}.diff"), expect=(200, 422))
        if answer.status_code == 422:
            raise ForgeNotFound(f"The repository {org}/{repo} has no commit {sha}.")
        return answer.text

    def file_at(self, org: str, repo: str, path: str, ref: str) -> bytes | None:
        """A file's content in a commit; None if there is no such file. Symbolic links are not followed."""
        raw = address("repos", org, repo, "raw") + "/" + address(*path.split("/")).removeprefix("/api/v1/")
        answer = self.send("GET", raw, params={"ref": ref}, expect=(200, 404, 500))
        if answer.status_code == 200:
            return answer.content
        repository = self._repository(org, repo)
        if answer.status_code == 500 and not repository.get("empty"):  # v7 answers 500 in an empty repository
            raise failure(answer)
        return None

    # Writing

    def commit_files(
        self, org: str, repo: str, branch: str, operations: list[FileOperation], message: str, author: Author
    ) -> Committed:
        """Makes one commit of all operations.

        Raises ForgeConflict if a file to create exists or a blob differs from its ``sha``: read again and rebase.
        Raises ForgeUnavailable if it is unknown whether the commit was made: look for it before repeating.
        """
        check(operations)
        identity = {"name": author.name, "email": author.email}
        body = {
            "branch": branch,
            "message": message,
            "author": identity,
            "committer": identity,
            "files": [_file(operation) for operation in operations],
        }
        answer = self.send("POST", address("repos", org, repo, "contents"), json=body, expect=(201, *STALE))
        if answer.status_code in STALE:
            raise ForgeConflict(f"The branch {branch} of {org}/{repo} has changed meanwhile. Reload and try again.")
        commit = answer.json()["commit"]
        parents = [str(parent["sha"]) for parent in commit.get("parents") or []]
        return Committed(str(commit["sha"]), parents[0] if parents else None)

    def repository_bytes(self, org: str, repo: str) -> int | None:
        """The repository's size in bytes, rounded to KiB by the server; None if the server does not report it."""
        size = self._repository(org, repo).get("size")
        return size * 1024 if isinstance(size, int) else None

    # Helpers

    def _get(self, path: str) -> dict[str, Any] | None:
        answer = self.send("GET", path, expect=(200, 404))
        return answer.json() if answer.status_code == 200 else None

    def _repository(self, org: str, repo: str) -> dict[str, Any]:
        """The repository's record, to interpret a 404 below it; raises ForgeNotFound if the repository is missing."""
        return self.send("GET", address("repos", org, repo)).json()

    def _nothing(self, org: str, repo: str, answer: httpx.Response) -> list[Any]:
        """An empty list for an empty repository; otherwise raises ForgeNotFound for the unknown ref."""
        if self._repository(org, repo).get("empty"):
            return []
        raise ForgeNotFound(f"The repository {org}/{repo} has no {answer.request.url.path}.")

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            items = self.send("GET", path, params={"page": page, "limit": PAGE}).json()
            yield from items
            if len(items) < PAGE:
                return
            page += 1


def check(operations: list[FileOperation]) -> None:
    """Raises BadInput for operations that make a forge fail: none at all, an unsafe path, a missing sha."""
    if not operations:
        raise BadInput("A commit needs at least one file.")
    for operation in operations:
        if not safe_path(operation.path):
            raise BadInput(f"{operation.path[:80]!r} is not a valid path of a file in a repository.")
        if operation.operation != "create" and not operation.sha:
            raise BadInput(f"To {operation.operation} {operation.path!r}, give its blob sha.")


def safe_path(path: str) -> bool:
    """Whether a path stays inside the repository and means the same on every operating system."""
    segments = path.split("/")
    return (
        0 < len(path) <= MAX_PATH
        and not any(ord(character) < 32 or character in "\\\x7f" for character in path)
        and all(segment not in ("", ".", "..") and segment.lower() != ".git" for segment in segments)
    )


def _file(operation: FileOperation) -> dict[str, str]:
    body = {"operation": operation.operation, "path": operation.path}
    if operation.operation != "delete":
        body["content"] = base64.b64encode(operation.content).decode()
    if operation.sha:
        body["sha"] = operation.sha
    return body


def _entry(item: dict[str, Any]) -> TreeEntry | None:
    if item["type"] != "blob":
        return None
    return TreeEntry(str(item["path"]), str(item["sha"]), int(item.get("size") or 0), str(item["mode"]))


def _commit(item: dict[str, Any]) -> CommitInfo:
    commit = item["commit"]
    author = commit["author"]
    at = datetime.fromisoformat(author["date"])
    parents = tuple(str(parent["sha"]) for parent in item.get("parents") or [])
    files = tuple(str(file["filename"]) for file in item.get("files") or [])
    return CommitInfo(str(item["sha"]), author["name"], author["email"], at, commit["message"], parents, files)
