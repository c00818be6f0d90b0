"""Validates objects: the rules of Git's ``receive.fsckObjects`` (git-fsck(1), "FSCK MESSAGES"), and further limits.

Reasons begin with Git's message id. The further limits: a date is at most the year 9999, a zone less than a day, a mode
that of a file, folder, link or submodule, and a name at most ``MAX_NAME`` bytes.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import unquote_to_bytes

from dulwich.config import ConfigFile
from dulwich.objects import S_IFGITLINK, Blob, Commit, Tag, Tree

COMMIT, TREE, BLOB, TAG = Commit.type_num, Tree.type_num, Blob.type_num, Tag.type_num
TYPES = {b"commit": COMMIT, b"tree": TREE, b"blob": BLOB, b"tag": TAG}
MAX_NAME = 255
# 9999-12-31T00:00:00Z: the last day that can be converted to every zone.
MAX_DATE = 253_402_214_400
DAY_MINUTES = 24 * 60
MAX_ATTRIBUTES_LINE = 2048
ZERO = b"0" * 40

_SHA = rb"[0-9a-f]{40}"
_IDENT = re.compile(
    rb"(?P<name>[^<>\n]*)(?P<open><)?(?P<email>[^<>\n]*)(?P<close>>)?(?P<space> )?"
    rb"(?P<date>[^ \n]*)(?P<gap> )?(?P<zone>[^\n]*)"
)
# Also after a backslash, the path separator of NTFS.
_DOTGIT_NTFS = re.compile(rb"(?:\A|\\)(?:\.git|git~1)[. ]*(?:\Z|[\\/:])", re.IGNORECASE)
# Code points that HFS+ ignores when it compares names.
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_NO_CHARACTER = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True)
class Entry:
    """An entry of a tree. ``flaw`` is Git's message id if its mode is malformed."""

    name: bytes
    mode: int
    sha: bytes
    flaw: str = ""

    @property
    def kind(self) -> int | None:
        """The type that the object must have; None for the commit of a submodule, which is in another repository."""
        if stat.S_ISDIR(self.mode):
            return TREE
        return BLOB if stat.S_ISREG(self.mode) or stat.S_ISLNK(self.mode) else None

    @property
    def order(self) -> bytes:
        return self.name + b"/" if stat.S_ISDIR(self.mode) else self.name


@dataclass(frozen=True)
class Link:
    """A reference to an object, with the type that it must have."""

    sha: bytes
    kind: int


def tree_entries(raw: bytes) -> Iterator[Entry]:
    """The entries of a tree, including invalid ones; raises ValueError if they cannot be parsed."""
    at = 0
    while at < len(raw):
        space, end = raw.find(b" ", at), raw.find(b"\0", at)
        mode = raw[at:space]
        if space < 0 or end < space or not mode or not mode.isdigit() or b"8" in mode or b"9" in mode:
            raise ValueError("badTree: an entry has no mode")
        if len(raw) < end + 21:
            raise ValueError("badTree: an entry is incomplete")
        flaw = "zeroPaddedFilemode" if mode.startswith(b"0") else "badFilemode" if len(mode) > 6 else ""
        # Git uses only these bits.
        yield Entry(raw[space + 1 : end], int(mode[-6:], 8) & 0xFFFF, raw[end + 1 : end + 21].hex().encode(), flaw)
        at = end + 21


def problem(kind: int, raw: bytes) -> str | None:
    """Why an object is invalid by itself; None for a valid one."""
    check = {COMMIT: _commit, TREE: _tree, TAG: _tag}.get(kind)
    return check(raw) if check else None


def links(kind: int, raw: bytes) -> list[Link]:
    """The references of a valid object."""
    if kind == TREE:
        return list({Link(row.sha, row.kind) for row in tree_entries(raw) if row.kind is not None})
    header = raw.partition(b"\n\n")[0]
    if kind == COMMIT:
        parents = re.findall(rb"^parent (" + _SHA + rb")$", header, re.MULTILINE)
        return [Link(header[5:45], TREE), *(Link(sha, COMMIT) for sha in parents)]
    if kind == TAG:
        return [Link(header[7:47], TYPES[header.split(b"\n")[1][5:]])]
    return []


