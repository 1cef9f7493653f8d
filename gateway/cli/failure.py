"""What a command's failure looks like: one line on standard error, and an exit code that says whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from gateway.cli.api import ApiError, UnreachableError
from gateway.cli.s3 import S3Error
from gateway.cli.tree import ChangedError
from gateway.http.tls import TlsError
from gateway.keyring import KeyringError
from gateway.process.listeners import PortUnavailableError
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
    except SettingsError as error:
        raise Failure(str(error), USAGE) from error
    except ApiError as error:
        raise Failure(_line(error), UNAVAILABLE if error.status == 401 or error.status >= 500 else REFUSED) from error
    except S3Error as error:
        unavailable = error.code in _UNKNOWN_CALLER or error.status >= 500
        raise Failure(_line(error), UNAVAILABLE if unavailable else REFUSED) from error
    except UnreachableError as error:
        raise Failure(_line(error), UNAVAILABLE) from error
    except ChangedError as error:
        raise Failure(_line(error), REFUSED) from error
    except (KeyringError, TlsError, PortUnavailableError, StorageUnavailableError, StorageFullError) as error:
        raise Failure(_line(error), UNAVAILABLE) from error
    except RegistryError as error:
        raise Failure(_line(error), REFUSED) from error


def _line(error: Any) -> str:
    return " ".join(str(error).split())
