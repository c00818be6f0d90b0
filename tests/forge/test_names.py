"""A repository's name is read in one place."""

from __future__ import annotations

import pytest

from crontopus_app.forge.names import RepositoryName


def test_a_repository_is_its_owner_and_its_name() -> None:
    owner, name = RepositoryName.of("crontopus/job-manifests-ann")
    assert (owner, name) == ("crontopus", "job-manifests-ann")
    assert str(RepositoryName(owner, name)) == "crontopus/job-manifests-ann"


@pytest.mark.parametrize("text", ["", "crontopus", "crontopus/a/b"])
def test_what_is_not_an_owner_and_a_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the standard library's own
        RepositoryName.of(text)
