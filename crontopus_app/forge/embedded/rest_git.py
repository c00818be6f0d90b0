"""REST: branches, trees, blobs, commits and file contents."""

from __future__ import annotations

from itertools import islice
from typing import Any

from dulwich.objects import ZERO_SHA
from dulwich.repo import Repo
from starlette.responses import Response

from crontopus_app.forge.embedded import objects, reading
from crontopus_app.forge.embedded.commits import Change, Made, commit, read_change
from crontopus_app.forge.embedded.reading import CommitRead
from crontopus_app.forge.embedded.refused import Refused
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
            raise Refused(404, "branch does not exist")
        found = must_resolve(repo, head.decode())
        committer = objects.person(found.committer, found.commit_time, found.commit_timezone)
    body = {"id": head.decode(), "message": found.message.decode("utf-8", "replace"), "timestamp": committer["date"]}
    return reply({"name": name, "commit": body, "protected": False, "user_can_push": True})


def list_branches(call: Call) -> Response:
    row = call.repository()
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        refs = sorted(reading.refs(repo).items())
    heads = [(name.removeprefix(b"refs/heads/"), sha) for name, sha in refs if name.startswith(b"refs/heads/")]
    branches = [{"name": objects.text(name), "commit": {"id": sha.decode()}} for name, sha in heads]
    return call.page(branches)


def show_tree(call: Call) -> Response:
    """A page of a tree, by ``per_page``; ``truncated`` stays true on the last page, as Forgejo has it."""
    row = call.repository()
    page, size = call.number("page", 1), call.number("per_page", TREE_LIMIT, TREE_LIMIT)
    recursive = call.query.get("recursive", "") in ("true", "1")
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        found = must_resolve(repo, call.path["ref"], 400)
        every = list(objects.entries(repo, found.tree, recursive=recursive))
        part = every[(page - 1) * size : page * size]
        tree = [_tree_entry(repo, path, mode, sha.decode()) for path, mode, sha in part]
    body = {"sha": found.id.decode(), "tree": tree, "truncated": len(every) > size, "page": page}
    return reply(body | {"total_count": len(every)})


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
        raise Refused(400, f"give 1 to {BLOBS_LIMIT} shas")
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        return reply([objects.blob_body(objects.blob(repo, sha)) for sha in shas])


def list_commits(call: Call) -> Response:
    """Newest first. With ``path`` a page is always 50 long, whatever ``limit`` says: Forgejo's oddity.

    Each with the files it changed, as Forgejo does unless ``files=false``.
    """
    row, path = call.repository(), call.query.get("path", "").strip("/")
    page = call.number("page", 1)
    size = PATH_COMMITS if path else call.number("limit", DEFAULT_LIMIT, MAX_LIMIT)
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        if is_empty(repo):
            raise Refused(409, "Git Repository is empty.")
        start = must_resolve(repo, call.query.get("sha") or row["default_branch"], 500 if path else 404)
        found = objects.history(repo, start, path, (page - 1) * size, size + 1)
        files = call.query.get("files", "") not in ("false", "0")
        listed = [_listed(repo, commit, _url(call, row), files) for commit in islice(found, size)]
    if path and not found and page == 1:
        raise Refused(404, "no commit touches this path")
    more = str(len(found) > size).lower()
    headers = {"X-Page": str(page), "X-PerPage": str(size), "X-HasMore": more}
    return reply(listed, headers=headers)


def _listed(repo: Repo, commit: CommitRead, url: str, files: bool) -> dict[str, Any]:
    body = objects.commit_body(commit, url)
    return body | {"files": objects.affected_files(repo, commit)} if files else body


def show_commit(call: Call) -> Response:
    """A commit as JSON; with ``.diff`` behind its sha, what it changed as text."""
    row, wanted = call.repository(), call.path["sha"]
    sha = wanted.removesuffix(".diff")
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        found = must_resolve(repo, sha)
        if sha != wanted:
            return Response(objects.diff(repo, found), media_type="text/plain; charset=utf-8")
        return reply(objects.commit_body(found, _url(call, row)))


