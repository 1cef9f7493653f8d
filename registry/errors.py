"""What the registry refuses, and why. Errors carry data, never a status code: each face renders them.

Every class here needs a row in every face's error table; a test asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from registry.model import Protection


class RegistryError(Exception):
    """A refusal. The message is one or more plain sentences, fit for the person who asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__class__.__doc__ or "").strip().splitlines()[0])

    @property
    def message(self) -> str:
        return str(self.args[0])


class AccessDeniedError(RegistryError):
    """This account may not do that."""


class UnknownAccessKeyError(RegistryError):
    """No such access key."""


class AccountNotFoundError(RegistryError):
    """No such account."""


class AccountExistsError(RegistryError):
    """An account of that name exists."""


class AccessKeyExistsError(RegistryError):
    """That access key is taken."""


class AccessKeyNotFoundError(RegistryError):
    """No such access key to act on."""


class RepositoryNotFoundError(RegistryError):
    """No such repository."""

    def __init__(self, name: str) -> None:
        super().__init__("The specified bucket does not exist")
        self.name = name


class RepositoryExistsError(RegistryError):
    """The name belongs to another account."""

    def __init__(self, name: str) -> None:
        super().__init__("The requested bucket name is not available: it belongs to another account.")
        self.name = name


class RepositoryOwnedError(RegistryError):
    """The repository exists already and belongs to the caller."""

    def __init__(self, name: str) -> None:
        super().__init__("Your previous request to create the named bucket succeeded and you already own it.")
        self.name = name


class RepositoryNotEmptyError(RegistryError):
    """The repository still holds files, versions, packages or uploads."""


class InvalidRepositoryNameError(RegistryError):
    """The name breaks S3's rules for bucket names."""


class TooManyRepositoriesError(RegistryError):
    """The account owns as many repositories as it may."""


class InvalidKeyError(RegistryError):
    """The key cannot name a file: empty, not UTF-8, or with control characters."""


class KeyTooLongError(RegistryError):
    """The key is longer than 1,024 bytes."""

    def __init__(self, size: int) -> None:
        super().__init__("Your key is too long")
        self.size = size


class FileNotFoundInRegistryError(RegistryError):
    """No such file."""

    def __init__(self, key: str) -> None:
        super().__init__("The specified key does not exist.")
        self.key = key


class DeleteMarkerError(RegistryError):
    """The newest version is a delete marker, or a marker was asked for by its id."""

    def __init__(self, key: str, version_id: str, modified_at: int, *, by_id: bool) -> None:
        super().__init__("The specified key does not exist." if not by_id else "This version is a delete marker.")
        self.key = key
        self.version_id = version_id
        self.modified_at = modified_at
        self.by_id = by_id


class VersionNotFoundError(RegistryError):
    """No such version."""

    def __init__(self, key: str, version_id: str) -> None:
        super().__init__("The specified version does not exist.")
        self.key = key
        self.version_id = version_id


class PreconditionFailedError(RegistryError):
    """A condition of the request does not hold. `condition` is its name, as in `If-Match`."""

    def __init__(self, condition: str) -> None:
        super().__init__("At least one of the pre-conditions you specified did not hold")
        self.condition = condition


class OverwriteDeniedError(RegistryError):
    """The repository refuses to replace files."""


class ProtectedError(RegistryError):
    """Something protects it. Carries every reason there is, not the first one."""

    def __init__(self, reasons: Sequence[Protection]) -> None:
        super().__init__("Access Denied: " + "; ".join(reason.message for reason in reasons) + ".")
        self.reasons = tuple(reasons)


class DigestMismatchError(RegistryError):
    """The bytes are not those that were announced. `kind`: sha256, md5, or a checksum algorithm."""

    def __init__(self, kind: str, expected: str, actual: str) -> None:
        super().__init__(f"The {kind} you specified did not match what we received.")
        self.kind = kind
        self.expected = expected
        self.actual = actual


class LengthMismatchError(RegistryError):
    """Fewer or more bytes came than were announced."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__("You did not provide the number of bytes specified by the Content-Length HTTP header")
        self.expected = expected
        self.actual = actual


class FileTooLargeError(RegistryError):
    """The file is larger than may be sent at once."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__("Your proposed upload exceeds the maximum allowed size")
        self.size = size
        self.limit = limit


class InvalidRangeError(RegistryError):
    """The range lies outside the file."""

    def __init__(self, size: int) -> None:
        super().__init__("The requested range is not satisfiable")
        self.size = size


class UploadNotFoundError(RegistryError):
    """No such multipart upload: completed, aborted, or never begun."""

    def __init__(self, upload_id: str) -> None:
        super().__init__(
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
            "aborted or completed."
        )
        self.upload_id = upload_id


class InvalidPartError(RegistryError):
    """A part named in the completion was never sent, or its ETag or checksum differs."""

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(
            message
            or f"Part {number} could not be found: it may not have been uploaded, or its entity tag does not match."
        )
        self.number = number


class InvalidPartOrderError(RegistryError):
    """The parts of a completion are not in ascending order."""


class PartTooSmallError(RegistryError):
    """A part other than the last is smaller than 5 MiB."""

    def __init__(self, number: int, size: int, minimum: int, etag: str) -> None:
        super().__init__("Your proposed upload is smaller than the minimum allowed size")
        self.number = number
        self.size = size
        self.minimum = minimum
        self.etag = etag


class InvalidRequestError(RegistryError):
    """The request contradicts itself or what it refers to; the message says how."""


class InvalidArgumentError(RegistryError):
    """A value is not acceptable. Names the field, so that a face can show where."""

    def __init__(self, field: str, value: object, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.value = value


class ConflictError(RegistryError):
    """Another change to the same thing came between. Worth a retry."""


class StorageFullError(RegistryError):
    """There is no room for the bytes. Nothing was stored."""


class StorageUnavailableError(RegistryError):
    """The store or the database does not answer just now. Nothing was changed; try again later."""


class StoredBytesDamagedError(RegistryError):
    """The stored bytes are not those that were recorded; they are not served."""


class PackageNotFoundError(RegistryError):
    """No such package."""

    def __init__(self, package: str) -> None:
        super().__init__(f"There is no package {package}.")
        self.package = package


class PackageExistsError(RegistryError):
    """A package of that name is there already."""

    def __init__(self, name: str, package_id: str) -> None:
        super().__init__(f"There is a package {name!r} already: {package_id}.")
        self.name = name
        self.package_id = package_id


class PackageStateError(RegistryError):
    """The package is not in a state in which that can be done to it."""


class HoldNotFoundError(RegistryError):
    """No such hold."""


class RetentionClassNotFoundError(RegistryError):
    """No such retention class."""


class WebhookNotFoundError(RegistryError):
    """No such webhook, or no such delivery to it."""
