"""Our signatures and botocore's must be the same, whatever the path, query and headers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.auth.errors import SignatureDoesNotMatch
from gateway.auth.sigv4 import SignedRequest, authenticate
from registry.model import Credential

KEYS = Credentials("AKIAPROPERTY", "secret/of+property")
CREDENTIAL = Credential(KEYS.access_key, KEYS.secret_key, "id", "name", administrator=False)
ORIGIN = "http://gateway:9000"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
paths = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(
    lambda key: "/bucket/" + quote(key, safe="/~")
)
queries = st.lists(st.tuples(texts.filter(bool), texts), max_size=5).map(
    lambda pairs: "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
)
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.strip)
header_names = st.from_regex(r"x-amz-meta-[a-z0-9-]{1,8}", fullmatch=True)
headers = st.dictionaries(header_names, printable, max_size=4)
methods = st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"])


def target_of(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def verify(method: str, target: str, lines: Sequence[tuple[str, str]]) -> None:
    request = SignedRequest.of(method, target, lines)
    authentication = authenticate(request, lambda _: CREDENTIAL, region="us-east-1", now=datetime.now(UTC))
    assert authentication.credential is CREDENTIAL


@given(methods, paths, queries, headers)
@example("GET", "/bucket//a/../b/./", "a=&a=b&A=%2F", {"x-amz-meta-a": 'b  "c  d"'})
@settings(max_examples=150, deadline=None)
def test_header_signatures(method: str, path: str, query: str, extra: dict[str, str]) -> None:
    request = AWSRequest(method, ORIGIN + target_of(path, query), headers=extra, data=b"abc")
    S3SigV4Auth(KEYS, "s3", "us-east-1").add_auth(request)
    lines = [("Host", "gateway:9000"), *request.headers.items()]
    verify(method, target_of(path, query), lines)

    with pytest.raises(SignatureDoesNotMatch):
        verify(method, target_of(path + "x", query), lines)
    with pytest.raises(SignatureDoesNotMatch):
        verify(method, target_of(path, f"{query}&x=" if query else "x="), lines)


@given(methods, paths, queries, headers)
@settings(max_examples=100, deadline=None)
def test_presigned_urls(method: str, path: str, query: str, extra: dict[str, str]) -> None:
    request = AWSRequest(method, ORIGIN + target_of(path, query), headers=extra)
    S3SigV4QueryAuth(KEYS, "s3", "us-east-1", expires=300).add_auth(request)
    target = request.url.removeprefix(ORIGIN)
    verify(method, target, [("Host", "gateway:9000"), *request.headers.items()])
    with pytest.raises(SignatureDoesNotMatch):
        verify(method, target.replace("/bucket/", "/bucket/x", 1), [("Host", "gateway:9000"), *request.headers.items()])
