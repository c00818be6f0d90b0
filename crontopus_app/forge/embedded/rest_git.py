"""REST: branches, trees, blobs, commits and file contents."""

from __future__ import annotations

from itertools import islice
from typing import Any

from dulwich.objects import ZERO_SHA
from dulwich.repo import Repo
from starlette.responses import Response

from crontopus_app.forge.embedded import objects, reading
from crontopus_app.forge.embedded.commits import FileEdit, NewCommit, commit, read_edit
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.reading import CommitRead
from crontopus_app.forge.embedded.repositories import branch_head, is_empty, must_resolve, resolve
from crontopus_app.forge.embedded.rest import DEFAULT_LIMIT, MAX_LIMIT, Call, Handler, reply
from crontopus_app.forge.embedded.store import Row
from crontopus_app.forge.embedded.webhooks import Push

TREE_LIMIT = 1000
BLOBS_LIMIT = 50
PATH_COMMITS = 50
MAX_FILES = 5000


def _url(call: Call, row: Row) -> str:
    return f"{call.forge.url}/api/v1/repos/{row['owner']}/{row['name']}"


def show_branch(call: Call) -> Response:
    row, name = call.repository(), call.path["branch"]
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        head = branch_head(repo, name)
        if head is None:
            raise HttpError(404, "branch does not exist")
        commit = must_resolve(repo, head.decode())
        committer = objects.person(commit.committer, commit.commit_time, commit.commit_timezone)
    body = {"id": head.decode(), "message": commit.message.decode("utf-8", "replace"), "timestamp": committer["date"]}
    return reply({"name": name, "commit": body, "protected": False, "user_can_push": True})


def list_branches(call: Call) -> Response:
    row = call.repository()
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        refs = sorted(reading.refs(repo).items())
    heads = [(name.removeprefix(b"refs/heads/"), sha) for name, sha in refs if name.startswith(b"refs/heads/")]
    branches = [{"name": objects.text(name), "commit": {"id": sha.decode()}} for name, sha in heads]
    return call.page(branches)


def show_tree(call: Call) -> Response:
    """A page of a tree of ``per_page`` entries. ``truncated`` is true on the last page too, as in Forgejo."""
    row = call.repository()
    page, size = call.number("page", 1), call.number("per_page", TREE_LIMIT, TREE_LIMIT)
    recursive = call.query.get("recursive", "") in ("true", "1")
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        commit = must_resolve(repo, call.path["ref"], 400)
        entries = list(objects.entries(repo, commit.tree, recursive=recursive))
        selected = entries[(page - 1) * size : page * size]
        tree = [_tree_entry(repo, path, mode, sha.decode()) for path, mode, sha in selected]
    body = {"sha": commit.id.decode(), "tree": tree, "truncated": len(entries) > size, "page": page}
    return reply(body | {"total_count": len(entries)})


def _tree_entry(repo: Repo, path: str, mode: int, sha: str) -> dict[str, Any]:
    kind = objects.kind(mode)
    size = objects.size(repo, sha.encode()) if kind == "blob" else 0
    return {"path": path, "mode": f"{mode:06o}", "type": kind, "size": size, "sha": sha}


def show_blob(call: Call) -> Response:
    row = call.repository()
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        return reply(objects.blob_body(objects.blob(repo, call.path["sha"])))


def show_blobs(call: Call) -> Response:
    row = call.repository()
    shas = [sha for sha in call.query.get("shas", "").split(",") if sha]
    if not shas or len(shas) > BLOBS_LIMIT:
        raise HttpError(400, f"give 1 to {BLOBS_LIMIT} shas")
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        return reply([objects.blob_body(objects.blob(repo, sha)) for sha in shas])


def list_commits(call: Call) -> Response:
    """Commits, newest first. As in Forgejo, a page with ``path`` ignores ``limit`` and has 50 commits.

    Includes the files that each commit changed, unless ``files=false``.
    """
    row, path = call.repository(), call.query.get("path", "").strip("/")
    page = call.number("page", 1)
    size = PATH_COMMITS if path else call.number("limit", DEFAULT_LIMIT, MAX_LIMIT)
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        if is_empty(repo):
            raise HttpError(409, "Git Repository is empty.")
        start = must_resolve(repo, call.query.get("sha") or row["default_branch"], 500 if path else 404)
        commits = objects.history(repo, start, path, (page - 1) * size, size + 1)
        files = call.query.get("files", "") not in ("false", "0")
        items = [_commit_item(repo, commit, _url(call, row), files) for commit in islice(commits, size)]
    if path and not commits and page == 1:
        raise HttpError(404, "no commit changes this path")
    has_more = str(len(commits) > size).lower()
    headers = {"X-Page": str(page), "X-PerPage": str(size), "X-HasMore": has_more}
    return reply(items, headers=headers)


def _commit_item(repo: Repo, commit: CommitRead, url: str, files: bool) -> dict[str, Any]:
    body = objects.commit_body(commit, url)
    return body | {"files": objects.affected_files(repo, commit)} if files else body


def show_commit(call: Call) -> Response:
    """A commit as JSON; with ``.diff`` after its sha, its diff as text."""
    row, requested = call.repository(), call.path["sha"]
    sha = requested.removesuffix(".diff")
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        commit = must_resolve(repo, sha)
        if sha != requested:
            return Response(objects.diff(repo, commit), media_type="text/plain; charset=utf-8")
        return reply(objects.commit_body(commit, _url(call, row)))


