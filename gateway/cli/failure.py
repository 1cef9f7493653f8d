"""What a command's failure looks like: one line on standard error, and an exit code that says whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from gateway.settings import SettingsError
from registry.errors import RegistryError, StorageFullError, StorageUnavailableError

REFUSED = 1
USAGE = 2
UNAVAILABLE = 3

_UNKNOWN_CALLER = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"})
"""What S3 says when it does not accept who is asking; it has no status of its own for that."""


class Failure(click.ClickException):
    """Ends the command with a message and an exit code."""

    def __init__(self, message: str, exit_code: int = REFUSED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors that a command may meet into a `Failure`. What is not listed here is a fault of the program."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        exit_code = _exit_code(error)
        if exit_code is None:
            raise
        raise Failure(" ".join(str(error).split()), exit_code) from error


def _exit_code(error: Exception) -> int | None:
    """Whose turn it is; None for a fault of the program."""
    # Commands that talk to a server start without the server's own libraries: they are imported only to name an error.
    from gateway.cli.api import ApiError, UnreachableError  # noqa: PLC0415
    from gateway.cli.s3 import S3Error  # noqa: PLC0415
    from gateway.cli.tree import ChangedError  # noqa: PLC0415
    from gateway.http.tls import TlsError  # noqa: PLC0415
    from gateway.keyring import KeyringError  # noqa: PLC0415
    from gateway.process.listeners import PortUnavailableError  # noqa: PLC0415

    unavailable: bool
    match error:
        case SettingsError():
            return USAGE
        case ApiError():
            unavailable = error.status == 401 or error.status >= 500
        case S3Error():
            unavailable = error.code in _UNKNOWN_CALLER or error.status >= 500
        case RegistryError():
            unavailable = isinstance(error, StorageUnavailableError | StorageFullError)
        case UnreachableError() | KeyringError() | TlsError() | PortUnavailableError():
            unavailable = True
        case ChangedError():
            unavailable = False
        case _:
            return None
    return UNAVAILABLE if unavailable else REFUSED
