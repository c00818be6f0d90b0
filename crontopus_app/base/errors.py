"""Every error that a user may see. Its text says what is wrong and what to do.

CrontopusError
├── BadInput             422   the request is understood and refused; ``problems`` name the fields
├── NotAuthenticated     401
├── Forbidden            403
├── NotFound             404   also for things of another tenant
├── Conflict             409
├── PreconditionFailed   412   somebody else changed it first
├── TooLarge             413
├── RateLimited          429   ``retry_after`` seconds; ``limit`` is how many there may be
├── Unavailable          503   a part of the installation is away; ``part`` names it
│   └── Busy                   only for one tenant
└── ConfigurationError         stops the start; never answers a request

``api/problems.py`` and ``ui/problems.py`` are the only places that translate them.
"""

from __future__ import annotations

from collections.abc import Sequence

from contract.wire import Problem


class CrontopusError(Exception):
    """An error with a sentence for the user, a machine word, and the HTTP status it is answered with."""

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
    """A part of the installation does not answer: try again after ``retry_after`` seconds."""

    status = 503
    code = "unavailable"

    def __init__(self, message: str, *, part: str, retry_after: int = 5, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.part = part
        self.retry_after = retry_after


class Busy(Unavailable):
    """Something long is being done to the tenant's rows; what others ask for is not held up by it."""

    def __init__(self) -> None:
        super().__init__("The jobs of this account are being changed: try again shortly.", part="database")


class ConfigurationError(CrontopusError):
    code = "configuration"


def bad_endpoint_token() -> NotAuthenticated:
    """The refusal of a token that is no endpoint's, or no longer."""
    return NotAuthenticated("This endpoint token is unknown or revoked: enrol the machine again.", code="bad_token")


def suspended_tenant() -> Forbidden:
    """The refusal of a suspended tenant's endpoints: they keep their jobs and what they have to tell, and ask again."""
    return Forbidden("This tenant is suspended: ask the operator.", code="suspended")
