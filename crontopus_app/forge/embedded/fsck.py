"""Which objects may be let in: the rules of Git's ``receive.fsckObjects`` (git-fsck(1), "FSCK MESSAGES"), and bounds.

Reasons begin with Git's message id. Beyond Git, a date must be shown by a calendar, a zone must be less than a day, a
mode must be one of a file, folder, link or submodule, and a name must be at most ``MAX_NAME`` bytes.
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
# 9999-12-31T00:00:00Z: the last day that every zone can show.
MAX_DATE = 253_402_214_400
DAY_MINUTES = 24 * 60
MAX_ATTRIBUTES_LINE = 2048
ZERO = b"0" * 40

_SHA = rb"[0-9a-f]{40}"
_IDENT = re.compile(
    rb"(?P<name>[^<>\n]*)(?P<open><)?(?P<email>[^<>\n]*)(?P<close>>)?(?P<space> )?"
    rb"(?P<date>[^ \n]*)(?P<gap> )?(?P<zone>[^\n]*)"
)
# After a backslash too: NTFS parts folders by it.
_DOTGIT_NTFS = re.compile(rb"(?:\A|\\)(?:\.git|git~1)[. ]*(?:\Z|[\\/:])", re.IGNORECASE)
# Code points that HFS+ leaves out when it compares names.
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_NO_CHARACTER = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True)
class Entry:
    """One row of a tree, and what is wrong with how its mode is written."""

    name: bytes
    mode: int
    sha: bytes
    flaw: str = ""

    @property
    def kind(self) -> int | None:
        """The type that the object must have; None for a submodule's commit, which lives elsewhere."""
        if stat.S_ISDIR(self.mode):
            return TREE
        return BLOB if stat.S_ISREG(self.mode) or stat.S_ISLNK(self.mode) else None

    @property
    def order(self) -> bytes:
        return self.name + b"/" if stat.S_ISDIR(self.mode) else self.name


@dataclass(frozen=True)
class Link:
    """An object that another one names, and the type it must have."""

    sha: bytes
    kind: int


def tree_entries(raw: bytes) -> Iterator[Entry]:
    """The rows of a tree as they are written, whatever is wrong with them; raises ValueError where they end early."""
    at = 0
    while at < len(raw):
        space, end = raw.find(b" ", at), raw.find(b"\0", at)
        mode = raw[at:space]
        if space < 0 or end < space or not mode or not mode.isdigit() or b"8" in mode or b"9" in mode:
            raise ValueError("badTree: a row has no mode")
        if len(raw) < end + 21:
            raise ValueError("badTree: a row is cut off")
        flaw = "zeroPaddedFilemode" if mode.startswith(b"0") else "badFilemode" if len(mode) > 6 else ""
        # As many bits as Git looks at.
        yield Entry(raw[space + 1 : end], int(mode[-6:], 8) & 0xFFFF, raw[end + 1 : end + 21].hex().encode(), flaw)
        at = end + 21


def problem(kind: int, raw: bytes) -> str | None:
    """Why an object must not be taken in, by itself; None for a good one."""
    check = {COMMIT: _commit, TREE: _tree, TAG: _tag}.get(kind)
    return check(raw) if check else None


def links(kind: int, raw: bytes) -> list[Link]:
    """What a good object names."""
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
            return f"{reason}: {shown(row.name)}"
    if len({row.name for row in rows}) < len(rows):
        return "duplicateEntries: a folder holds a name twice"
    if any(before.order > after.order for before, after in zip(rows, rows[1:], strict=False)):
        return "treeNotSorted: the rows of a folder are out of order"
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
    """Why a name must not stand in a tree; None for a good one."""
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
    """Whether HFS+ or NTFS takes the name for ``.git``."""
    return _plain(name) == ".git" or bool(_DOTGIT_NTFS.search(name))


def is_dot(name: bytes, what: str) -> bool:
    """Whether HFS+ or NTFS takes the name for ``.gitmodules`` or ``.gitattributes``."""
    return _plain(name) == f".{what}" or bool(_SHORT_NAMES[what].search(name))


def _plain(name: bytes) -> str:
    """The name as HFS+ compares it, up to the first bytes that are no character."""
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        text = name[: error.start].decode()
    text = _NO_CHARACTER.split(text, maxsplit=1)[0]
    return _HFS_IGNORED.sub("", text).lower()


def _ntfs(what: str, fallback: str) -> re.Pattern[bytes]:
    """The long name, and the short ones that NTFS makes of it: ``GITMOD~1``, else ``GI7EBA~1``."""
    short = "|".join(f"{fallback[:kept]}~[1-9][0-9]{{{6 - kept}}}" for kept in range(7))
    return re.compile(rf"(?:\A|\\)(?:\.{what}|{what[:6]}~[1-4]|{short})[. ]*(?:\Z|:)".encode(), re.IGNORECASE)


_SHORT_NAMES = {"gitmodules": _ntfs("gitmodules", "gi7eba"), "gitattributes": _ntfs("gitattributes", "gi7d29")}


# Commits and tags


def _headers(raw: bytes) -> str | None:
    header, found, _ = raw.partition(b"\n\n")
    if b"\0" in header:
        return "nulInHeader"
    return None if found or raw.endswith(b"\n") else "unterminatedHeader"


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
    """``name <email> seconds zone``."""
    found = _IDENT.match(line)
    assert found is not None  # noqa: S101 -- every part of it may be empty
    name, date, zone = found["name"], found["date"], found["zone"]
    if line.startswith(b"<"):
        return "missingNameBeforeEmail"
    if not found["open"]:
        return "badName" if line[len(name) : len(name) + 1] == b">" else "missingEmail"
    if not name.endswith(b" "):
        return "missingSpaceBeforeEmail"
    if not found["close"]:
        return "badEmail"
    if not found["space"]:
        return "missingSpaceBeforeDate"
    if date.startswith(b"0") and len(date) > 1:
        return "zeroPaddedDate"
    if not date.isdigit() or not found["gap"]:
        return "badDate"
    if len(date) > 12 or int(date) > MAX_DATE:
        return "badDateOverflow"
    return None if _is_zone(zone) else "badTimezone"


def _is_zone(zone: bytes) -> bool:
    return bool(re.fullmatch(rb"[+-][0-9]{4}", zone)) and int(zone[1:3]) * 60 + int(zone[3:]) < DAY_MINUTES


# Files that Git itself reads


def read_by_git(tree: bytes) -> list[tuple[bytes, Callable[[bytes], str | None]]]:
    """Files of a tree that Git reads when it clones or checks out, each with what judges its content."""
    rows = [row for row in tree_entries(tree) if row.kind == BLOB]
    modules = [(row.sha, bad_gitmodules) for row in rows if is_dot(row.name, "gitmodules")]
    return [*modules, *((row.sha, bad_gitattributes) for row in rows if is_dot(row.name, "gitattributes"))]


def bad_gitmodules(raw: bytes) -> str | None:
    """Submodules whose name, address, path or update would run something on a clone, or that cannot be read."""
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


def shown(name: bytes) -> str:
    """A name for people: what is no text is escaped, and it is short."""
    return repr(name.decode("utf-8", "backslashreplace"))[:100]
