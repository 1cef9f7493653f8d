r"""The format of `sha256sum` (GNU coreutils): a SHA-256 in hex, two characters, a file name, a line feed.

    9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  report/index.html
    \60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752  a\nname of two lines

The second character is a space, or `*` for files read as binary, which means the same. A line feed, a carriage
return or a backslash in the name is escaped, and then the line itself begins with a backslash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry.errors import InvalidRequestError

_MOST_PROBLEMS = 100
_NAMED_PATHS = 10

_LINE = re.compile(rb"(\\?)([0-9A-Fa-f]+) ([ *])(.+)", re.DOTALL)
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_UNESCAPES = {escape: plain for plain, escape in _ESCAPES.items()}
_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_BSD = re.compile(rb"\\?[A-Z0-9-]+ ?\(.*\) ?= ?[0-9A-Fa-f]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one line. Lines count from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class MalformedSumsError(InvalidRequestError):
    """The text is not in the format of `sha256sum`. Names every wrong line, up to a hundred."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("SHA256SUMS cannot be read: " + "; ".join(map(str, self.problems)) + ".")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A file that is there with another content than the list says."""

    path: str
    listed: str
    actual: str


@dataclass(frozen=True, slots=True)
class Differences:
    """How a list differs from what is there, each part in byte order of the paths. False where it does not differ."""

    missing: tuple[str, ...]
    """Listed, but not there."""
    unlisted: tuple[str, ...]
    """There, but not listed."""
    mismatched: tuple[Mismatch, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unlisted or self.mismatched)


class SumsDifferError(InvalidRequestError):
    """The list is not what is there. Carries every difference; the message names the first of each kind."""

    def __init__(self, differences: Differences) -> None:
        self.differences = differences
        parts = (
            ("listed but not there", differences.missing),
            ("there but not listed", differences.unlisted),
            ("of another content", [mismatch.path for mismatch in differences.mismatched]),
        )
        super().__init__(
            "SHA256SUMS differs from what is there: "
            + "; ".join(f"{len(paths)} {what} ({_named(paths)})" for what, paths in parts if paths)
            + "."
        )


def parse(text: bytes) -> dict[str, str]:
    """Path -> SHA-256 (lower-case hex), in the order of the lines.

    Reads what `sha256sum` writes, with `./` before a path, line ends of Windows, and (as `sha256sum -c` does)
    lines that begin with `#`; empty lines are passed over. Raises MalformedSumsError for anything else, and for
    paths that could not name a file of a package: absolute ones, ones with `..`, and one listed twice.
    """
    sums: dict[str, str] = {}
    first_line: dict[str, int] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        line = line.removesuffix(b"\r")  # noqa: PLW2901 - a line end, not part of the line
        if not line or line.startswith(b"#"):
            continue
        try:
            path, digest = _parse_line(line)
        except ValueError as error:
            problems.append(Problem(number, str(error)))
        else:
            if path in sums:
                problems.append(Problem(number, f"{path!r} is listed already on line {first_line[path]}"))
            sums[path] = digest
            first_line[path] = number
        if len(problems) == _MOST_PROBLEMS:
            break
    if problems:
        raise MalformedSumsError(problems)
    return sums


def render(sums: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """The lines for pairs of path and SHA-256, in the order given, such that `sha256sum -c` accepts them."""
    for path, digest in sums:
        escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        yield f"{'' if escaped == path else chr(92)}{digest}  {escaped}\n".encode()


def differences(listed: Mapping[str, str], actual: Mapping[str, str]) -> Differences:
    """Compare a list with what is there; both map paths to SHA-256 in lower-case hex."""
    return Differences(
        missing=tuple(sorted(listed.keys() - actual.keys())),
        unlisted=tuple(sorted(actual.keys() - listed.keys())),
        mismatched=tuple(
            Mismatch(path, listed[path], actual[path])
            for path in sorted(listed.keys() & actual.keys())
            if listed[path] != actual[path]
        ),
    )


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NAMED_PATHS]) + (", ..." if len(paths) > _NAMED_PATHS else "")


def _parse_line(line: bytes) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    if not found:
        raise ValueError(_misread(line))
    escaped, digest, _, name = found.groups()
    if len(digest) != 64:
        raise ValueError(f"a SHA-256 has 64 hexadecimal digits, this has {len(digest)}")
    try:
        path = name.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the file name is not UTF-8 (byte {error.start} of it)") from None
    return _checked(_unescape(path) if escaped else path), digest.decode().lower()


def _misread(line: bytes) -> str:
    """The likely reason why a line is not one of `sha256sum`'s."""
    if _BSD.match(line):
        return "this is the BSD form, NAME = DIGEST; write the list without --tag"
    if line.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark; save the list as UTF-8 without one"
    if line.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in line:
        return "this is UTF-16, not UTF-8 (a list written by PowerShell's > ?)"
    digest = re.match(rb"\\?[0-9A-Fa-f]{64}", line)
    if not digest:
        return "it does not begin with a SHA-256 of 64 hexadecimal digits"
    if not line[digest.end() :].strip():
        return "there is no file name after the SHA-256"
    return "the SHA-256 is followed by two spaces, or by a space and *, and then the file name"


def _unescape(name: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found[0] not in _UNESCAPES:
            raise ValueError(f"{found[0]!r} is no escape; there are \\\\, \\n and \\r")
        return _UNESCAPES[found[0]]

    return _ESCAPED.sub(plain, name)


def _checked(path: str) -> str:
    """The path as a package names it, without `./` before it."""
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    if path.startswith("/"):
        raise ValueError(f"{path!r} is absolute; paths are relative to the package")
    if not path or path.endswith("/"):
        raise ValueError(f"{path!r} names no file")
    if ".." in path.split("/"):
        raise ValueError(f"{path!r} leads out of the package with '..'")
    return path
