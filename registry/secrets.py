"""Secrets at rest: AES-256-GCM under the installation's master key."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registry.errors import RegistryError

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = b"\x01"


class MasterKeyError(RegistryError):
    """The master key does not open the secrets in the database: it is not the key they were sealed with."""


class SecretBox:
    """Seals and opens secrets. What a secret belongs to is bound to it, so that none can be put in another's place."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise MasterKeyError(f"the master key has {len(master_key)} bytes, it must have {KEY_BYTES}")
        self._cipher = AESGCM(master_key)

    def seal(self, secret: str, owner: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, secret.encode(), owner.encode())

    def open(self, sealed: bytes, owner: str) -> str:
        """Raises MasterKeyError where the key, the owner or the bytes are not those of the sealing."""
        if len(sealed) <= 1 + _NONCE_BYTES or not sealed.startswith(_FORMAT):
            raise MasterKeyError
        nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, text, owner.encode()).decode()
        except InvalidTag:
            raise MasterKeyError from None
