from __future__ import annotations

import pytest

from gateway.s3 import query
from gateway.s3.address import Address, hint, resolve
from gateway.s3.errors import S3Error
from gateway.s3.routes import Target
from registry.errors import KeyTooLongError

DOMAINS = ("s3.example.org", "localhost")


@pytest.mark.parametrize(
    ("path", "host", "expected"),
    [
        ("/", "127.0.0.1:9000", Address()),
        ("/bucket", "127.0.0.1:9000", Address("bucket")),
        ("/bucket/", "127.0.0.1:9000", Address("bucket")),
        ("/bucket/a/b", "127.0.0.1:9000", Address("bucket", "a/b")),
        ("/bucket//a//b/", "h", Address("bucket", "/a//b/")),
        ("/bucket/a+b%20c%2Bd%2fe", "h", Address("bucket", "a+b c+d/e")),
        ("/bucket/%C3%BC", "h", Address("bucket", "ü")),
        ("/bucket/./../x", "h", Address("bucket", "./../x")),
        ("/bucket/" + "ü".encode().decode("utf-8", "surrogateescape"), "h", Address("bucket", "ü")),
        ("/key", "bucket.s3.example.org", Address("bucket", "key", virtual_host=True)),
        ("/", "Bucket.S3.example.org:9000", Address("bucket", virtual_host=True)),
        ("/a/b", "with.dots.s3.example.org", Address("with.dots", "a/b", virtual_host=True)),
        ("/bucket/key", "s3.example.org", Address("bucket", "key")),
        ("/bucket/key", "nots3.example.org", Address("bucket", "key")),
        ("/key", "bucket.localhost:9000", Address("bucket", "key", virtual_host=True)),
        ("/bucket/key", "[::1]:9000", Address("bucket", "key")),
    ],
)
def test_resolve(path: str, host: str, expected: Address) -> None:
    assert resolve(path, host, DOMAINS) == expected


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/bucket/%ff", "InvalidURI"),
        ("/bucket/%zz", "InvalidURI"),
        ("/bucket/%2", "InvalidURI"),
        ("/bucket/\udcff", "InvalidURI"),
        ("/%C3/key", "InvalidURI"),
        ("*", "InvalidURI"),
        ("//key", "InvalidBucketName"),
    ],
)
def test_what_cannot_be_an_address(path: str, code: str) -> None:
    with pytest.raises(S3Error) as refused:
        resolve(path, "h", ())
    assert refused.value.code == code


def test_a_key_is_measured_in_bytes() -> None:
    assert resolve("/b/" + "%C3%BC" * 512, "h", ()).key == "ü" * 512
    for path in ("k" * 1025, "%C3%BC" * 513, "k" * 100_000):
        with pytest.raises(KeyTooLongError):
            resolve("/b/" + path, "h", ())


def test_target_and_resource() -> None:
    assert (Address().target, Address().resource) == (Target.SERVICE, "/")
    assert (Address("b").target, Address("b").resource) == (Target.BUCKET, "/b")
    assert (Address("b", "k/l").target, Address("b", "k/l").resource) == (Target.OBJECT, "/b/k/l")


def test_the_hint_speaks_only_where_a_host_may_have_meant_a_bucket() -> None:
    assert "ARTIFACT_STORE_S3_DOMAIN" in hint("bucket.gateway.example:9000", ())
    for host in ("localhost:9000", "127.0.0.1", "[::1]:9000", "s3.example.org", "bucket.s3.example.org"):
        assert hint(host, ("s3.example.org",)) == ""


def test_query() -> None:
    assert query.parse("") == {}
    assert query.parse("uploads") == {"uploads": ""}
    assert query.parse("prefix=a%2Fb+c&&delimiter=/&prefix=second&x=1=2") == {
        "prefix": "a/b c",
        "delimiter": "/",
        "x": "1=2",
    }
    with pytest.raises(S3Error, match="InvalidURI"):
        query.parse("prefix=%ff")


@pytest.mark.parametrize("value", ["-1", "1.5", "x", "99999999999", "2147483648", "\u0663"])
def test_integers_are_checked(value: str) -> None:
    with pytest.raises(S3Error) as refused:
        query.integer({"max-keys": value}, "max-keys", 1000)
    assert refused.value.fields == {"ArgumentName": "max-keys", "ArgumentValue": value}


def test_integers() -> None:
    assert query.integer({}, "max-keys", 1000) == 1000
    assert query.integer({"max-keys": ""}, "max-keys", 1000) == 1000
    assert query.integer({"max-keys": "0"}, "max-keys", 1000) == 0
