"""Sign-in with a password, and its rate limits.

Failures are counted per account and address. A browser that has signed in to the account before has a device cookie;
its failures are counted per cookie, so that strangers at the same address cannot lock it out.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from contract import wire
from crontopus_app.base import rates, security
from crontopus_app.base.db import writing
from crontopus_app.base.errors import NotAuthenticated
from crontopus_app.base.rates import Backoff, Rate
from crontopus_app.models import User
from crontopus_app.people import auth

FAILURES = Backoff("sign-in", 5, 60, 3600, "Too many attempts from your address.")
# Limits attempts on many accounts, and the CPU time for password hashes.
OF_ADDRESS = Rate("sign-in-address", 60, 60, "Too many attempts from your address.")


@dataclass(frozen=True)
class Origin:
    """The origin of a sign-in. ``block`` is the address block that rate limits count; ``device`` the device cookie."""

    address: str
    block: str
    device: str = ""
    user_agent: str = ""


def sign_in(form: wire.LoginRequest, origin: Origin, now: datetime) -> str:
    """A new session's token. Raises NotAuthenticated, Forbidden, and RateLimited after too many failures."""
    user = _checked(form, origin)
    with writing() as session:
        return auth.open_session(session, user, user_agent=origin.user_agent, address=origin.address, now=now)


def _checked(form: wire.LoginRequest, origin: Origin) -> User:
    account = form.username.strip().lower()
    known_device = is_device_of(account, origin.device)
    key = f"{origin.device if known_device else origin.block}|{account}"
    rates.check_wait(FAILURES, key)
    if not known_device:
        rates.check(OF_ADDRESS, origin.block)
    try:
        return auth.check_login(form.username, form.password)
    except NotAuthenticated:
        rates.fail(FAILURES, key)
        if not known_device:
            rates.spend(OF_ADDRESS, origin.block)
        raise


def new_device(username: str) -> str:
    """A new device cookie for a browser that has signed in to the account."""
    nonce = secrets.token_hex(8)
    return f"{nonce}.{_signature(username, nonce)}"


def is_device_of(username: str, device: str) -> bool:
    """Whether the device cookie is valid for the account."""
    nonce, _, signature = device.partition(".")
    return bool(nonce) and hmac.compare_digest(_signature(username, nonce).encode(), signature.encode(errors="replace"))


def _signature(username: str, nonce: str) -> str:
    return security.token_hmac(f"device:{nonce}:{username.lower()}")
