"""Digests against the published check values of each algorithm."""

from __future__ import annotations

import base64
import hashlib

import pytest

from registry.digests import CHECKSUM_SIZES, Digests, composite
from registry.errors import DigestMismatchError
from registry.source import Expect

CHECK = b"123456789"
CHECK_VALUES = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": hashlib.sha1(CHECK).hexdigest(),
    "SHA256": hashlib.sha256(CHECK).hexdigest(),
    "MD5": hashlib.md5(CHECK).hexdigest(),
}


@pytest.mark.parametrize("name", CHECK_VALUES)
def test_check_values(name: str) -> None:
    digests = Digests([name])
    digests.update([CHECK[:3], memoryview(CHECK)[3:5]])
    digests.update([bytearray(CHECK[5:])])
    assert digests.hexdigest(name) == digests.hexdigest(name.lower()) == CHECK_VALUES[name]
    assert digests.raw(name) == bytes.fromhex(CHECK_VALUES[name])
    assert digests.base64(name) == base64.b64encode(bytes.fromhex(CHECK_VALUES[name])).decode()
    assert digests.size == len(CHECK)


def test_sizes() -> None:
    digests = Digests(CHECKSUM_SIZES)
    assert {name: len(digests.raw(name)) for name in CHECKSUM_SIZES} == CHECKSUM_SIZES


def test_sha256_and_md5_are_always_there_and_others_are_not() -> None:
    digests = Digests()
    assert digests.hexdigest("sha256") == hashlib.sha256().hexdigest()
    assert digests.hexdigest("md5") == hashlib.md5().hexdigest()
    with pytest.raises(KeyError):
        digests.raw("CRC32")
    with pytest.raises(KeyError):
        Digests(["WHIRLPOOL"])


def test_composite() -> None:
    parts = [hashlib.sha256(part).digest() for part in (b"a", b"b")]
    whole = base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()
    assert composite("SHA256", parts) == f"{whole}-2"


def test_expect() -> None:
    digests = Digests(["CRC32"])
    digests.update([CHECK])
    md5 = hashlib.md5(CHECK).digest()
    Expect().verify(digests)
    Expect(CHECK_VALUES["SHA256"], md5, "CRC32", "y/Q5Jg==").verify(digests)
    for kind, wrong in {
        "sha256": Expect(sha256="0" * 64),
        "Content-MD5": Expect(md5=b"0" * 16),
        "CRC32": Expect(checksum_algorithm="CRC32", checksum_value="AAAAAA=="),
    }.items():
        with pytest.raises(DigestMismatchError) as refusal:
            wrong.verify(digests)
        assert refusal.value.kind == kind
