"""Random pushes, good and bad, to the embedded forge and to Git with ``receive.fsckObjects``: both say the same.

Where the forge is stricter on purpose, its reason says so (``BEYOND_GIT``); it is never laxer.
"""

from __future__ import annotations

import hashlib
import random
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from crontopus_app.forge.embedded import forge_app
from tests.forge.test_embedded import entry, packed, pkt

LOGIN = ("root-of-forge", "p" * 8)
COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
WORDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
CASES = 240
BEYOND_GIT = (
    "badFilemode",
    "badDateOverflow",
    "badTimezone",
    "badDate",
    "gitmodulesParse",
    "gitmodulesUrl",
    "the name is too long",
    "levels of folders",
    "the name of a ref may",
    "not a commit",
)
HOSTILE_NAMES = [
    b"",
    b".",
    b"..",
    b".git",
    b".GIT",
    b".Git ",
    b".git.",
    b".git . .",
    b"git~1",
    b"GIT~1 ",
    b"git~2",
    b".git:stream",
    b".gi\xe2\x80\x8ct",
    b"\xef\xbb\xbf.git",
    b".git\xff",
    b".git\xef\xbf\xbe",
    b"a/b",
    b"a\\.git",
    b".git\\x",
    b"\\git~1",
    b".gitmodules",
    b".GITMODULES",
    b"gitmod~1",
    b"gi7eba~1",
    b"gi7d29~1",
    b"~1234567",
    b".gitattributes",
    b".gitmodules ",
    b".gitmodules:x",
    b"x\\.gitmodules",
    b"\xff\xfe",
    b"a" * 300,
    b" ",
    b"a\nb",
    b"-rf",
    b"CON",
    b".gitignore",
    b".mailmap",
]
MODES = [
    b"100644",
    b"100755",
    b"120000",
    b"40000",
    b"160000",
    b"100664",
    b"040000",
    b"0100644",
    b"100600",
    b"0",
    b"777",
    b"140000",
    b"",
    b"10064x",
    b"8",
    b"1000000100644",
]
IDENTS = [
    b"",
    b"A",
    b"A <a@b>",
    b"A <a@b> ",
    b"A <a@b> 1",
    b"A <a@b> 1 ",
    b"A <a@b> 1 +0000 ",
    b"A <a@b> 01 +0000",
    b"<a@b> 1 +0000",
    b"A<a@b> 1 +0000",
    b"A a@b> 1 +0000",
    b"A <a@b 1 +0000",
    b"A <a<b> 1 +0000",
    b"A <a@b>1 +0000",
    b"A <a@b> -1 +0000",
    b"A <a@b> x +0000",
    b"A <a@b> 1 0000",
    b"A <a@b> 1 +000",
    b"A <a@b> 1 +00000",
    b"A <a@b> 99999999999999 +0000",
    b"A <a@b> 18446744073709551616 +0000",
    b"A <a@b> 1 +9900",
    b"A <a@b> 1 -2400",
    b"A <> 0 -0000",
    b" <a@b> 1 +0000",
    b"A > <a@b> 1 +0000",
    b"A <a@b>  1 +0000",
    b"\xff\xfe <\xe9> 1 +0130",
    b"A <a@b> 1\t+0000",
]
MODULES = [
    b"",
    b'[submodule "a"]\n\tpath = a\n\turl = https://x.example/a\n',
    b'[submodule "../a"]\n\tpath = a\n\turl = ./a\n',
    b'[submodule "a"]\n\tpath = a\n\turl = -u./x\n',
    b'[submodule "a"]\n\tpath = -a\n\turl = ./a\n',
    b'[submodule "a"]\n\tupdate = !rm\n\turl = ./a\n',
    b'[submodule "a"]\n\turl = "../../:x"\n',
    b"[broken",
    b"* text\n",
    b'[submodule "a"]\n\turl = ./a%0ab\n',
    b"x" * 3000 + b"\n",
    b"[include]\n\tpath = /etc/passwd\n",
]
REFS = [
    "refs/heads/{n}",
    "refs/heads/{n}",
    "refs/heads/{n}",
    "refs/tags/{n}",
    "refs/heads/{n}.lock",
    "refs/heads/{n}/",
    "refs/heads/a..{n}",
    "refs/heads/.{n}",
    "refs/heads/{n}@{{1}}",
    "refs/heads/{n}~1",
    "refs/heads/{n} x",
    "refs/heads/{n}//y",
    "refs/heads/{n}\\y",
    "refs/heads/{n}\x7f",
    "refs/heads/-{n}",
    "refs/heads/ü{n}",
    "{n}",
    "refs/heads/{n}" + "x" * 260,
]