def show_contents(call: Call) -> Response:
    row, path = call.repository(), call.path.get("path", "").strip("/")
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        if is_empty(repo):
            return reply([])
        tree = must_resolve(repo, call.query.get("ref") or row["default_branch"]).tree
        entry = objects.lookup(repo, tree, path)
        if entry is None:
            raise HttpError(404, f"object does not exist [path: {path}]")
        mode, sha = entry
        if objects.kind(mode) != "tree":
            return reply(objects.contents_body(repo, path, mode, sha, with_content=True))
        inside = objects.entries(repo, sha, f"{path}/" if path else "", recursive=False)
        return reply([objects.contents_body(repo, *entry, with_content=False) for entry in inside])


def show_raw(call: Call) -> Response:
    """The content of a file. Symbolic links are not followed; their content is the target's path."""
    row, path = call.repository(), call.path["path"]
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        try:
            entry = objects.lookup(repo, resolve(repo, call.query.get("ref") or row["default_branch"]).tree, path)
        except KeyError:
            entry = None
        if entry is None or objects.kind(entry[0]) != "blob":
            raise HttpError(404, f"object does not exist [path: {path}]")
        data = objects.blob(repo, entry[1].decode()).data
    headers = {"ETag": f'"{entry[1].decode()}"', "X-Forgejo-Object-Type": "blob", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def change_files(call: Call) -> Response:
    files = call.body.get("files")
    if not isinstance(files, list) or len(files) > MAX_FILES or not all(isinstance(item, dict) for item in files):
        raise HttpError(422, f"files must be a list of at most {MAX_FILES} operations")
    row = call.repository("write")
    edits = [read_edit(item) for item in files]
    return reply(_write(call, row, edits), 201)


def create_file(call: Call) -> Response:
    row = call.repository("write")
    body = _write(call, row, [_edit(call, "create")])
    return reply(_single_file(body), 201)


def update_file(call: Call) -> Response:
    row = call.repository("write")
    return reply(_single_file(_write(call, row, [_edit(call, "update")])))


def delete_file(call: Call) -> Response:
    """Uses Forgejo's statuses for a single file: 400 instead of 409, and 404 instead of 500."""
    row, edit = call.repository("write"), _edit(call, "delete")
    try:
        return reply(_single_file(_write(call, row, [edit])))
    except HttpError as error:
        status = {409: 400, 500: 404}.get(error.status, error.status)
        raise HttpError(status, error.message) from error


def _edit(call: Call, operation: str) -> FileEdit:
    return read_edit({**call.body, "operation": operation, "path": call.path["path"]})


def _single_file(body: dict[str, Any]) -> dict[str, Any]:
    return {"content": body["files"][0], "commit": body["commit"], "verification": body["verification"]}


def _write(call: Call, row: Row, edits: list[FileEdit]) -> dict[str, Any]:
    """Makes the commit, queues the webhooks, and returns Forgejo's FilesResponse."""
    branch = str(call.body.get("branch") or row["default_branch"])
    if call.body.get("new_branch") not in (None, "", branch):
        raise HttpError(422, "new_branch is not supported by this server")
    account = call.forge.store.account(call.caller.login)
    account = {"name": call.caller.login, "email": account["email"] if account else ""}
    with call.forge.repositories.writing(row["owner"], row["name"]) as repo:
        new = commit(repo, branch, edits, call.body, account)
        trees = objects.Trees(repo)
        files = [_written(repo, trees, new, edit) for edit in edits]
        body = objects.commit_body(new.commit, _url(call, row))
    before = (new.before or ZERO_SHA).decode()
    push = Push(f"refs/heads/{branch}", before, body["sha"], call.caller.login)
    call.after.append(lambda: call.forge.announce(row, push))
    flat = {**body, **body["commit"], "sha": body["sha"], "parents": body["parents"]}
    return {
        "files": files,
        "commit": flat,
        "verification": {"verified": False, "reason": "gpg.error.not_signed_commit"},
    }


def _written(repo: Repo, trees: objects.Trees, new: NewCommit, edit: FileEdit) -> dict[str, Any] | None:
    entry = trees.lookup(new.commit.tree, edit.path)
    return objects.contents_body(repo, edit.path, *entry, with_content=False) if entry else None


TABLE: list[tuple[str, str, Handler]] = [
    ("GET", "/repos/{owner}/{repo}/branches", list_branches),
    ("GET", "/repos/{owner}/{repo}/branches/{branch:path}", show_branch),
    ("GET", "/repos/{owner}/{repo}/git/trees/{ref:path}", show_tree),
    ("GET", "/repos/{owner}/{repo}/git/blobs", show_blobs),
    ("GET", "/repos/{owner}/{repo}/git/blobs/{sha}", show_blob),
    ("GET", "/repos/{owner}/{repo}/git/commits/{sha}", show_commit),
    ("GET", "/repos/{owner}/{repo}/commits", list_commits),
    ("GET", "/repos/{owner}/{repo}/raw/{path:path}", show_raw),
    ("GET", "/repos/{owner}/{repo}/contents", show_contents),
    ("POST", "/repos/{owner}/{repo}/contents", change_files),
    ("GET", "/repos/{owner}/{repo}/contents/{path:path}", show_contents),
    ("POST", "/repos/{owner}/{repo}/contents/{path:path}", create_file),
    ("PUT", "/repos/{owner}/{repo}/contents/{path:path}", update_file),
    ("DELETE", "/repos/{owner}/{repo}/contents/{path:path}", delete_file),
]