# Trees


def _tree(raw: bytes) -> str | None:
    try:
        rows = list(tree_entries(raw))
    except ValueError as error:
        return str(error)
    for row in rows:
        reason = _row(row)
        if reason:
            return f"{reason}: {printable(row.name)}"
    if len({row.name for row in rows}) < len(rows):
        return "duplicateEntries: a folder contains a name twice"
    if any(before.order > after.order for before, after in zip(rows, rows[1:], strict=False)):
        return "treeNotSorted: the entries of a folder are not sorted"
    return None


def _row(row: Entry) -> str | None:
    if row.flaw:
        return row.flaw
    if stat.S_IFMT(row.mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, S_IFGITLINK):
        return f"badFilemode {row.mode:o}"
    if row.sha == ZERO:
        return "nullSha1"
    if is_dot(row.name, "gitmodules") and (stat.S_ISLNK(row.mode) or row.kind != BLOB):
        return "gitmodulesSymlink" if stat.S_ISLNK(row.mode) else "gitmodulesBlob"
    if is_dot(row.name, "gitattributes") and row.kind != BLOB:
        return "gitattributesBlob"
    return bad_name(row.name)


def bad_name(name: bytes) -> str | None:
    """Why a name is not allowed in a tree; None for an allowed one."""
    if not name:
        return "emptyName"
    if name in (b".", b".."):
        return "hasDot" if name == b"." else "hasDotdot"
    if b"/" in name:
        return "fullPathname"
    if is_dotgit(name):
        return "hasDotgit"
    return "the name is too long" if len(name) > MAX_NAME else None


def is_dotgit(name: bytes) -> bool:
    """Whether the name means ``.git`` on HFS+ or NTFS."""
    return _plain(name) == ".git" or bool(_DOTGIT_NTFS.search(name))


def is_dot(name: bytes, file: str) -> bool:
    """Whether the name means ``.gitmodules`` or ``.gitattributes`` on HFS+ or NTFS. ``file`` is without the dot."""
    return _plain(name) == f".{file}" or bool(_SHORT_NAMES[file].search(name))


def _plain(name: bytes) -> str:
    """The name as HFS+ compares it, up to the first invalid bytes."""
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        text = name[: error.start].decode()
    text = _NO_CHARACTER.split(text, maxsplit=1)[0]
    return _HFS_IGNORED.sub("", text).lower()


def _ntfs(file: str, fallback: str) -> re.Pattern[bytes]:
    """Matches a long name and its short names on NTFS: ``GITMOD~1``, otherwise ``GI7EBA~1``."""
    short = "|".join(f"{fallback[:length]}~[1-9][0-9]{{{6 - length}}}" for length in range(7))
    return re.compile(rf"(?:\A|\\)(?:\.{file}|{file[:6]}~[1-4]|{short})[. ]*(?:\Z|:)".encode(), re.IGNORECASE)


_SHORT_NAMES = {"gitmodules": _ntfs("gitmodules", "gi7eba"), "gitattributes": _ntfs("gitattributes", "gi7d29")}


# Commits and tags


def _headers(raw: bytes) -> str | None:
    header, blank_line, _ = raw.partition(b"\n\n")
    if b"\0" in header:
        return "nulInHeader"
    return None if blank_line or raw.endswith(b"\n") else "unterminatedHeader"


def _commit(raw: bytes) -> str | None:
    reason = _headers(raw)
    if reason:
        return reason
    lines = iter(raw.partition(b"\n\n")[0].split(b"\n"))
    if not re.fullmatch(rb"tree " + _SHA, tree := next(lines)):
        return "badTreeSha1" if tree.startswith(b"tree ") else "missingTree"
    line = next(lines, b"")
    while line.startswith(b"parent "):
        if not re.fullmatch(rb"parent " + _SHA, line):
            return "badParentSha1"
        line = next(lines, b"")
    for role, missing in ((b"author ", "missingAuthor"), (b"committer ", "missingCommitter")):
        if not line.startswith(role):
            return "multipleAuthors" if line.startswith(b"author ") else missing
        reason = _ident(line.removeprefix(role))
        if reason:
            return reason
        line = next(lines, b"")
    return "nulInCommit" if b"\0" in raw else None


