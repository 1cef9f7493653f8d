"""Verification against AWS's published examples, and every refusal by its S3 code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from gateway.auth import canonical, signer
from gateway.auth.canonical import SigningKeys, signing_key
from gateway.auth.errors import (
    AccessDenied,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidRequest,
    RequestRefused,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
)
from gateway.auth.payload import EMPTY_SHA256, PayloadKind
from gateway.auth.sigv4 import Authentication, SignedRequest, access_key_of, authenticate
from registry.errors import UnknownAccessKeyError
from registry.model import Credential

NOW = datetime(2013, 5, 24, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIAL = Credential("AKIAIOSFODNN7EXAMPLE", SECRET, "id", "name", administrator=False)
EXAMPLE_HOST = "examplebucket.s3.amazonaws.com"
SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"


def lookup(access_key: str) -> Credential:
    if access_key != CREDENTIAL.access_key:
        raise UnknownAccessKeyError
    return CREDENTIAL


def verify(
    method: str,
    target: str,
    headers: Mapping[str, str],
    *,
    now: datetime = NOW,
    region: str = "us-east-1",
) -> Authentication:
    return authenticate(SignedRequest.of(method, target, headers.items()), lookup, region=region, now=now)


def signed(
    method: str = "GET",
    target: str = "/bucket/key",
    headers: Mapping[str, str] | None = None,
    payload_hash: str = EMPTY_SHA256,
    *,
    keys: Credential = CREDENTIAL,
    region: str = "us-east-1",
    now: datetime = NOW,
) -> dict[str, str]:
    return signer.sign(
        method, target, {"host": "gateway:9000", **(headers or {})}, payload_hash, keys, region=region, now=now
    )


def presigned(
    method: str = "GET",
    target: str = "/bucket/key",
    headers: Mapping[str, str] | None = None,
    expires: int = 300,
    payload_hash: str = "UNSIGNED-PAYLOAD",
) -> str:
    return signer.presign(
        method,
        target,
        {"host": "gateway:9000", **(headers or {})},
        CREDENTIAL,
        region="us-east-1",
        now=NOW,
        expires=expires,
        payload_hash=payload_hash,
    )


def hand_signed(
    headers: Mapping[str, str] | None = None,
    without: str = "",
    *,
    method: str = "GET",
    path: str = "/bucket/key",
    query: str = "",
    payload_hash: str = EMPTY_SHA256,
) -> dict[str, str]:
    """Headers signed as no well-behaved client does: one left out, or the query and payload hash as they are given."""
    fields = HOST | {"x-amz-date": "20130524T000000Z", "x-amz-content-sha256": EMPTY_SHA256, **(headers or {})}
    fields.pop(without, None)
    names = sorted(fields)
    text = canonical.CanonicalRequest(method, path, query, fields, names, payload_hash).text
    to_sign = canonical.string_to_sign("20130524T000000Z", "20130524/us-east-1/s3/aws4_request", text)
    signature = canonical.signature(signing_key(SECRET, "20130524", "us-east-1"), to_sign)
    return {**fields, "authorization": published(";".join(names), signature)}


HOST = {"host": "gateway:9000"}


# --- AWS's published examples ------------------------------------------------------------------------------------


def published(signed_headers: str, signature: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={signed_headers},Signature={signature}"


@pytest.mark.parametrize(
    ("target", "signature"),
    [
        ("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ("/?prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_published_queries(target: str, signature: str) -> None:
    authentication = verify(
        "GET",
        target,
        {
            "Host": EXAMPLE_HOST,
            "x-amz-date": "20130524T000000Z",
            "x-amz-content-sha256": EMPTY_SHA256,
            "Authorization": published("host;x-amz-content-sha256;x-amz-date", signature),
        },
    )
    assert authentication.credential is CREDENTIAL
    assert authentication.payload.kind is PayloadKind.PLAIN
    assert authentication.payload.sha256 == EMPTY_SHA256
    assert not authentication.presigned


def test_published_get_with_range() -> None:
    verify(
        "GET",
        "/test.txt",
        {
            "Host": EXAMPLE_HOST,
            "Range": "bytes=0-9",
            "x-amz-date": "20130524T000000Z",
            "x-amz-content-sha256": EMPTY_SHA256,
            "Authorization": published(
                "host;range;x-amz-content-sha256;x-amz-date",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
        },
    )


@pytest.mark.parametrize("path", ["/test%24file.text", "/test$file.text"])
def test_published_put_also_with_a_raw_path(path: str) -> None:
    digest = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    authentication = verify(
        "PUT",
        path,
        {
            "Host": EXAMPLE_HOST,
            "Date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-date": "20130524T000000Z",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": digest,
            "Authorization": published(
                "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
        },
    )
    assert authentication.payload.sha256 == digest


def test_published_presigned_get() -> None:
    target = (
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    authentication = verify("GET", target, {"Host": EXAMPLE_HOST}, now=NOW + timedelta(hours=23))
    assert authentication.presigned
    assert authentication.payload.kind is PayloadKind.UNSIGNED
    assert access_key_of(SignedRequest.of("GET", target, [])) == CREDENTIAL.access_key


# --- readings of a request -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/bucket/a//b/../c/./d",
        "/bucket/a+b",
        "/bucket/%E2%82%AC",
        "/bucket/%2F%2f",
        "/bucket/100%25",
        "/bucket?uploads",
        "/bucket?uploads=",
        "/bucket?list-type=2&prefix=a/b",
        "/bucket?list-type=2&prefix=a%2fb",
        "/bucket?prefix=%C3%A9&delimiter=&prefix=a",
        "/",
    ],
)
def test_path_and_query_as_sent(target: str) -> None:
    assert verify("GET", target, signed(target=target)).credential


def test_uploads_signed_with_an_equals_sign_and_sent_without() -> None:
    assert verify("POST", "/b/k?uploads", signed("POST", "/b/k?uploads=")).credential


def test_query_signed_as_it_is_sent() -> None:
    # curl 7.88 neither sorts nor encodes.
    headers = hand_signed(path="/bucket", query="prefix=a/b&list-type=2")
    assert verify("GET", "/bucket?prefix=a/b&list-type=2", headers).credential


def test_plus_in_a_query_is_a_space() -> None:
    assert verify("GET", "/bucket?prefix=a+b", signed(target="/bucket?prefix=a%20b")).credential


def test_path_that_is_no_utf8() -> None:
    target = b"/bucket/\xff\xfe".decode("utf-8", "surrogateescape")
    assert verify("GET", target, signed(target="/bucket/%FF%FE")).credential


def test_absolute_form_of_target() -> None:
    request = SignedRequest.of("GET", "http://gateway:9000/bucket/key?acl", [])
    assert (request.path, request.query) == ("/bucket/key", "acl")


def test_header_values_are_trimmed_folded_and_joined() -> None:
    headers = signed(headers={"x-amz-meta-a": "one  two"})
    headers["x-amz-meta-a"] = "  one \t two "
    assert verify("GET", "/bucket/key", headers).credential

    headers = signed(headers={"x-amz-meta-a": "1,2"})
    lines = [(name, value) for name, value in headers.items() if name != "x-amz-meta-a"]
    request = SignedRequest.of("GET", "/bucket/key", [*lines, ("X-Amz-Meta-A", "1"), ("x-amz-meta-a", "2")])
    assert authenticate(request, lookup, region="us-east-1", now=NOW).headers["x-amz-meta-a"] == "1,2"


def test_authorization_with_other_blanks_and_order() -> None:
    headers = signed()
    scheme, _, rest = headers["authorization"].partition(" ")
    headers["authorization"] = f"{scheme}   " + " ,  ".join(reversed(rest.split(", ")))
    assert verify("GET", "/bucket/key", headers).credential


def test_date_header_instead_of_amz_date() -> None:
    for date in ("Fri, 24 May 2013 00:00:00 GMT", "20130524T000000Z"):
        headers = hand_signed({"date": date}, without="x-amz-date")
        assert verify("GET", "/bucket/key", headers).credential


# --- payloads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in PayloadKind if kind is not PayloadKind.PLAIN])
def test_keywords(kind: PayloadKind) -> None:
    headers = signed("PUT", payload_hash=kind.value)
    payload = verify("PUT", "/bucket/key", headers).payload
    assert payload.kind is kind
    assert payload.sha256 is None
    assert (payload.seal is not None) == kind.signed_chunks
    if payload.seal:
        assert payload.seal == signer.seal_of(headers, CREDENTIAL, region="us-east-1")


def test_upper_case_digest_is_taken() -> None:
    assert verify("PUT", "/bucket/key", signed("PUT", payload_hash=EMPTY_SHA256.upper())).payload.sha256 == EMPTY_SHA256


@pytest.mark.parametrize(
    "declared", ["unsigned-payload", "sha256", "", "e3b0", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"]
)
def test_other_keywords_are_refused(declared: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        verify("PUT", "/bucket/key", signed("PUT", payload_hash=declared))
    assert refusal.value.details["ArgumentName"] == "x-amz-content-sha256"


def test_no_content_sha256_and_no_body() -> None:
    payload = verify("GET", "/bucket/key", hand_signed(without="x-amz-content-sha256")).payload
    assert (payload.kind, payload.sha256) == (PayloadKind.PLAIN, EMPTY_SHA256)


@pytest.mark.parametrize("payload_hash", [EMPTY_SHA256, "UNSIGNED-PAYLOAD"])
def test_no_content_sha256_with_a_body_nobody_vouches_for(payload_hash: str) -> None:
    headers = hand_signed(
        {"content-length": "5"}, without="x-amz-content-sha256", method="PUT", payload_hash=payload_hash
    )
    assert verify("PUT", "/bucket/key", headers).payload.kind is PayloadKind.UNSIGNED


def test_no_content_sha256_with_a_body_that_is_signed() -> None:
    headers = hand_signed({"content-length": "5"}, without="x-amz-content-sha256", method="PUT", payload_hash="a" * 64)
    with pytest.raises(InvalidRequest, match="Missing required header for this request: x-amz-content-sha256"):
        verify("PUT", "/bucket/key", headers)


# --- anonymous, foreign and old ------------------------------------------------------------------------------------


def test_anonymous() -> None:
    authentication = verify("GET", "/bucket/key", HOST)
    assert authentication.anonymous
    assert authentication.payload.kind is PayloadKind.UNSIGNED
    assert access_key_of(SignedRequest.of("GET", "/bucket/key", [])) is None


def test_anonymous_may_declare_a_digest_or_an_unsigned_stream() -> None:
    assert verify("PUT", "/b/k", HOST | {"x-amz-content-sha256": "a" * 64}).payload.sha256 == "a" * 64
    kind = PayloadKind.STREAMING_UNSIGNED_TRAILER
    assert verify("PUT", "/b/k", HOST | {"x-amz-content-sha256": kind.value}).payload.kind is kind


def test_anonymous_cannot_sign_chunks_nor_override_the_response() -> None:
    with pytest.raises(InvalidRequest):
        verify("PUT", "/b/k", HOST | {"x-amz-content-sha256": PayloadKind.STREAMING_SIGNED.value})
    with pytest.raises(InvalidRequest, match="anonymous"):
        verify("GET", "/b/k?response-content-type=text/html", HOST)


def test_anonymous_query_hoists_nothing() -> None:
    assert "x-amz-acl" not in verify("PUT", "/b/k?x-amz-acl=public-read", HOST).headers


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/b/k", {"Authorization": "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg="}),
        ("/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D&Expires=1369353600", {}),
    ],
)
def test_signature_version_2_is_refused_by_name(target: str, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match=r"Signature Version 2 is not supported.*s3v4"):
        verify("GET", target, HOST | headers)


@pytest.mark.parametrize(
    ("authorization", "refusal"),
    [
        ("Basic Zm9vOmJhcg==", InvalidArgument),
        ("AWS4-ECDSA-P256-SHA256 Credential=x", InvalidRequest),
        ("AWS4-HMAC-SHA256", AuthorizationHeaderMalformed),
        ("AWS4-HMAC-SHA256 ", AuthorizationHeaderMalformed),
        (f"AWS4-HMAC-SHA256 Credential={SCOPE}", AuthorizationHeaderMalformed),
        ("AWS4-HMAC-SHA256 Credential=x,SignedHeaders=host,Signature=x", AuthorizationHeaderMalformed),
        ("AWS4-HMAC-SHA256 Credential=/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=x",
         AuthorizationHeaderMalformed),
        ("AWS4-HMAC-SHA256 Credential=a/2013/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=x",
         AuthorizationHeaderMalformed),
        ("AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/ec2/aws4_request,SignedHeaders=host,Signature=x",
         AuthorizationHeaderMalformed),
        ("AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws5,SignedHeaders=host,Signature=x",
         AuthorizationHeaderMalformed),
        ("AWS4-HMAC-SHA256 Credential=a/20130523/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=x",
         AuthorizationHeaderMalformed),
        ("AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=x",
         InvalidAccessKeyId),
        (f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders=host,Signature=\udcff", SignatureDoesNotMatch),
    ],
)  # fmt: skip
def test_malformed_authorization(authorization: str, refusal: type[RequestRefused]) -> None:
    headers = HOST | {
        "authorization": authorization,
        "x-amz-date": "20130524T000000Z",
        "x-amz-content-sha256": "a" * 64,
    }
    with pytest.raises(refusal) as error:
        verify("GET", "/bucket/key", headers)
    assert type(error.value) is refusal
    assert error.value.code == refusal.__name__


@pytest.mark.parametrize("date", ["", "20130524", "20131324T000000Z", "yesterday", "Fri, 99 May 2013 00:00:00 GMT"])
def test_unreadable_date(date: str) -> None:
    headers = signed()
    for name in ("x-amz-date", "date"):
        broken = {key: value for key, value in headers.items() if key != "x-amz-date"} | {name: date}
        with pytest.raises(AccessDenied, match="valid Date or x-amz-date"):
            verify("GET", "/bucket/key", broken)


# --- scope and clock ---------------------------------------------------------------------------------------------


def test_wrong_region_names_the_right_one() -> None:
    with pytest.raises(AuthorizationHeaderMalformed, match="'eu-west-1' is wrong; expecting 'us-east-1'") as refusal:
        verify("GET", "/bucket/key", signed(region="eu-west-1"))
    assert refusal.value.details == {"Region": "us-east-1"}


def test_region_us_is_us_east_1_and_nothing_else() -> None:
    assert verify("GET", "/bucket/key", signed(region="US")).credential
    with pytest.raises(AuthorizationHeaderMalformed):
        verify("GET", "/bucket/key", signed(region="US"), region="eu-west-1")


@pytest.mark.parametrize("minutes", [-15, 15])
def test_clock_skew(minutes: int) -> None:
    within = NOW + timedelta(minutes=minutes)
    assert verify("GET", "/bucket/key", signed(), now=within).credential
    beyond = within + timedelta(seconds=1 if minutes > 0 else -1)
    with pytest.raises(RequestTimeTooSkewed) as refusal:
        verify("GET", "/bucket/key", signed(), now=beyond)
    assert refusal.value.details == {
        "RequestTime": "20130524T000000Z",
        "ServerTime": beyond.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "MaxAllowedSkewMilliseconds": "900000",
    }


def test_unknown_access_key() -> None:
    other = Credential("AKIAOTHER", SECRET, "id", "name", administrator=False)
    with pytest.raises(InvalidAccessKeyId) as refusal:
        verify("GET", "/bucket/key", signed(keys=other))
    assert refusal.value.details == {"AWSAccessKeyId": "AKIAOTHER"}


def test_access_key_with_slashes() -> None:
    slashed = Credential("team/ci", SECRET, "id", "name", administrator=False)
    request = SignedRequest.of("GET", "/bucket/key", signed(keys=slashed).items())
    assert access_key_of(request) == "team/ci"
    assert authenticate(request, lambda _: slashed, region="us-east-1", now=NOW).credential is slashed


# --- headers that are not signed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x-amz-copy-source", "x-amz-acl", "x-amz-meta-a", "X-Amz-Tagging"])
def test_unsigned_semantic_header_is_refused(name: str) -> None:
    for target, headers in (("/bucket/key", signed("PUT")), (presigned("PUT"), HOST)):
        with pytest.raises(AccessDenied, match="headers present in the request which were not signed") as refusal:
            verify("PUT", target, headers | {name: "x"})
        assert refusal.value.details == {"HeadersNotSigned": name.lower()}


def test_unsigned_inert_headers_are_fine() -> None:
    assert verify("GET", "/bucket/key", signed() | {"x-amz-cf-id": "1", "range": "bytes=0-1", "x-amzn-trace-id": "2"})


def test_host_must_be_signed() -> None:
    headers = signed()
    headers["authorization"] = headers["authorization"].replace("host;", "")
    with pytest.raises(AccessDenied) as refusal:
        verify("GET", "/bucket/key", headers)
    assert refusal.value.details == {"HeadersNotSigned": "host"}


# --- presigned ----------------------------------------------------------------------------------------------------


def test_presigned_hoists_headers() -> None:
    target = presigned("PUT", "/bucket/key?x-amz-acl=private&X-Amz-Meta-Name=a%20b&partNumber=1")
    headers = verify("PUT", target, HOST).headers
    assert headers["x-amz-acl"] == "private"
    assert headers["x-amz-meta-name"] == "a b"
    assert "x-amz-signature" not in headers


def test_header_signed_request_hoists_nothing() -> None:
    target = "/bucket/key?x-amz-acl=private"
    assert "x-amz-acl" not in verify("GET", target, signed(target=target)).headers


def test_presigned_beside_a_foreign_authorization() -> None:
    assert verify("GET", presigned(), HOST | {"authorization": "Bearer token"}).presigned


def test_presigned_may_override_the_response() -> None:
    assert verify("GET", presigned(target="/b/k?response-content-type=text%2Fhtml"), HOST).credential


def test_presigned_beside_an_authorization_of_our_own() -> None:
    with pytest.raises(InvalidArgument, match="Only one auth mechanism"):
        verify("GET", presigned(), signed())


def test_presigned_clock() -> None:
    target = presigned(expires=300)
    assert verify("GET", target, HOST, now=NOW + timedelta(seconds=300)).credential
    with pytest.raises(AccessDenied, match="Request has expired") as refusal:
        verify("GET", target, HOST, now=NOW + timedelta(seconds=301))
    assert refusal.value.details == {
        "X-Amz-Expires": "300",
        "Expires": "2013-05-24T00:05:00Z",
        "ServerTime": "2013-05-24T00:05:01Z",
    }
    assert verify("GET", target, HOST, now=NOW - timedelta(minutes=15)).credential
    with pytest.raises(AccessDenied, match="not valid yet"):
        verify("GET", target, HOST, now=NOW - timedelta(minutes=15, seconds=1))


@pytest.mark.parametrize("expires", [1, 604800])
def test_presigned_life(expires: int) -> None:
    assert verify("GET", presigned(expires=expires), HOST).credential


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Expires", "0"),
        ("X-Amz-Expires", "-1"),
        ("X-Amz-Expires", "604801"),
        ("X-Amz-Expires", "9" * 30),
        ("X-Amz-Expires", "1.5"),
        ("X-Amz-Expires", "\u0661"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA1"),
        ("X-Amz-Credential", "x"),
        ("X-Amz-Credential", "a/20130524/eu-west-1/s3/aws4_request"),
        ("X-Amz-Date", "20130524"),
        ("X-Amz-Date", "20130525T000000Z"),
    ],
)
def test_presigned_with_wrong_parameters(name: str, value: str) -> None:
    path, _, query = presigned().partition("?")
    parts = [f"{name}={value}" if part.startswith(f"{name}=") else part for part in query.split("&")]
    with pytest.raises(AuthorizationQueryParametersError):
        verify("GET", f"{path}?{'&'.join(parts)}", HOST)


@pytest.mark.parametrize(
    "name",
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"],
)
def test_presigned_with_a_parameter_missing(name: str) -> None:
    path, _, query = presigned().partition("?")
    parts = [part for part in query.split("&") if not part.startswith(f"{name}=")]
    with pytest.raises(AuthorizationQueryParametersError, match="requires the X-Amz-Algorithm"):
        verify("GET", f"{path}?{'&'.join(parts)}", HOST)


def test_presigned_with_a_pinned_digest() -> None:
    digest = "b" * 64
    target = presigned("PUT", headers={"x-amz-content-sha256": digest})
    assert verify("PUT", target, HOST | {"x-amz-content-sha256": digest}).payload.sha256 == digest
    with pytest.raises(SignatureDoesNotMatch):
        verify("PUT", target, HOST | {"x-amz-content-sha256": "c" * 64})
    with pytest.raises(SignatureDoesNotMatch):
        verify("PUT", target, HOST)

    # Others sign the digest in place of UNSIGNED-PAYLOAD.
    target = presigned("PUT", headers={"x-amz-content-sha256": digest}, payload_hash=digest)
    assert verify("PUT", target, HOST | {"x-amz-content-sha256": digest}).payload.sha256 == digest

    in_query = presigned("PUT", f"/bucket/key?X-Amz-Content-Sha256={digest}")
    assert verify("PUT", in_query, HOST).payload.sha256 == digest


# --- a refusal teaches ---------------------------------------------------------------------------------------------


def refused(method: str, target: str, headers: Mapping[str, str]) -> SignatureDoesNotMatch:
    with pytest.raises(SignatureDoesNotMatch) as refusal:
        verify(method, target, headers)
    return refusal.value


def test_mismatch_shows_what_was_signed() -> None:
    headers = signed()
    headers["authorization"] = headers["authorization"][:-64] + "0" * 64
    details = refused("GET", "/bucket/key", headers).details
    assert list(details) == [
        "AWSAccessKeyId",
        "StringToSign",
        "SignatureProvided",
        "StringToSignBytes",
        "CanonicalRequest",
        "CanonicalRequestBytes",
    ]
    assert details["SignatureProvided"] == "0" * 64
    assert details["StringToSign"].startswith(
        "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
    )
    assert bytes.fromhex(details["CanonicalRequestBytes"]).decode() == details["CanonicalRequest"]
    assert bytes.fromhex(details["StringToSignBytes"]).decode() == details["StringToSign"]


@pytest.mark.parametrize(
    ("method", "target", "change", "cause"),
    [
        ("GET", "/bucket/key", {"host": "gateway"}, "the client signed Host 'gateway:9000', but 'gateway' arrived"),
        ("GET", "/bucket/key", {"host": "internal", "x-forwarded-host": "gateway:9000"}, "signed Host 'gateway:9000'"),
        ("GET", "/bucket/key", {"host": "internal", "via": "1.1 proxy"}, "came through a proxy"),
        ("PUT", "/bucket/key", {}, "signed for GET, but came as PUT"),
        ("GET", "/bucket//key", {}, "signed a normalised path"),
        ("GET", "/bucket/key?acl", {}, "left the query out"),
        ("GET", "/bucket/other", {}, "another secret key"),
    ],
)
def test_likely_cause(method: str, target: str, change: dict[str, str], cause: str) -> None:
    assert cause in refused(method, target, signed() | change).message


def test_likely_cause_of_changed_headers() -> None:
    headers = signed(headers={"expect": "100-continue", "accept-encoding": "identity"})
    assert (
        "signed accept-encoding as 'identity'"
        in refused("GET", "/bucket/key", headers | {"accept-encoding": "gzip, br"}).message
    )
    del headers["expect"]
    assert "signed expect as '100-continue', but '' arrived" in refused("GET", "/bucket/key", headers).message
    headers = signed(headers={"x-custom": "1"})
    del headers["x-custom"]
    assert "x-custom did not arrive" in refused("GET", "/bucket/key", headers).message


def test_likely_cause_payload_hash() -> None:
    cause = f"signed the payload as UNSIGNED-PAYLOAD, but x-amz-content-sha256 says {EMPTY_SHA256}"
    assert cause in refused("GET", "/bucket/key", hand_signed(payload_hash="UNSIGNED-PAYLOAD")).message


def test_likely_cause_double_encoding() -> None:
    assert "encoded the path twice" in refused("GET", "/bucket/a%20b", signed(target="/bucket/a%2520b")).message


def test_likely_cause_presigned_for_another_method() -> None:
    assert "presigned for GET, but came as PUT" in refused("PUT", presigned(), HOST).message


@pytest.mark.parametrize("padding", ["\n", "\r\n", " "])
def test_likely_cause_padded_secret(padding: str) -> None:
    padded = Credential(CREDENTIAL.access_key, SECRET + padding, "id", "name", administrator=False)
    assert "secret key ends in a" in refused("GET", "/bucket/key", signed(keys=padded)).message


def test_no_refusal_tells_a_secret() -> None:
    key = canonical.signing_key(SECRET, "20130524", "us-east-1")
    requests = [
        ("PUT", "/bucket/key", signed()),
        ("GET", "/bucket/key", signed(region="eu-west-1")),
        ("GET", "/bucket/key", signed(now=NOW - timedelta(days=1))),
        ("PUT", "/bucket/key", signed("PUT") | {"x-amz-acl": "x"}),
        ("PUT", presigned(), HOST),
        ("GET", "/bucket/key", signed() | {"authorization": "AWS a:b"}),
    ]
    for method, target, headers in requests:
        with pytest.raises(RequestRefused) as refusal:
            verify(method, target, headers)
        error = refusal.value
        told = f"{error!s} {error!r} {error.args} {dict(error.details)} {vars(error)}"
        for secret in (SECRET, key.hex(), repr(key)):
            assert secret not in told
    authentication = verify("PUT", "/bucket/key", signed("PUT", payload_hash=PayloadKind.STREAMING_SIGNED.value))
    for secret in (SECRET, key.hex(), repr(key)):
        assert secret not in repr(authentication)


def test_signing_keys_are_kept_within_bounds() -> None:
    keys = SigningKeys(size=2)
    for date in ("20130524", "20130525", "20130524", "20130526"):
        assert keys.get(SECRET, date, "r") == signing_key(SECRET, date, "r")
        assert len(keys) <= 2
    assert keys.get("other", "20130526", "r") != keys.get(SECRET, "20130526", "r")
