"""Folding changes, without a repository."""

from __future__ import annotations

import json

import pytest

from contract.manifest import decode
from crontopus_app.forge.client import FileOperation
from crontopus_app.jobs.batch import MOST_CHANGES, Batch, blob_sha, fold
from crontopus_app.models import Change
from tests.cast import NOON

PATH = "production/backup.yaml"
TEXT = b"""\
apiVersion: v1
kind: Job
metadata:
  name: backup
spec:
  schedule: "0 2 * * *"
  command: /opt/backup.sh
"""


def change(operation: str, content: bytes | None = None, *, path: str = PATH, base: str | None = None) -> Change:
    return Change(
        tenant_id="alice",
        user_id="u",
        author_name="alice",
        author_email="alice@example.org",
        operation=operation,
        path=path,
        content=content,
        base_sha=base,
        message=f"{operation} {path}",
        created_at=NOON,
    )


def folded(*changes: Change, old: bytes | None = None) -> Batch:
    """The batch on a branch with one file, or none."""
    present = {} if old is None else {PATH: old}
    shas = {path: blob_sha(content) for path, content in present.items()}
    blobs = {blob_sha(content): content for content in present.values()}
    return fold(changes, shas, blobs.__getitem__, lambda data, path: decode(data, path, "alice"))


def test_the_sha_is_gits() -> None:
    assert blob_sha(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_a_new_file_is_created() -> None:
    assert folded(change("create", TEXT)).operations == [FileOperation("create", PATH, TEXT)]


def test_an_update_and_a_deletion_name_the_blob_they_replace() -> None:
    sha = blob_sha(TEXT)
    assert folded(change("update", b"x"), old=TEXT).operations == [FileOperation("update", PATH, b"x", sha)]
    assert folded(change("delete"), old=TEXT).operations == [FileOperation("delete", PATH, sha=sha)]


def test_creating_and_editing_is_creating_the_edited() -> None:
    batch = folded(change("create", TEXT), change("edit", json.dumps({"spec.nice": 5}).encode()))
    (operation,) = batch.operations
    assert (operation.operation, operation.content) == ("create", TEXT + b"  nice: 5\n")


def test_each_change_says_what_it_does_to_the_file_before_it() -> None:
    edit = change("edit", json.dumps({"spec.nice": 5}).encode())
    again = change("edit", json.dumps({"spec.nice": 10}).encode())
    gone = change("delete")
    batch = folded(edit, again, gone, old=TEXT)
    assert [batch.summaries[one.id] for one in (edit, again, gone)] == ["nice 5", "nice 5 → 10", ""]


def test_creating_and_deleting_is_nothing() -> None:
    batch = folded(change("create", TEXT), change("delete"))
    assert (batch.operations, len(batch.changes), batch.refused) == ([], 2, [])


def test_deleting_and_creating_is_an_update() -> None:
    batch = folded(change("delete"), change("create", b"new"), old=TEXT)
    assert batch.operations == [FileOperation("update", PATH, b"new", blob_sha(TEXT))]


def test_deleting_what_is_gone_is_done() -> None:
    batch = folded(change("delete"))
    assert (batch.operations, len(batch.changes)) == ([], 1)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (change("create", b"other"), "exists already"),
        (change("update", b"x", base="0" * 40), "changed by another commit"),
        (change("delete", base="0" * 40), "changed by another commit"),
        (change("edit", b'{"spec.schedule": "x"}'), "would make it invalid"),
        (change("edit", b"{}", path="production/gone.yaml"), "was deleted by another commit meanwhile"),
        (change("update", b"x", path="production/gone.yaml"), "was deleted by another commit meanwhile"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason_and_alone(asked: Change, reason: str) -> None:
    other = change("create", b"fine", path="production/other.yaml")
    batch = folded(asked, other, old=TEXT)
    assert batch.changes == [other]
    assert [refused for refused, _ in batch.refused] == [asked]
    assert reason in batch.refused[0][1]


def test_a_file_that_is_no_yaml_any_more_is_not_edited() -> None:
    batch = folded(change("edit", b'{"spec.nice": 5}'), old=b"a: [")
    assert "cannot be edited" in batch.refused[0][1]


def test_a_base_may_be_a_change_of_the_same_batch() -> None:
    batch = folded(change("update", b"one"), change("update", b"two", base=blob_sha(b"one")), old=TEXT)
    assert (batch.operations[0].content, batch.refused) == (b"two", [])


def test_another_author_begins_another_batch() -> None:
    bob = change("create", b"", path="b")
    bob.author_name = "bob"
    batch = folded(change("create", b"", path="a"), bob, change("create", b"", path="c"))
    assert [one.path for one in batch.changes] == ["a"]


def test_a_batch_has_an_end() -> None:
    many = [change("create", b"", path=f"p/{number}") for number in range(MOST_CHANGES + 1)]
    assert len(folded(*many).changes) == MOST_CHANGES


def test_one_change_keeps_its_message_and_several_are_listed() -> None:
    one, two = change("create", b"", path="a"), change("create", b"", path="b")
    assert folded(one).message == f"create a\n\nChange-Id: {one.id}\n"
    listed = f"2 changes\n\n- create a\n- create b\n\nChange-Id: {one.id}\nChange-Id: {two.id}\n"
    assert folded(one, two).message == listed
