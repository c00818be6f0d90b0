"""The error of the embedded forge: an HTTP status and a message, in Forgejo's format."""

from __future__ import annotations


class HttpError(Exception):
    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
