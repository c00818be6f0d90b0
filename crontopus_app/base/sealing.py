"""Encrypts secrets that must be shown or used again, under the installation's secret key.

Fernet: AES-128 in CBC mode with HMAC-SHA256; a changed text or another key is noticed.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crontopus_app.base.errors import ConfigurationError
from crontopus_app.base.settings import settings


def seal(text: str) -> str:
    """The text, encrypted. Each call gives another result."""
    return _fernet(settings().secret_key).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The text that was sealed. Raises ConfigurationError if the secret key has changed since."""
    try:
        return _fernet(settings().secret_key).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise ConfigurationError(
            "A stored secret cannot be read, because CRONTOPUS_SECRET_KEY has changed. Set the former key again, or "
            "enter the secret again."
        ) from error


@lru_cache(maxsize=2)
def _fernet(secret_key: str) -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=b"crontopus: sealed secrets").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))
