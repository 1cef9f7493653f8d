"""Every problem of the REST face: its code, its HTTP status, and which refusal of which room it stands for (RFC 9457).

`code` is for programs and never changes; `detail` is for people and may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from aiohttp import web

from gateway.auth import errors as wire
from gateway.http import problem as rendering
from gateway.http.logging import request_id
from registry import errors as domain
from registry.model import Protection
from registry.sha256sums import MalformedSumsError, SumsDifferError
from registry.timestamps import format_timestamp

_NONE: Mapping[str, Any] = MappingProxyType({})

CODES: Mapping[str, tuple[int, str]] = {
    "access_denied": (403, "Not allowed"),
    "access_key_exists": (409, "The access key is taken"),
    "account_exists": (409, "The account exists"),
    "authentication_failed": (401, "Who is asking?"),
    "body_mismatch": (422, "The body is not what was announced"),
    "body_too_large": (413, "The body is too large"),
    "bytes_damaged": (500, "Stored bytes are damaged"),
    "conflict": (409, "Something else changed it at the same time"),
    "file_exists": (409, "The file exists"),
    "file_too_large": (413, "The file is too large"),
    "internal_error": (500, "The server failed"),
    "invalid_request": (400, "The request is not as the contract says"),
    "length_required": (411, "The length of the body is missing"),
    "method_not_allowed": (405, "The resource has no such method"),
    "not_found": (404, "Not found"),
    "overwrite_denied": (409, "The repository refuses to replace files"),
    "package_exists": (409, "The package exists"),
    "package_state": (409, "The state of the package does not allow it"),
    "precondition_failed": (412, "The condition does not hold"),
    "protected": (409, "Something protects it"),
    "range_not_satisfiable": (416, "The range lies outside the file"),
    "repository_exists": (409, "The repository exists"),
    "repository_not_empty": (409, "The repository is not empty"),
    "request_timeout": (408, "The body came too slowly"),
    "storage_full": (507, "There is no room"),
    "storage_unavailable": (503, "Storage does not answer"),
    "sums_differ": (409, "The list differs from what is there"),
    "too_many_repositories": (409, "The account owns as many repositories as it may"),
    "unprocessable": (422, "The request cannot be carried out"),
    "unsupported_media_type": (415, "The body has another type than the contract says"),
}
"""Status and title of each code."""

TRANSLATIONS: Mapping[type[Exception], str] = {
    domain.AccessDeniedError: "access_denied",
    domain.UnknownAccessKeyError: "authentication_failed",
    domain.AccountNotFoundError: "not_found",
    domain.AccountExistsError: "account_exists",
    domain.AccessKeyExistsError: "access_key_exists",
    domain.AccessKeyNotFoundError: "not_found",
    domain.RepositoryNotFoundError: "not_found",
    domain.RepositoryExistsError: "repository_exists",
    domain.RepositoryOwnedError: "repository_exists",
    domain.RepositoryNotEmptyError: "repository_not_empty",
    domain.InvalidRepositoryNameError: "invalid_request",
    domain.TooManyRepositoriesError: "too_many_repositories",
    domain.InvalidKeyError: "invalid_request",
    domain.KeyTooLongError: "invalid_request",
    domain.FileNotFoundInRegistryError: "not_found",
    domain.DeleteMarkerError: "not_found",
    domain.VersionNotFoundError: "not_found",
    domain.PreconditionFailedError: "precondition_failed",
    domain.OverwriteDeniedError: "overwrite_denied",
    domain.ProtectedError: "protected",
    domain.DigestMismatchError: "body_mismatch",
    domain.LengthMismatchError: "body_mismatch",
    domain.FileTooLargeError: "file_too_large",
    domain.InvalidRangeError: "range_not_satisfiable",
    domain.UploadNotFoundError: "not_found",
    domain.InvalidPartError: "unprocessable",
    domain.InvalidPartOrderError: "unprocessable",
    domain.PartTooSmallError: "unprocessable",
    domain.InvalidRequestError: "unprocessable",
    domain.InvalidArgumentError: "invalid_request",
    domain.ConflictError: "conflict",
    domain.StorageFullError: "storage_full",
    domain.StorageUnavailableError: "storage_unavailable",
    domain.StoredBytesDamagedError: "bytes_damaged",
    domain.PackageNotFoundError: "not_found",
    domain.PackageExistsError: "package_exists",
    domain.PackageStateError: "package_state",
    domain.HoldNotFoundError: "not_found",
    domain.RetentionClassNotFoundError: "not_found",
    domain.WebhookNotFoundError: "not_found",
    MalformedSumsError: "invalid_request",
    SumsDifferError: "sums_differ",
    wire.AccessDenied: "authentication_failed",
    wire.AuthorizationHeaderMalformed: "authentication_failed",
    wire.AuthorizationQueryParametersError: "authentication_failed",
    wire.InvalidAccessKeyId: "authentication_failed",
    wire.InvalidArgument: "invalid_request",
    wire.InvalidRequest: "invalid_request",
    wire.MissingSecurityHeader: "authentication_failed",
    wire.RequestTimeTooSkewed: "authentication_failed",
    wire.SignatureDoesNotMatch: "authentication_failed",
    wire.XAmzContentSHA256Mismatch: "body_mismatch",
    wire.IncompleteBody: "body_mismatch",
    wire.InvalidChunkSizeError: "body_mismatch",
    wire.MalformedTrailerError: "body_mismatch",
    wire.MissingContentLength: "length_required",
    wire.InvalidDigest: "invalid_request",
    wire.RequestTimeout: "request_timeout",
    wire.MaxMessageLengthExceeded: "body_too_large",
}
"""What each refusal of the rooms below is called here."""

_HTTP = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with a request, and how to mend it."""

    field: str
    message: str
    fix: str


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """A refusal in the words of this face. `members` extend the document."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        members: Mapping[str, Any] = _NONE,
        headers: Mapping[str, str] = _NONE,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.members = members
        self.headers = headers


def invalid(errors: Sequence[FieldError]) -> Problem:
    """The refusal of a request with these faults."""
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
    return Problem("invalid_request", f"{detail}.", errors=errors)


def translate(error: Exception) -> Problem | None:
    """A refusal of the rooms below in the words of this face; None for what is no refusal but a fault."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, web.HTTPException):
        code = _HTTP.get(error.status, "invalid_request")
        return Problem(code, error.text or error.reason, headers=_allow(error))
    code = next((TRANSLATIONS[kind] for kind in type(error).__mro__ if kind in TRANSLATIONS), "")
    if not code:
        return None
    return Problem(
        code,
        str(error),
        errors=tuple(_errors(error)),
        members=dict(_members(error)),
        headers=dict(_headers(error, code)),
    )


