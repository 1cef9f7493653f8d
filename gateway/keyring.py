"""The keys that are kept in the data directory: the master key, and the first administrator's."""

from __future__ import annotations

import os
import secrets
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from gateway.settings import Settings
from registry.accounts import new_access_key, new_secret

MASTER_KEY = "master-key"
ROOT_CREDENTIALS = "root-credentials"


class KeyringError(Exception):
    """A key cannot be read or kept. The message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    access_key: str
    secret_key: str = field(repr=False)


class Keyring:
    """Files that only their owner may read, in the data directory. A file, once there, is never rewritten."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = settings.data_dir

    @property
    def root_credentials_path(self) -> Path:
        return self._directory / ROOT_CREDENTIALS

    def master_key(self, *, create: bool = False) -> bytes:
        """The 32 bytes that encrypt the secrets in the database. Raises KeyringError.

        `create` makes a new one where there is none: right for a database that holds no secrets yet, and only then.
        """
        if self._settings.master_key is not None:
            return self._settings.master_key
        path = self._directory / MASTER_KEY
        text = _read(path)
        if text is None and create:
            _write_once(path, secrets.token_hex(32) + "\n")
            text = _read(path)
        if text is None:
            raise KeyringError(
                f"{path} is missing, and the secrets in the database are encrypted with it; "
                "restore it, or set ARTIFACT_STORE_MASTER_KEY."
            )
        try:
            key = bytes.fromhex(text.strip())
        except ValueError:
            key = b""
        if len(key) != 32:
            raise KeyringError(f"{path} is damaged: it holds no 64 hexadecimal digits; restore it from a backup.")
        return key

    def root_key_pair(self, *, create: bool = False) -> KeyPair | None:
        """The first administrator's keys: from the settings, or those kept here; None where there are none.

        `create` makes and keeps new ones where there are none. Raises KeyringError.
        """
        access_key, secret_key = self._settings.root_access_key, self._settings.root_secret_key
        if access_key is not None and secret_key is not None:
            return KeyPair(access_key, secret_key)
        path = self.root_credentials_path
        text = _read(path)
        if text is None and create:
            _write_once(path, _exports(KeyPair(new_access_key(), new_secret())))
            text = _read(path)
        return None if text is None else _parsed(path, text)


def _exports(pair: KeyPair) -> str:
    """Lines that a shell can read: `. data/root-credentials`."""
    return (
        f"export AWS_ACCESS_KEY_ID={shlex.quote(pair.access_key)}\n"
        f"export AWS_SECRET_ACCESS_KEY={shlex.quote(pair.secret_key)}\n"
    )


def _parsed(path: Path, text: str) -> KeyPair:
    values = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
    try:
        return KeyPair(values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"])
    except KeyError as missing:
        raise KeyringError(f"{path} is damaged: it does not set {missing.args[0]}; restore it from a backup.") from None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringError(f"{path} cannot be read: {error}.") from error


def _write_once(path: Path, text: str) -> None:
    """Write the whole file durably or not at all; one that is there already stays as it is."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return  # another process was first
        finally:
            temporary.unlink()
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise KeyringError(f"{path} cannot be written: {error.strerror}.") from error
