from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.sha256sums import (
    Differences,
    MalformedSumsError,
    Mismatch,
    Problem,
    SumsDifferError,
    differences,
    parse,
    render,
)

A, B, C = (hashlib.sha256(letter).hexdigest() for letter in (b"a", b"b", b"c"))

AWKWARD = [
    "plain.txt",
    "with space  two.txt",
    " leading",
    "ümläut+plus&amp.json",
    "back\\slash",
    "line\nfeed",
    "carriage\rreturn",
    "trailing\r",
    "*star",
    "deep/er/file",
    "#comment",
    "-dash",
    "\\n",
]

segments = st.text(
    st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))
paths = st.lists(segments, min_size=1, max_size=3).map("/".join)
digests = st.binary(max_size=4).map(lambda content: hashlib.sha256(content).hexdigest())


@given(st.dictionaries(paths, digests))
def test_what_is_rendered_is_parsed_back(sums: dict[str, str]) -> None:
    assert parse(b"".join(render(sums.items()))) == sums


@pytest.fixture
def awkward(tmp_path: Path) -> Path:
    for name in AWKWARD:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("option", ["--text", "--binary"])
def test_what_sha256sum_writes_is_read(awkward: Path, option: str) -> None:
    written = subprocess.run(["sha256sum", option, "--", *AWKWARD], cwd=awkward, check=True, capture_output=True).stdout
    assert parse(written) == {name: hashlib.sha256(name.encode()).hexdigest() for name in AWKWARD}


def test_what_is_rendered_is_accepted_by_sha256sum(awkward: Path) -> None:
    lines = b"".join(render((name, hashlib.sha256(name.encode()).hexdigest()) for name in AWKWARD))
    check = ["sha256sum", "--check", "--strict", "--quiet", "-"]
    assert subprocess.run(check, cwd=awkward, input=lines, capture_output=True, check=False).returncode == 0
    (awkward / "back\\slash").write_text("changed")
    assert subprocess.run(check, cwd=awkward, input=lines, capture_output=True, check=False).returncode == 1


def test_find_dot_forms_comments_empty_lines_and_windows_line_ends_are_read() -> None:
    text = f"# made by hand\r\n{A}  ./a\r\n\r\n{B.upper()} *.//./dir/b\r\n{C}  c"
    assert parse(text.encode()) == {"a": A, "dir/b": B, "c": C}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"SHA256 (a.txt) = {A}".encode(), "write the list without --tag"),
        (f"\\SHA256 (a\\n.txt) = {A}".encode(), "write the list without --tag"),
        (f"SHA2-256(a.txt)= {A}".encode(), "write the list without --tag"),
        (f"{A[:40]}  a".encode(), "has 40"),
        (f"{A}00  a".encode(), "has 66"),
        (f"{A[:-1]}g  a".encode(), "does not begin with a SHA-256"),
        (b"a.txt", "does not begin with a SHA-256"),
        (A.encode(), "no file name"),
        (f"{A}  ".encode(), "no file name"),
        (f"{A} a".encode(), "two spaces"),
        (f"{A}\ta".encode(), "two spaces"),
        (f"{A}  /etc/passwd".encode(), "absolute"),
        (f"{A}  ../a".encode(), "leads out of the package"),
        (f"{A}  x/../../a".encode(), "leads out of the package"),
        (f"{A}  ./".encode(), "names no file"),
        (f"{A}  dir/".encode(), "names no file"),
        (f"{A}  a".encode() + b"\xff", r"not UTF-8 \(byte 1"),
        (f"\\{A}  a\\t".encode(), "is no escape"),
        (f"\\{A}  a\\".encode(), "is no escape"),
        (b"\xef\xbb\xbf" + f"{A}  a".encode(), "byte order mark"),
        (f"{A}  a".encode("utf-16"), "UTF-16"),
        (f"{A}  good".encode(), "listed already on line 1"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(line: bytes, message: str) -> None:
    with pytest.raises(MalformedSumsError, match=message) as refused:
        parse(f"{A}  good\n".encode() + line + b"\n")
    assert refused.value.problems[0].line == 2


def test_every_wrong_line_is_named_at_once() -> None:
    with pytest.raises(MalformedSumsError) as refused:
        parse(f"nonsense\n{A}  a\n{A}  /b\n".encode())
    assert [problem.line for problem in refused.value.problems] == [1, 3]
    assert "line 1: " in str(refused.value)
    assert "line 3: " in str(refused.value)


def test_problems_are_bounded() -> None:
    with pytest.raises(MalformedSumsError) as refused:
        parse(b"nonsense\n" * 10_000)
    assert len(refused.value.problems) == 100
    assert refused.value.problems[0] == Problem(1, "it does not begin with a SHA-256 of 64 hexadecimal digits")


def test_differences_are_sorted_and_complete() -> None:
    found = differences({"z": A, "a": A, "same": C, "other": A}, {"same": C, "other": B, "ü": A, "new": A})
    assert found == Differences(("a", "z"), ("new", "ü"), (Mismatch("other", A, B),))
    assert found
    assert not differences({"a": A}, {"a": A})


def test_a_refusal_names_the_first_of_each_kind() -> None:
    found = Differences(("a", "b"), tuple(f"f{index:02d}" for index in range(12)), (Mismatch("m", A, B),))
    assert str(SumsDifferError(found)) == (
        "SHA256SUMS differs from what is there: 2 listed but not there (a, b); 12 there but not listed (f00, f01, f02, "
        "f03, f04, f05, f06, f07, f08, f09, ...); 1 of another content (m)."
    )


def test_sha256sum_is_the_real_one() -> None:
    """The tests above prove something about coreutils only if this is coreutils."""
    version = subprocess.run(["sha256sum", "--version"], check=True, capture_output=True, env=os.environ).stdout
    assert b"GNU coreutils" in version
