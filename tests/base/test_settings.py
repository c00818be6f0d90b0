"""Settings come from the environment, and a mistake names its variable."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import ConnectionPool
from sqlalchemy import make_url

from crontopus_app.base.errors import ConfigurationError
from crontopus_app.base.settings import read


def environment(tmp_path: Path, **values: str) -> dict[str, str]:
    return {"CRONTOPUS_HOME": str(tmp_path), **{f"CRONTOPUS_{name}": value for name, value in values.items()}}


def test_nothing_configured_is_all_embedded(tmp_path: Path) -> None:
    found = read(environment(tmp_path))
    assert (found.embedded_database, found.embedded_redis, found.embedded_forge) == (True, True, True)
    assert found.forgejo_url == "http://127.0.0.1:8000/forge"
    assert found.database_url == f"sqlite:///{tmp_path / 'crontopus.db'}"


@pytest.mark.parametrize("name", ["two words", "100%25", "#1", "a?b", "käse"])
def test_a_data_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    found = read(environment(tmp_path / name))
    pool = ConnectionPool.from_url(found.redis_url)
    assert pool.connection_kwargs["path"] == str(tmp_path / name / "redis.sock")
    assert make_url(found.database_url).database == str(tmp_path / name / "crontopus.db")


def test_a_generated_secret_is_kept_for_the_owner_alone(tmp_path: Path) -> None:
    first, second = read(environment(tmp_path)), read(environment(tmp_path))
    assert first.secret_key == second.secret_key
    assert (tmp_path / "secrets" / "secret_key").stat().st_mode & 0o777 == 0o600


def test_parts_are_replaced_one_by_one(tmp_path: Path) -> None:
    found = read(environment(tmp_path, DATABASE_URL="postgres://u@db/c", REDIS_URL="redis://r"))
    assert found.database_url == "postgresql+psycopg://u@db/c"
    assert (found.embedded_database, found.embedded_redis, found.embedded_forge) == (False, False, True)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a long enough key\n")
    assert read(environment(tmp_path, SECRET_KEY_FILE=str(tmp_path / "key"))).secret_key == "a long enough key"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"DATABSE_URL": "x"}, "Did you mean CRONTOPUS_DATABASE_URL"),
        ({"BIND": "8000"}, "CRONTOPUS_BIND"),
        ({"BIND": "127.0.0.1:99999"}, "CRONTOPUS_BIND"),
        ({"DATABASE_URL": "mysql://x"}, "CRONTOPUS_DATABASE_URL"),
        ({"PUBLIC_URL": "ftp://x"}, "CRONTOPUS_PUBLIC_URL"),
        ({"FORGEJO_PUBLIC_URL": "git.example.org"}, "CRONTOPUS_FORGEJO_PUBLIC_URL"),
        ({"INTERNAL_URL": "web:8000"}, "CRONTOPUS_INTERNAL_URL"),
        ({"FORGEJO_URL": "http://f"}, "CRONTOPUS_FORGEJO_ADMIN_USER"),
        ({"SECRET_KEY": "short"}, "CRONTOPUS_SECRET_KEY"),
        ({"SECRET_KEY_FILE": "/nowhere"}, "CRONTOPUS_SECRET_KEY_FILE"),
        ({"SECRET_KEY": "long enough", "SECRET_KEY_FILE": "/nowhere"}, "not both"),
        ({"WORKERS": "many"}, "CRONTOPUS_WORKERS"),
        ({"FORGEJO_BROAD_TOKENS": "perhaps"}, "CRONTOPUS_FORGEJO_BROAD_TOKENS"),
    ],
)
def test_a_mistake_names_its_variable(tmp_path: Path, values: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read(environment(tmp_path, **values))


def test_an_empty_secret_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "secret_key").touch()
    with pytest.raises(ConfigurationError, match="Delete it"):
        read(environment(tmp_path))


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="CRONTOPUS_HOME"):
        read({"CRONTOPUS_HOME": str(tmp_path / "file" / "below")})


@pytest.mark.parametrize(
    ("values", "loopback"),
    [
        ({"BIND": "127.0.0.1:1"}, True),
        ({"BIND": "[::1]:1"}, True),
        ({"BIND": "127.0.0.1:1", "PUBLIC_URL": "http://localhost:1"}, True),
        ({"BIND": "0.0.0.0:1"}, False),
        ({"BIND": "0.0.0.0:1", "PUBLIC_URL": "http://127.0.0.1:1"}, False),
        ({"BIND": "127.0.0.1:1", "PUBLIC_URL": "https://cron.example.org"}, False),
        ({"BIND": "127.0.0.1:1", "TRUSTED_PROXIES": "127.0.0.1"}, False),
    ],
)
def test_a_server_is_for_this_machine_only_where_nothing_says_otherwise(
    tmp_path: Path, values: dict[str, str], loopback: bool
) -> None:
    assert read(environment(tmp_path, **values)).loopback is loopback
