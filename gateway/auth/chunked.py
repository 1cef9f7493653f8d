"""Decoding of aws-chunked bodies: framing off, chunk signatures and trailers checked, payload never copied.

    chunk   = size-in-hex [";chunk-signature=" 64-hex] CRLF payload CRLF
    body    = *chunk "0" [";chunk-signature=" 64-hex] CRLF [trailer] CRLF
    trailer = *(name ":" value CRLF) ["x-amz-trailer-signature:" 64-hex CRLF]

Sources: as for `gateway.auth.payload`; where S3 is laxer than its documentation (a lone LF in the trailer, a last
CRLF left out, bytes after the end) so is this.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection
from enum import Enum, auto

from gateway.auth.errors import IncompleteBody, InvalidChunkSizeError, MalformedTrailerError, SignatureDoesNotMatch
from gateway.auth.payload import PayloadPlan

SMALLEST_CHUNK = 8192
"""Only the last chunk may be smaller."""

MAX_LINE = 512
"""A longer chunk header is garbage: a signed one takes 101 bytes at most."""

MAX_TRAILER = 8192
"""Bytes of trailer, and likewise bytes after the end that are passed over."""

_FIRST_HEADER = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*((?:;[^\r\n]{0,400})?)\r\n")
_NEXT_HEADER = re.compile(rb"\r\n" + _FIRST_HEADER.pattern)
_SIGNATURE = re.compile(rb";[ \t]*chunk-signature=([0-9A-Fa-f]{64})[ \t]*")
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class _State(Enum):
    HEADER = auto()
    PAYLOAD = auto()
    TRAILER = auto()
    DONE = auto()


class ChunkedDecoder:
    """Takes a body piece by piece. `feed` and `prove` in turn while there are pieces, then `close`, then `prove`.

    `feed` and `close` only parse; `prove` does the hashing for the signatures and may run in a thread. Bytes of a
    chunk are given out before its signature is known: nothing may be made final before the last `prove` returns.
    """

    def __init__(self, plan: PayloadPlan, decoded_length: int | None, trailer_names: Collection[str] = ()) -> None:
        """`trailer_names` are those that x-amz-trailer declares, in lower case: they must come, and no others."""
        self._seal = plan.seal
        self._expects_trailer_signature = plan.seal is not None and plan.kind.has_trailer
        self._decoded_length = decoded_length
        self._awaited = set(trailer_names)
        self.trailers: dict[str, str] = {}
        """The trailers that came, by lower-case name; complete after `close`."""
        self.received = 0
        """Bytes of payload so far."""

        self._state = _State.HEADER
        self._chunk_count = 0
        self._chunk_size = 0
        self._remaining = 0
        self._carry = b""
        self._overhead = 0
        self._claimed = ""
        self._trailer_signature = ""

        self._unproven: list[memoryview | str] = []
        self._previous = plan.seal.seed_signature if plan.seal else ""
        self._hash = hashlib.sha256()

    def feed(self, piece: bytes) -> list[memoryview]:
        """The stretches of payload in the next piece, as views into it."""
        payload: list[memoryview] = []
        view = memoryview(piece)
        position, end = 0, len(piece)
        while position < end:
            if self._state is _State.PAYLOAD:
                stretch = view[position : position + self._remaining]
                payload.append(stretch)
                position += len(stretch)
                self._take(stretch)
            elif self._state is _State.HEADER:
                position = self._header(piece, position)
            elif self._state is _State.TRAILER:
                position = self._trailer_line(piece, position)
            else:
                self._count_overhead(end - position)
                break
        return payload

    def close(self) -> None:
        """The pieces are over. Raises unless they were a whole body of the announced length."""
        if self._state is _State.HEADER and self._carry:
            # S3 takes a last "0" without its line end.
            self._carry = self._carry.removesuffix(b"\r")
            self._header(b"\r\n", 0)
        if self._state in {_State.HEADER, _State.PAYLOAD}:
            raise self._incomplete()
        if self._state is _State.TRAILER:
            if self._carry:
                self._trailer_line(b"\n", 0)
            if self._awaits_trailer:
                raise MalformedTrailerError
            self._end()

    def prove(self) -> None:
        """Check the signatures of all that was fed. Raises SignatureDoesNotMatch."""
        if self._seal is None:
            return
        unproven, self._unproven = self._unproven, []
        for item in unproven:
            if isinstance(item, memoryview):
                self._hash.update(item)
                continue
            computed = self._seal.chunk(self._previous, self._hash.hexdigest())
            self._compare(computed, item)
            self._previous = computed
            self._hash = hashlib.sha256()
        if self._state is _State.DONE and self._trailer_signature:
            lines = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
            computed = self._seal.trailer(self._previous, hashlib.sha256(lines.encode()).hexdigest())
            self._compare(computed, self._trailer_signature)
            self._trailer_signature = ""

    @staticmethod
    def _compare(computed: str, claimed: str) -> None:
        if not hmac.compare_digest(computed, claimed):
            raise SignatureDoesNotMatch(
                "The signature of a chunk of the body does not match what was computed: "
                "the body was changed on its way, or signed with another key.",
                {"SignatureProvided": claimed},
            )

    # --- chunks ---------------------------------------------------------------------------------------------------

    def _take(self, stretch: memoryview) -> None:
        self.received += len(stretch)
        self._remaining -= len(stretch)
        if self._seal:
            self._unproven.append(stretch)
        if not self._remaining:
            self._end_chunk()
            self._state = _State.HEADER

    def _end_chunk(self) -> None:
        if self._seal:
            self._unproven.append(self._claimed)

    def _header(self, piece: bytes, position: int) -> int:
        """Read a chunk header that begins in the carry or at the position; the position after it."""
        pattern = _NEXT_HEADER if self._chunk_count else _FIRST_HEADER
        carried = len(self._carry)
        if carried:
            text = self._carry + piece[position : position + MAX_LINE]
            match = pattern.match(text)
        else:
            text = b""
            match = pattern.match(piece, position)
        if match is None:
            self._carry = text or piece[position : position + MAX_LINE]
            lead = 2 if self._chunk_count else 0
            if (
                len(self._carry) >= MAX_LINE
                or not b"\r\n".startswith(self._carry[:lead])
                or b"\n" in self._carry[lead:]
            ):
                raise self._incomplete("the aws-chunked framing is broken")
            return len(piece)
        self._carry = b""
        self._begin_chunk(int(match[1], 16), match[2])
        return position + match.end() - carried if carried else match.end()

    def _begin_chunk(self, size: int, extension: bytes) -> None:
        if self._seal:
            signature = _SIGNATURE.fullmatch(extension)
            if signature is None:
                raise self._incomplete("a chunk has no signature")
            self._claimed = signature[1].decode().lower()
        if size and self._chunk_count and self._chunk_size < SMALLEST_CHUNK:
            raise InvalidChunkSizeError(
                details={"Chunk": str(self._chunk_count), "BadChunkSize": str(self._chunk_size)}
            )
        self._chunk_count += 1
        self._chunk_size = self._remaining = size
        if size:
            if self._decoded_length is not None and self.received + size > self._decoded_length:
                raise self._wrong_length(self.received + size)
            self._state = _State.PAYLOAD
        else:
            self._end_chunk()
            self._state = _State.TRAILER

    # --- the end --------------------------------------------------------------------------------------------------

    @property
    def _awaits_trailer(self) -> bool:
        return bool(self._awaited) or (
            self._expects_trailer_signature and bool(self.trailers) and not self._trailer_signature
        )

    def _trailer_line(self, piece: bytes, position: int) -> int:
        stop = piece.find(b"\n", position)
        if stop < 0:
            self._count_overhead(len(piece) - position)
            self._carry += piece[position:]
            return len(piece)
        self._count_overhead(stop + 1 - position)
        line = (self._carry + piece[position:stop]).rstrip(b"\r")
        self._carry = b""
        if line:
            self._trailer(line)
        elif not self._awaits_trailer:
            self._end()
        return stop + 1

    def _trailer(self, line: bytes) -> None:
        try:
            name, colon, value = (part.strip() for part in line.decode("ascii").partition(":"))
        except UnicodeDecodeError:
            raise MalformedTrailerError from None
        name = name.lower()
        if name == _TRAILER_SIGNATURE and self._expects_trailer_signature and not self._trailer_signature:
            self._trailer_signature = value.lower()
        elif colon and name in self._awaited and not self._trailer_signature:
            self._awaited.remove(name)
            self.trailers[name] = value
        else:
            raise MalformedTrailerError

    def _end(self) -> None:
        if self._decoded_length is not None and self.received != self._decoded_length:
            raise self._wrong_length(self.received)
        self._state = _State.DONE

    def _count_overhead(self, size: int) -> None:
        self._overhead += size
        if self._overhead > MAX_TRAILER:
            raise self._incomplete("there is no end to what follows the last chunk")

    def _wrong_length(self, provided: int) -> IncompleteBody:
        return IncompleteBody(
            "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header",
            {"NumberBytesExpected": str(self._decoded_length), "NumberBytesProvided": str(provided)},
        )

    def _incomplete(self, reason: str = "") -> IncompleteBody:
        details = {"NumberBytesProvided": str(self.received)}
        if self._decoded_length is not None:
            details = {"NumberBytesExpected": str(self._decoded_length), **details}
        message = IncompleteBody.default_message
        return IncompleteBody(f"{message}: {reason} after {self.received} bytes" if reason else message, details)
