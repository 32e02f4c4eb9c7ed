"""One hierarchy of errors. Every error says what happened, where, and what to do about it."""

from __future__ import annotations

__all__ = ["InputError", "StillwatchError", "UsageError"]


class StillwatchError(Exception):
    """Base of every error that Stillwatch raises on purpose.

    ``message`` says what happened and where, ``remedy`` what the reader can do about it, and
    ``exit_code`` what the command line returns (1: the work failed, 2: the call was wrong).
    Neither text ever quotes a prompt or a credential.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  Hint: {self.remedy}"


class UsageError(StillwatchError):
    """The call itself was wrong: an unknown option value, a file that is not there."""

    exit_code = 2


class InputError(StillwatchError):
    """An input exists but cannot be read as what it should be."""

