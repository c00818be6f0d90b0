"""The common rules of server, agent and CLI: which files are jobs, and which clash."""

from __future__ import annotations

import pytest

from contract.jobs_in_tree import NAMED, IdentityClaim, clashes, is_manifest


@pytest.mark.parametrize(
    ("path", "expected"),
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
def test_a_manifest_is_yaml_in_a_folder_that_is_not_hidden(path: str, expected: bool) -> None:
    assert is_manifest(path) is expected


def test_files_that_share_an_id_or_a_name_each_name_all_the_others() -> None:
    by_path = clashes(
        [
            IdentityClaim("production/a.yaml", "1", "production", "a"),
            IdentityClaim("production/b.yaml", "1", "production", "b"),
            IdentityClaim("production/x/b.yaml", "2", "production", "b"),
            IdentityClaim("staging/b.yaml", "3", "staging", "b"),
        ]
    )
    assert {path: (clash.kind, clash.value, clash.others) for path, clash in by_path.items()} == {
        "production/a.yaml": ("id", "1", ("production/b.yaml",)),
        "production/b.yaml": ("id", "1", ("production/a.yaml",)),
        "production/x/b.yaml": ("name", "production/b", ("production/b.yaml",)),
    }


def test_files_that_share_nothing_do_not_clash() -> None:
    assert not clashes(
        [
            IdentityClaim("production/a.yaml", "1", "production", "a"),
            IdentityClaim("staging/a.yaml", "2", "staging", "a"),
        ]
    )


def test_of_thousands_of_files_with_one_id_each_names_a_few_and_counts_the_rest() -> None:
    paths = [f"production/{number:04}.yaml" for number in range(3000)]
    by_path = clashes(IdentityClaim(path, "one-id", "production", path) for path in paths)
    assert by_path[paths[0]].others == tuple(paths[1 : NAMED + 1])
    assert by_path[paths[2999]].message.endswith(f"{paths[9]} and 2989 more; change one, or none of them runs")
    assert sum(len(clash.message) for clash in by_path.values()) < 3_000_000
