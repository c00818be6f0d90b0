"""The one error of the embedded forge: a status and a message, answered as Forgejo answers them."""

from __future__ import annotations


class Refused(Exception):
    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
