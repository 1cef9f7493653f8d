"""What the registry asks of the one who brings it bytes."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from backends.store import Buffers
from registry.digests import Digests
from registry.errors import DigestMismatchError

__all__ = ["Buffers", "Expect", "Source"]


@dataclass(frozen=True, slots=True)
class Expect:
    """What the sender announced of the bytes. `sha256` is lower-case hex, `md5` 16 raw bytes, the checksum base64.

    `checksum_algorithm` may be known while `checksum_value` is not: then the value follows the last byte.
    """

    sha256: str | None = None
    md5: bytes | None = None
    checksum_algorithm: str | None = None
    checksum_value: str | None = None

    def verify(self, digests: Digests) -> None:
        """Compare with what was computed. Raises DigestMismatchError for the first that differs."""
        if self.sha256 is not None and digests.hexdigest("SHA256") != self.sha256:
            raise DigestMismatchError("sha256", self.sha256, digests.hexdigest("SHA256"))
        if self.md5 is not None and digests.raw("MD5") != self.md5:
            raise DigestMismatchError("Content-MD5", base64.b64encode(self.md5).decode(), digests.base64("MD5"))
        if self.checksum_algorithm is not None and self.checksum_value is not None:
            computed = digests.base64(self.checksum_algorithm)
            if computed != self.checksum_value:
                raise DigestMismatchError(self.checksum_algorithm, self.checksum_value, computed)


class Source(Protocol):
    """A stretch of bytes on its way in. Iterated once, to the end; then `finish`, then `expect.verify`.

    Iterating may raise exceptions that are not the registry's: it lets them pass after dropping what was written.
    """

    @property
    def length(self) -> int | None:
        """How many bytes will come, where that is known. When it is, exactly so many come."""

    @property
    def expect(self) -> Expect:
        """What the sender announced; complete only after the last byte."""

    def __aiter__(self) -> AsyncIterator[Buffers]:
        """The bytes in batches of about 512 KiB, a small body in one batch; an empty body has no batch."""

    def finish(self, digests: Digests) -> None:
        """Settle with the sender, after the last byte and before anything is committed. May raise."""