def name_of(kind: int, data: bytes) -> str:
    return hashlib.sha1(WORDS[kind] + b" %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass
class Case:
    """One push: what it holds, and the object that its ref shall name."""

    ref: bytes
    objects: list[tuple[int, bytes]] = field(default_factory=list)
    tip: str = ""
    flip: int | None = None

    def add(self, kind: int, data: bytes) -> str:
        self.objects.append((kind, data))
        return name_of(kind, data)

    def body(self) -> bytes:
        unique = dict.fromkeys(self.objects)
        pack = bytearray(packed(*(entry(kind, len(data), data) for kind, data in unique)))
        if self.flip is not None:
            pack[self.flip % len(pack)] ^= 1 + self.flip % 255
        command = b"%040d %s %s\0report-status\n" % (0, self.tip.encode(), self.ref)
        return pkt(command) + b"0000" + bytes(pack)


def any_tree(chance: random.Random, case: Case, blob: str, folder: str, *, odd: bool) -> bytes:
    rows = [(b"100644", b"a.yaml", blob), (b"40000", b"folder", folder), (b"100755", b"folder.sh", blob)]
    while odd and chance.random() < 0.7:
        kind = chance.randrange(6)
        name = chance.choice(HOSTILE_NAMES)
        if kind == 0:
            rows.append((b"100644", name, blob))
        elif kind == 1:
            rows.append((chance.choice(MODES), b"mode", chance.choice([blob, folder, "0" * 40])))
        elif kind == 2:
            content = case.add(BLOB, chance.choice(MODULES))
            rows.append((chance.choice([b"100644", b"120000"]), chance.choice(HOSTILE_NAMES[20:34]), content))
        elif kind == 3:
            rows.append((chance.choice([b"40000", b"100644", b"160000"]), name, chance.choice([folder, "1" * 40])))
        elif kind == 4:
            rows.append(chance.choice(rows))
        else:
            rows.append((b"40000", b"folder.sh", folder))
    if not odd or chance.random() < 0.8:
        rows.sort(key=lambda row: row[1] + (b"/" if row[0].lstrip(b"0") == b"40000" else b""))
    raw = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in rows)
    return raw[: chance.randrange(len(raw))] if odd and chance.random() < 0.05 else raw


def any_commit(chance: random.Random, tree: str, parents: list[str], *, odd: bool) -> bytes:
    good = b"Ann <ann@example.org> 1700000000 +0100"
    who = [chance.choice(IDENTS) if odd and chance.random() < 0.4 else good for _ in range(2)]
    lines = [b"tree " + tree.encode(), *(b"parent " + sha.encode() for sha in parents)]
    lines += [b"author " + who[0], b"committer " + who[1]]
    if odd and chance.random() < 0.4:
        at = chance.randrange(len(lines))
        lines[at : at + 1] = chance.choice(
            [[], [lines[at]] * 2, [b"gpgsig x", lines[at]], [lines[at].upper()], [b"", b""]]
        )
    tail = (
        chance.choice([b"\n\nwords\n", b"\n\n", b"\n", b"", b"\n\nnul \0 inside\n", b"\nencoding x\n\nm"])
        if odd
        else b"\n\nm\n"
    )
    return b"\n".join(lines) + tail


def any_tag(chance: random.Random, target: str, *, odd: bool) -> bytes:
    lines = [b"object " + target.encode(), b"type commit", b"tag v1", b"tagger Ann <ann@example.org> 1700000000 +0100"]
    if odd:
        at = chance.randrange(4)
        lines[at : at + 1] = chance.choice(
            [[], [b"type tree"], [b"type nothing"], [b"tagger " + chance.choice(IDENTS)], [b"tag "]]
        )
    return b"\n".join(lines) + b"\n\nm\n"