def show_contents(call: Call) -> Response:
    row, path = call.repository(), call.path.get("path", "").strip("/")
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        if is_empty(repo):
            return reply([])
        tree = must_resolve(repo, call.query.get("ref") or row["default_branch"]).tree
        found = objects.lookup(repo, tree, path)
        if found is None:
            raise Refused(404, f"object does not exist [path: {path}]")
        mode, sha = found
        if objects.kind(mode) != "tree":
            return reply(objects.contents_body(repo, path, mode, sha, with_content=True))
        inside = objects.entries(repo, sha, f"{path}/" if path else "", recursive=False)
        return reply([objects.contents_body(repo, *entry, with_content=False) for entry in inside])


def show_raw(call: Call) -> Response:
    """The bytes of a file. A link's bytes are its target's name: nothing is followed."""
    row, path = call.repository(), call.path["path"]
    with call.forge.repositories.open(row["owner"], row["name"]) as repo:
        try:
            found = objects.lookup(repo, resolve(repo, call.query.get("ref") or row["default_branch"]).tree, path)
        except KeyError:
            found = None
        if found is None or objects.kind(found[0]) != "blob":
            raise Refused(404, f"object does not exist [path: {path}]")
        data = objects.blob(repo, found[1].decode()).data
    headers = {"ETag": f'"{found[1].decode()}"', "X-Forgejo-Object-Type": "blob", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def change_files(call: Call) -> Response:
    files = call.body.get("files")
    if not isinstance(files, list) or len(files) > MAX_FILES or not all(isinstance(item, dict) for item in files):
        raise Refused(422, f"files must be a list of at most {MAX_FILES} operations")
    row = call.repository("write")
    changes = [read_change(item) for item in files]
    return reply(_write(call, row, changes), 201)


def create_file(call: Call) -> Response:
    row = call.repository("write")
    body = _write(call, row, [_one(call, "create")])
    return reply(_single(body), 201)


def update_file(call: Call) -> Response:
    row = call.repository("write")
    return reply(_single(_write(call, row, [_one(call, "update")])))


def delete_file(call: Call) -> Response:
    """Forgejo's own codes for one file: 400 where the multi-file call says 409, 404 where it says 500."""
    row, change = call.repository("write"), _one(call, "delete")
    try:
        return reply(_single(_write(call, row, [change])))
    except Refused as refused:
        status = {409: 400, 500: 404}.get(refused.status, refused.status)
        raise Refused(status, refused.message) from refused


def _one(call: Call, operation: str) -> Change:
    return read_change({**call.body, "operation": operation, "path": call.path["path"]})


def _single(body: dict[str, Any]) -> dict[str, Any]:
    return {"content": body["files"][0], "commit": body["commit"], "verification": body["verification"]}


def _write(call: Call, row: Row, changes: list[Change]) -> dict[str, Any]:
    """Makes the commit, arranges for the webhooks, and returns Forgejo's FilesResponse."""
    branch = str(call.body.get("branch") or row["default_branch"])
    if call.body.get("new_branch") not in (None, "", branch):
        raise Refused(422, "new_branch is not supported here")
    account = call.forge.store.account(call.caller.login)
    who = {"name": call.caller.login, "email": account["email"] if account else ""}
    with call.forge.repositories.writing(row["owner"], row["name"]) as repo:
        made = commit(repo, branch, changes, call.body, who)
        trees = objects.Trees(repo)
        files = [_written(repo, trees, made, change) for change in changes]
        body = objects.commit_body(made.commit, _url(call, row))
    before = (made.before or ZERO_SHA).decode()
    push = Push(f"refs/heads/{branch}", before, body["sha"], call.caller.login)
    call.after.append(lambda: call.forge.announce(row, push))
    flat = {**body, **body["commit"], "sha": body["sha"], "parents": body["parents"]}
    return {
        "files": files,
        "commit": flat,
        "verification": {"verified": False, "reason": "gpg.error.not_signed_commit"},
    }


def _written(repo: Repo, trees: objects.Trees, made: Made, change: Change) -> dict[str, Any] | None:
    found = trees.lookup(made.commit.tree, change.path)
    return objects.contents_body(repo, change.path, *found, with_content=False) if found else None


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
