"""User names, passwords and tokens: validation, generation, hashing and comparison."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

import bcrypt

from contract.wire import Problem
from crontopus_app.base.errors import BadInput
from crontopus_app.base.settings import settings

MIN_PASSWORD = 10
USERNAME = re.compile(r"^[a-z0-9](-?[a-z0-9]){1,38}$")
# Names that Forgejo reserves, and words that would look official in a URL.
RESERVED = frozenset(
    (
        "admin administrator api assets attachments avatars captcha commits crontopus debug devtest error explore "
        "favicon forge forgejo ghost gitea help install issues login logout metrics milestones new notifications "
        "operator org orgs ping pulls raw register repo repos robots root search serviceworker stars static "
        "svc-crontopus svc-root swagger system template user users v1 v2 well-known"
    ).split()
)


def clean_username(name: str) -> str:
    """The name in lower case; raises BadInput if it is not a valid user name."""
    name = name.strip().lower()
    if len(name) > 39 or not USERNAME.match(name):
        raise _bad("username", "Use 2–39 lower-case letters, digits or single hyphens; not at the start or end.")
    if name in RESERVED or name.startswith("agent-"):
        raise _bad("username", f"The name {name!r} is reserved. Choose another name.")
    return name


def check_password(password: str, username: str, field: str = "password") -> None:
    """Raises BadInput for a password that is too short or equals the user name; ``field`` names the form's field."""
    if len(password) < MIN_PASSWORD:
        raise _bad(field, f"Use at least {MIN_PASSWORD} characters.")
    if password.strip().lower() == username.lower():
        raise _bad(field, "The password must differ from the user name.")


def _bad(field: str, message: str) -> BadInput:
    return BadInput(message, problems=[Problem(code="bad_value", message=message, field=field)])


def hash_password(password: str) -> str:
    """bcrypt over SHA-256, because bcrypt ignores bytes after the 72nd. Slow on purpose: keep it off the event loop."""
    return bcrypt.hashpw(_prehash(password), bcrypt.gensalt()).decode()


def password_matches(password: str, stored: str | None) -> bool:
    """Whether the password matches the stored hash. Takes the same time without a user (``stored`` is None)."""
    matches = bcrypt.checkpw(_prehash(password), (stored or _DUMMY_HASH).encode())
    return matches and stored is not None


def _prehash(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(password.encode(errors="surrogatepass")).digest())


# The hash of a discarded random password: comparing with it takes as long as with a real hash.
# A constant, because hashing one would add a third of a second to the start of every process.
_DUMMY_HASH = "$2b$12$z9mGowfgicYxXfwWjhjx0.hY2jewN27D4n6IgYNiJ9TBABtHglsPa"


def new_token(prefix: str) -> str:
    """A random token of 256 bits such as ``ep_…``."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def derived_secret(material: str) -> str:
    """The secret part of a token (256 bits), derived from ``material`` and the installation's secret key."""
    digest = hmac.new(settings().secret_key.encode(), f"derived\n{material}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def token_hmac(token: str) -> str:
    """The form in which tokens are stored: HMAC-SHA256 under the installation's secret key, in hex."""
    return hmac.new(settings().secret_key.encode(), token.encode(), hashlib.sha256).hexdigest()
