"""Passwords, tokens and names: how they are made, kept and compared."""

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
# Forgejo's own reserved names, and words that would read as ours in an address.
RESERVED = frozenset(
    (
        "admin administrator api assets attachments avatars captcha commits crontopus debug devtest error explore "
        "favicon forge forgejo ghost gitea help install issues login logout metrics milestones new notifications "
        "operator org orgs ping pulls raw register repo repos robots root search serviceworker stars static "
        "svc-crontopus svc-root swagger system template user users v1 v2 well-known"
    ).split()
)


def clean_username(name: str) -> str:
    """The name in lower case; raises BadInput where it cannot be a user's and tenant's name."""
    name = name.strip().lower()
    if len(name) > 39 or not USERNAME.match(name):
        raise _bad(
            "username", "A user name has 2 to 39 of a-z, 0-9 and single hyphens, and begins and ends without one."
        )
    if name in RESERVED or name.startswith("agent-"):
        raise _bad("username", f"The name {name!r} is reserved: choose another.")
    return name


def check_password(password: str, username: str, field: str = "password") -> None:
    """Raises BadInput where a password is too short or is the user's name; ``field`` is the form's."""
    if len(password) < MIN_PASSWORD:
        raise _bad(field, f"A password has at least {MIN_PASSWORD} characters.")
    if password.strip().lower() == username.lower():
        raise _bad(field, "The password must not be the user name.")


def _bad(field: str, message: str) -> BadInput:
    return BadInput(message, problems=[Problem(code="bad_value", message=message, field=field)])


def hash_password(password: str) -> str:
    """bcrypt over SHA-256, so nothing beyond bcrypt's 72 bytes is cut off. Slow on purpose: not for the event loop."""
    return bcrypt.hashpw(_prehash(password), bcrypt.gensalt()).decode()


def password_matches(password: str, stored: str | None) -> bool:
    """Whether the password is the stored one; takes the same time where there is no such user (``stored`` is None)."""
    matches = bcrypt.checkpw(_prehash(password), (stored or _NOBODY).encode())
    return matches and stored is not None


def _prehash(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(password.encode(errors="surrogatepass")).digest())


# The hash of a random password that was thrown away: comparing with it costs what comparing with a real one costs.
# It is written down because making one takes every process a third of a second at its start.
_NOBODY = "$2b$12$z9mGowfgicYxXfwWjhjx0.hY2jewN27D4n6IgYNiJ9TBABtHglsPa"


def new_token(prefix: str) -> str:
    """A random token such as ``ep_…``; 256 bits, shown once."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def derived_secret(material: str) -> str:
    """The secret part of a token, 256 bits, that the same material gives again under the installation's secret key."""
    digest = hmac.new(settings().secret_key.encode(), f"derived\n{material}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def token_hmac(token: str) -> str:
    """What is stored of a token: HMAC-SHA256 under the installation's secret key, in hex."""
    return hmac.new(settings().secret_key.encode(), token.encode(), hashlib.sha256).hexdigest()