def _tag(raw: bytes) -> str | None:
    reason = _headers(raw)
    if reason:
        return reason
    lines = [*raw.partition(b"\n\n")[0].split(b"\n"), b"", b"", b"", b""]
    if not re.fullmatch(rb"object " + _SHA, lines[0]):
        return "badObjectSha1" if lines[0].startswith(b"object ") else "missingObject"
    if not lines[1].startswith(b"type "):
        return "missingTypeEntry"
    if lines[1].removeprefix(b"type ") not in TYPES:
        return "badType"
    if not lines[2].startswith(b"tag "):
        return "missingTagEntry"
    return _ident(lines[3].removeprefix(b"tagger ")) if lines[3].startswith(b"tagger ") else None


def _ident(line: bytes) -> str | None:
    """Why ``name <email> seconds zone`` is invalid."""
    match = _IDENT.match(line)
    assert match is not None  # noqa: S101 -- the pattern matches an empty string too
    name, date, zone = match["name"], match["date"], match["zone"]
    if line.startswith(b"<"):
        return "missingNameBeforeEmail"
    if not match["open"]:
        return "badName" if line[len(name) : len(name) + 1] == b">" else "missingEmail"
    if not name.endswith(b" "):
        return "missingSpaceBeforeEmail"
    if not match["close"]:
        return "badEmail"
    if not match["space"]:
        return "missingSpaceBeforeDate"
    if date.startswith(b"0") and len(date) > 1:
        return "zeroPaddedDate"
    if not date.isdigit() or not match["gap"]:
        return "badDate"
    if len(date) > 12 or int(date) > MAX_DATE:
        return "badDateOverflow"
    return None if _is_zone(zone) else "badTimezone"


def _is_zone(zone: bytes) -> bool:
    return bool(re.fullmatch(rb"[+-][0-9]{4}", zone)) and int(zone[1:3]) * 60 + int(zone[3:]) < DAY_MINUTES


# Files that Git itself reads


def read_by_git(tree: bytes) -> list[tuple[bytes, Callable[[bytes], str | None]]]:
    """The files in a tree that Git reads on clone or checkout, each with the check of its content."""
    rows = [row for row in tree_entries(tree) if row.kind == BLOB]
    modules = [(row.sha, bad_gitmodules) for row in rows if is_dot(row.name, "gitmodules")]
    return [*modules, *((row.sha, bad_gitattributes) for row in rows if is_dot(row.name, "gitattributes"))]


def bad_gitmodules(raw: bytes) -> str | None:
    """Why a ``.gitmodules`` is refused: it is invalid, or a submodule could run commands on a clone."""
    try:
        config = ConfigFile.from_file(BytesIO(raw), expand_includes=False)
    except ValueError:
        return "gitmodulesParse"
    for section in config.sections():
        if len(section) < 2 or section[0].lower() != b"submodule":
            continue
        if not section[1] or b".." in re.split(rb"[/\\]", section[1]):
            return "gitmodulesName"
        for key, value in config.items(section):
            reason = _bad_submodule(key.lower(), value)
            if reason:
                return reason
    return None


def _bad_submodule(key: bytes, value: bytes) -> str | None:
    if key == b"url":
        leaves = re.match(rb"(?:\./)*\.\./(?:\.{1,2}/)*[:/]", value)
        return "gitmodulesUrl" if value.startswith(b"-") or b"\n" in unquote_to_bytes(value) or leaves else None
    if key == b"path" and value.startswith(b"-"):
        return "gitmodulesPath"
    return "gitmodulesUpdate" if key == b"update" and value.startswith(b"!") else None


def bad_gitattributes(raw: bytes) -> str | None:
    return "gitattributesLineLength" if any(len(row) >= MAX_ATTRIBUTES_LINE for row in raw.split(b"\n")) else None


def printable(name: bytes) -> str:
    """A name for messages: invalid bytes escaped, at most 100 characters."""
    return repr(name.decode("utf-8", "backslashreplace"))[:100]
