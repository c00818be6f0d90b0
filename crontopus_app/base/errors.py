"""Errors shown to users. Each message says what is wrong and what to do.

CrontopusError
├── BadInput             422   the request is invalid; ``problems`` name the fields
├── NotAuthenticated     401
├── Forbidden            403
├── NotFound             404   also for objects of another tenant
├── Conflict             409
├── PreconditionFailed   412   the object was changed meanwhile
├── TooLarge             413
├── RateLimited          429   ``retry_after`` in seconds; ``limit`` is the allowed number of requests
├── Unavailable          503   a component does not respond; ``part`` names it
│   └── Busy                   long work on one tenant's rows
└── ConfigurationError         stops the start; never the response to a request

Only ``api/problems.py`` and ``ui/problems.py`` translate them.
"""

from __future__ import annotations

from collections.abc import Sequence

from contract.wire import Problem


class CrontopusError(Exception):
    """An error with a message for the user, a machine-readable code and an HTTP status."""

    status = 500
    code = "error"

    def __init__(self, message: str, *, code: str | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.problems = tuple(problems)


class BadInput(CrontopusError):
    status = 422
    code = "bad_input"


class NotAuthenticated(CrontopusError):
    status = 401
    code = "not_authenticated"


class Forbidden(CrontopusError):
    status = 403
    code = "forbidden"


class NotFound(CrontopusError):
    status = 404
    code = "not_found"


class Conflict(CrontopusError):
    status = 409
    code = "conflict"


class PreconditionFailed(CrontopusError):
    status = 412
    code = "precondition_failed"


class TooLarge(CrontopusError):
    status = 413
    code = "too_large"


class RateLimited(CrontopusError):
    status = 429
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: int, limit: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.limit = limit


class Unavailable(CrontopusError):
    """A component does not respond. The client may retry after ``retry_after`` seconds."""

    status = 503
    code = "unavailable"

    def __init__(self, message: str, *, part: str, retry_after: int = 5, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.part = part
        self.retry_after = retry_after


class Busy(Unavailable):
    """A long transaction holds locks on the tenant's rows. Requests of other tenants are not affected."""

    def __init__(self) -> None:
        super().__init__("The jobs of this account are being updated. Try again in a few seconds.", part="database")


class ConfigurationError(CrontopusError):
    code = "configuration"


def bad_endpoint_token() -> NotAuthenticated:
    """The error for an unknown or revoked endpoint token."""
    return NotAuthenticated("This endpoint token is unknown or revoked. Enrol the machine again.", code="bad_token")


def suspended_tenant() -> Forbidden:
    """The error for endpoints of a suspended tenant. They keep their jobs and unsent check-ins, and retry."""
    return Forbidden("This account is suspended. Contact the operator of this server.", code="suspended")