def respond(problem: Problem) -> web.Response:
    """The problem document."""
    status, title = CODES[problem.code]
    members = dict(problem.members)
    if problem.errors:
        members["errors"] = [asdict(error) for error in problem.errors]
    response = rendering.problem(
        status,
        problem.detail,
        type=f"/docs#problem-{problem.code}",
        title=title,
        code=problem.code,
        instance=f"urn:request:{request_id.get() or 'unknown'}",
        **members,
    )
    response.headers.update(problem.headers)
    return response


def protection(reason: Protection) -> dict[str, Any]:
    """One reason why something must stay, as JSON."""
    return {**asdict(reason), "until": None if reason.until is None else format_timestamp(reason.until)}


def _errors(error: Exception) -> Iterable[FieldError]:
    if isinstance(error, domain.InvalidArgumentError):
        yield FieldError(error.field, str(error), "Send a value as the message says.")
    elif isinstance(error, domain.InvalidRepositoryNameError):
        yield FieldError("name", str(error), "Choose a name as the message says.")
    elif isinstance(error, domain.InvalidKeyError | domain.KeyTooLongError):
        yield FieldError("path", str(error), "Choose a path as the message says: at most 1,024 bytes of UTF-8.")
    elif isinstance(error, MalformedSumsError):
        for fault in error.problems:
            yield FieldError(f"line {fault.line}", fault.message, "Write the list with `sha256sum`.")


def _members(error: Exception) -> Iterable[tuple[str, Any]]:
    if isinstance(error, domain.ProtectedError):
        yield "reasons", [protection(reason) for reason in error.reasons]
    elif isinstance(error, SumsDifferError):
        yield "differences", asdict(error.differences)


def _headers(error: Exception, code: str) -> Iterable[tuple[str, str]]:
    if code == "authentication_failed":
        yield "WWW-Authenticate", 'Basic realm="artifact-store", charset="UTF-8"'
    if isinstance(error, domain.InvalidRangeError):
        yield "Content-Range", f"bytes */{error.size}"
    if code == "storage_unavailable":
        yield "Retry-After", "5"


def _allow(error: web.HTTPException) -> Mapping[str, str]:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else _NONE
