"""Which files are jobs and which of them clash: what server, agent and CLI must agree on."""

from __future__ import annotations

import pytest

from contract.jobs_in_tree import Claim, clashes, is_manifest


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("production/backup.yaml", True),
        ("production/db/backup.yml", True),
        ("backup.yaml", False),
        ("crontopus.yaml", False),
        ("production/README.md", False),
        ("production/backup.yaml.orig", False),
        ("production/.backup.yaml", False),
        (".forgejo/workflows/check.yaml", False),
        ("production/.hidden/backup.yaml", False),
    ],
)
def test_a_manifest_is_yaml_in_a_folder_that_is_not_hidden(path: str, meant: bool) -> None:
    assert is_manifest(path) is meant


def test_files_that_share_an_id_or_a_name_each_name_all_the_others() -> None:
    found = clashes(
        [
            Claim("production/a.yaml", "1", "production", "a"),
            Claim("production/b.yaml", "1", "production", "b"),
            Claim("production/x/b.yaml", "2", "production", "b"),
            Claim("staging/b.yaml", "3", "staging", "b"),
        ]
    )
    assert {path: (clash.kind, clash.value, clash.others) for path, clash in found.items()} == {
        "production/a.yaml": ("id", "1", ("production/b.yaml",)),
        "production/b.yaml": ("id", "1", ("production/a.yaml",)),
        "production/x/b.yaml": ("name", "production/b", ("production/b.yaml",)),
    }


def test_files_that_share_nothing_do_not_clash() -> None:
    assert not clashes(
        [Claim("production/a.yaml", "1", "production", "a"), Claim("staging/a.yaml", "2", "staging", "a")]
    )
