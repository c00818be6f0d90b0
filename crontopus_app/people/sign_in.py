"""Signing in with a password, and how often one may be wrong.

Failures are counted per account and address. A browser that has signed in to the account before carries a cookie which
says so: its failures are counted by that cookie, so that strangers at the same address cannot keep it out.
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
# Who tries one password on many accounts, and what comparing passwords costs us.
OF_ADDRESS = Rate("sign-in-address", 60, 60, "Too many attempts from your address.")


@dataclass(frozen=True)
class Caller:
    """Where a sign-in comes from; ``block`` is what rates count instead of the address, ``device`` the cookie."""

    address: str
    block: str
    device: str = ""
    user_agent: str = ""


def sign_in(form: wire.LoginRequest, caller: Caller, now: datetime) -> str:
    """A new session's token. Raises NotAuthenticated, Forbidden, and RateLimited after too many failures."""
    user = _checked(form, caller)
    with writing() as session:
        return auth.open_session(session, user, user_agent=caller.user_agent, address=caller.address, now=now)


def _checked(form: wire.LoginRequest, caller: Caller) -> User:
    account = form.username.strip().lower()
    known = is_device_of(account, caller.device)
    key = f"{caller.device if known else caller.block}|{account}"
    rates.check_wait(FAILURES, key)
    if not known:
        rates.check(OF_ADDRESS, caller.block)
    try:
        return auth.check_login(form.username, form.password)
    except NotAuthenticated:
        rates.fail(FAILURES, key)
        if not known:
            rates.spend(OF_ADDRESS, caller.block)
        raise


def new_device(username: str) -> str:
    """What a browser keeps of having signed in to the account."""
    nonce = secrets.token_hex(8)
    return f"{nonce}.{_mark(username, nonce)}"


def is_device_of(username: str, device: str) -> bool:
    """Whether the cookie was given to a browser that signed in to the account."""
    nonce, _, mark = device.partition(".")
    return bool(nonce) and hmac.compare_digest(_mark(username, nonce).encode(), mark.encode(errors="replace"))


def _mark(username: str, nonce: str) -> str:
    return security.token_hmac(f"device:{nonce}:{username.lower()}")
