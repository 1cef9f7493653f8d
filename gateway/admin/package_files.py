"""The files of a package: streamed in, streamed out."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import quote

from aiohttp import web

from gateway.admin import documents
from gateway.admin.call import Call, gone
from gateway.admin.problems import FieldError, Problem, invalid
from gateway.admin.streaming import Streamed
from gateway.http import conditions
from gateway.http.ranges import content_range, parse_range
from gateway.http.sending import Unsent
from registry.errors import FileNotFoundInRegistryError, PreconditionFailedError
from registry.files import UNCONDITIONAL, WriteConditions
from registry.model import FileAttributes, FileVersion, Package

_KEPT_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires")
_DIGEST_HEADERS = ("content-digest", "repr-digest")
_SHA256 = re.compile(r"(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/]{43}=):\s*(?:,|$)")

# What was uploaded is shown from the registry's own origin: it must not act there.
_HARMLESS = (("Content-Security-Policy", "sandbox; default-src 'none'"), ("X-Content-Type-Options", "nosniff"))


async def list_all(call: Call) -> web.StreamResponse:
    package = await _package(call)
    page = await call.registry.packages.files(call.actor, package.id, **call.place)
    names = await call.registry.accounts.names(version.created_by for version in page.items)

    def render(version: FileVersion) -> documents.Document:
        return documents.file(version, package.name, names.get(version.created_by, version.created_by))

    return call.page(page, render)


async def get(call: Call) -> web.StreamResponse:
    package = await _package(call)
    version = await call.registry.files.get(call.actor, package.repository, _key(package, call), call.get("version_id"))
    headers = [
        ("ETag", f'"{version.etag}"'),
        ("Last-Modified", formatdate(version.created_at // 1_000_000, usegmt=True)),
        ("Repr-Digest", _digest(version)),
        ("Accept-Ranges", "bytes"),
        *_HARMLESS,
    ]
    if not conditions.is_modified(call.headers, version.etag, version.created_at):
        return Streamed(304, headers, Unsent(0))
    headers += [("Content-Type", version.attributes.content_type), *version.attributes.headers.items()]
    stretch = parse_range(_range(call, version), version.size)
    if stretch is None:
        status, start, stop = 200, 0, version.size
        headers.append(("Content-Digest", _digest(version)))
    else:
        status, (start, stop) = 206, stretch
        headers.append(("Content-Range", content_range(start, stop, version.size)))
    if call.request.method == "HEAD" or start == stop:
        return Streamed(status, headers, Unsent(stop - start))
    return Streamed(status, headers, call.sender.file(await call.registry.files.open(version), start, stop))


async def put(call: Call) -> web.StreamResponse:
    package = await _package(call)
    key = _key(package, call)
    existed = await _exists(call, package, key)
    unless_there = UNCONDITIONAL if call.values["replace"] else WriteConditions(if_none_match="*")
    try:
        version = await call.registry.files.put(
            call.actor,
            package.repository,
            key,
            call.open_body(_announced(call.headers)),
            FileAttributes(
                content_type=call.headers.get("content-type", "application/octet-stream"),
                headers={name: call.headers[name] for name in _KEPT_HEADERS if name in call.headers},
            ),
            conditions=unless_there,
        )
    except PreconditionFailedError:
        raise _file_exists(call) from None
    document = documents.file(version, package.name, call.actor.name)
    if existed:
        return call.document(document, tagged=True)
    path = quote(call.values["path"])
    return call.created(document, f"/packages/{package.id}/files/{path}")


async def delete(call: Call) -> web.StreamResponse:
    package = await _package(call)
    key = _key(package, call)
    if not await _exists(call, package, key):
        raise FileNotFoundInRegistryError(key)
    await call.registry.files.delete(call.actor, package.repository, key)
    return gone()


async def _package(call: Call) -> Package:
    return await call.registry.packages.get(call.actor, call.values["package_id"])


def _key(package: Package, call: Call) -> str:
    return f"{package.name}/{call.values['path']}"


async def _exists(call: Call, package: Package, key: str) -> bool:
    try:
        await call.registry.files.get(call.actor, package.repository, key)
    except FileNotFoundInRegistryError:
        return False
    return True


def _file_exists(call: Call) -> Problem:
    path = call.values["path"]
    fix = FieldError("replace", "is not set", "Send replace=true to replace the file.")
    return Problem("file_exists", f"The package has a file {path!r} already.", errors=[fix])


def _range(call: Call, version: FileVersion) -> str | None:
    """The Range header, unless the caller's part is of another version (RFC 9110 §13.1.5)."""
    unless_changed = call.headers.get("if-range")
    if unless_changed is not None and unless_changed.strip() != f'"{version.etag}"':
        return None
    return call.headers.get("range")


def _digest(version: FileVersion) -> str:
    return f"sha-256=:{base64.b64encode(bytes.fromhex(version.sha256)).decode()}:"


def _announced(headers: Mapping[str, str]) -> dict[str, str]:
    """What RFC 9530 says of the body, in the header that the body is checked by."""
    digests = set()
    for name in _DIGEST_HEADERS:
        value = headers.get(name, "")
        if found := _SHA256.search(value):
            digests.add(found[1])
        elif "sha-256" in value:
            raise invalid([FieldError(name, "is malformed", "As in sha-256=:BASE64:, with 44 characters of base64.")])
    if len(digests) > 1:
        message = "Content-Digest and Repr-Digest of a whole body cannot differ"
        raise invalid([FieldError("repr-digest", message, "Send one of them.")])
    return {"x-amz-checksum-sha256": digests.pop()} if digests else {}
