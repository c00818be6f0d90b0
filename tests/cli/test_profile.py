"""The profile: complete or absent, readable by its owner only, overridden by the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import profile
from cli.profile import Profile

KEPT = Profile("https://crontopus.example.org", "cts_secret", "alice")


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    where = tmp_path / "new" / "profile.json"
    monkeypatch.setenv("CRONTOPUS_PROFILE", str(where))
    return where


def test_what_was_saved_is_loaded_and_forgotten(path: Path) -> None:
    assert profile.save(KEPT) == path
    assert profile.load() == KEPT
    profile.forget()
    profile.forget()
    assert profile.load() is None


def test_only_its_owner_can_read_it(path: Path) -> None:
    profile.save(KEPT)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["profile.json"]


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    profile.save(KEPT)
    monkeypatch.setenv("CRONTOPUS_TOKEN", "ctp_ci")
    assert profile.load() == Profile(KEPT.url, "ctp_ci", "alice")


def test_a_broken_file_is_nobody_signed_in(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"url": ')
    assert profile.load() is None


def test_without_a_variable_it_lies_in_the_xdg_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRONTOPUS_PROFILE")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert profile.location() == tmp_path / "crontopus" / "profile.json"