def any_case(chance: random.Random, number: int) -> Case:
    odd = chance.random() < 0.75
    pattern = chance.choice(REFS) if chance.random() < 0.2 else REFS[0]
    case = Case(pattern.format(n=f"n{number}").encode())
    if chance.random() < 0.02:
        case.ref = b"refs/heads/\xff%d" % number
    blob = case.add(BLOB, b"blob of %d" % number)
    folder = case.add(TREE, b"100644 x\0" + bytes.fromhex(blob))
    what = chance.randrange(4) if odd else -1
    tree = case.add(TREE, any_tree(chance, case, blob, folder, odd=what in (0, 1)))
    wrong = chance.choice([tree, blob, "2" * 40]) if what == 3 and chance.random() < 0.3 else tree
    first = case.add(COMMIT, any_commit(chance, wrong, [], odd=what == 2))
    parents = [first] if what != 3 else [chance.choice([first, tree, blob, "3" * 40])]
    case.tip = case.add(COMMIT, any_commit(chance, tree, parents, odd=False))
    if pattern.startswith("refs/tags") or chance.random() < 0.1:
        case.tip = case.add(TAG, any_tag(chance, case.tip, odd=what == 3))
    if what == 3 and chance.random() < 0.2:
        case.tip = chance.choice([tree, blob, "4" * 40])
    if what == 3 and chance.random() < 0.2:
        case.flip = chance.randrange(10_000)
    if what == 3 and chance.random() < 0.2:
        del case.objects[chance.randrange(len(case.objects))]
    return case


@pytest.fixture
def git(tmp_path: Path) -> Path:
    """A bare repository of Git's own that checks what it receives."""
    folder = tmp_path / "git"
    for words in (["init", "-q", "--bare", "git"], ["-C", "git", "config", "receive.fsckObjects", "true"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return folder


@pytest.fixture
def forge(tmp_path: Path) -> TestClient:
    app = forge_app(tmp_path / "home", admin_user=LOGIN[0], admin_password=LOGIN[1], url="http://x/forge")
    client = TestClient(app, "http://x")
    client.auth = LOGIN
    assert client.post("/forge/api/v1/orgs", json={"username": "o"}).status_code == 201
    assert client.post("/forge/api/v1/orgs/o/repos", json={"name": "r"}).status_code == 201
    return client


def git_takes(folder: Path, body: bytes) -> str:
    """Git's report; empty where it broke the push off."""
    done = subprocess.run(
        ["git", "receive-pack", "--stateless-rpc", str(folder)], input=body, capture_output=True, check=False
    )
    return done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")


def forge_takes(forge: TestClient, body: bytes) -> str:
    kind = {"Content-Type": "application/x-git-receive-pack-request"}
    answer = forge.post("/forge/o/r.git/git-receive-pack", content=body, headers=kind)
    assert answer.status_code in (200, 400, 413), answer.text
    return answer.text


def took(report: str) -> bool:
    return bool(re.search(r"^[0-9a-f]{4}ok ", report, re.MULTILINE))


def test_the_forge_and_git_take_the_same_pushes(git: Path, forge: TestClient, tmp_path: Path) -> None:
    chance, verdicts = random.Random(20), []  # noqa: S311 -- the same pushes each time
    for number in range(CASES):
        case = any_case(chance, number)
        theirs, ours = git_takes(git, case.body()), forge_takes(forge, case.body())
        verdicts.append((took(theirs), took(ours)))
        stricter = took(theirs) and any(reason in ours for reason in BEYOND_GIT)
        assert took(theirs) == took(ours) or stricter, f"{number}: {case}\nGit: {theirs}\nforge: {ours}"
    assert verdicts.count((True, True)) > CASES / 5
    assert verdicts.count((False, False)) > CASES / 5
    kept = tmp_path / "home/forge/repositories/o/r.git"
    checked = subprocess.run(["git", "fsck", "--strict"], cwd=kept, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    for path in ("branches?limit=50", "commits?sha=n0", "git/trees/n0?recursive=1", "contents?ref=n0"):
        assert forge.get(f"/forge/api/v1/repos/o/r/{path}").status_code < 500
