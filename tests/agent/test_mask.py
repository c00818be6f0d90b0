"""Masking removes the secrets of foreign lines and nothing else."""

from __future__ import annotations

import pytest

from agent.mask import MASK, mask


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("API_TOKEN=abc123", f"API_TOKEN={MASK}"),
        ("DB_PASSWORD = 'two words'", f"DB_PASSWORD = {MASK}"),
        ("0 1 * * * AWS_SECRET_ACCESS_KEY=x/y+z run", f"0 1 * * * AWS_SECRET_ACCESS_KEY={MASK} run"),
        ("0 1 * * * dump --password=hunter2 --all", f"0 1 * * * dump --password={MASK} --all"),
        ("0 1 * * * dump --password hunter2 --all", f"0 1 * * * dump --password {MASK} --all"),
        ("0 1 * * * tool --api-key 'a b' x", f"0 1 * * * tool --api-key {MASK} x"),
        ("0 1 * * * mysqldump -u root -phunter2 db", f"0 1 * * * mysqldump -u root -p{MASK} db"),
        ("0 1 * * * curl https://bob:s3cret@h.example/x", f"0 1 * * * curl https://bob:{MASK}@h.example/x"),
        ("0 1 * * * curl -u bob:s3cret https://h.example", f"0 1 * * * curl -u bob:{MASK} https://h.example"),
        ("0 1 * * * curl 'https://h.example/?token=abc&x=1'", f"0 1 * * * curl 'https://h.example/?token={MASK}&x=1'"),
        ("0 1 * * * curl -H 'Authorization: Bearer abcdefgh.ijk'", f"0 1 * * * curl -H 'Authorization: Bearer {MASK}'"),
        ("credential_file=/x", f"credential_file={MASK}"),
    ],
)
def test_a_secret_is_masked_and_the_rest_stays(line: str, shown: str) -> None:
    assert mask(line) == shown


@pytest.mark.parametrize(
    "line",
    [
        "0 1 * * * /usr/bin/backup --all -p /data",
        "MAILTO=ops@example.org",
        "PATH=/usr/bin:/bin",
        "0 1 * * * mkdir -p /srv/x && cp -pr a b",
        "0 1 * * * rsync host:/a /b",
        "0 1 * * * echo pass the salt",
        "",
    ],
)
def test_a_line_without_secrets_is_shown_as_it_is(line: str) -> None:
    assert mask(line) == line


def test_masking_twice_is_masking_once() -> None:
    line = "0 1 * * * X_TOKEN=abc curl --password=b https://u:p@h/?key=1"
    assert mask(mask(line)) == mask(line)
    assert not any(secret in mask(line) for secret in ("abc", "=b ", ":p@", "key=1"))
