"""What a producer says of a package: metadata, labels, and their bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import rfc8785

from registry.errors import InvalidArgumentError

METADATA_BYTES = 256 * 1024
EXACT = 2**53 - 1
"""Numbers beyond this are not exact in every reader of JSON (RFC 7493)."""
LABELS = 64
FIELD = 256
"""Characters of a label, a label's name, or a producer."""


def merged(target: Any, patch: Any) -> Any:
    """JSON Merge Patch (RFC 7396): members of `patch` replace, those that are null remove, objects merge."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def checked_metadata(metadata: Any) -> dict[str, Any]:
    """The metadata, if it is an object of bounded size that has a canonical form."""
    if not isinstance(metadata, Mapping):
        raise InvalidArgumentError("metadata", None, "metadata is a JSON object.")
    try:
        size = len(rfc8785.dumps(dict(metadata)))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidArgumentError("metadata", None, f"metadata has no canonical JSON form: {error}.") from None
    if size > METADATA_BYTES:
        raise InvalidArgumentError(
            "metadata",
            None,
            f"metadata has {size} bytes; at most {METADATA_BYTES} are kept. Store large documents as files.",
        )
    for scalar in _scalars(metadata):
        if isinstance(scalar, str) and "\0" in scalar:
            raise InvalidArgumentError("metadata", None, "metadata cannot contain the character U+0000.")
        # PostgreSQL gives such a number back as an integer, which then has no canonical form.
        if isinstance(scalar, float) and abs(scalar) > EXACT:
            raise InvalidArgumentError(
                "metadata", scalar, f"metadata holds the number {scalar}; beyond ±{EXACT} write it as a text."
            )
    return dict(metadata)


def _scalars(value: Any) -> Iterator[Any]:
    """Every value that is no object or list, and every name."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield name
            yield from _scalars(member)
    elif isinstance(value, list):
        for member in value:
            yield from _scalars(member)
    else:
        yield value


def checked_labels(labels: Any) -> dict[str, str]:
    """The labels, if they are a few short texts."""
    if not isinstance(labels, Mapping) or not all(
        isinstance(name, str) and isinstance(value, str) for name, value in labels.items()
    ):
        raise InvalidArgumentError("labels", None, "labels is a JSON object whose values are texts.")
    if len(labels) > LABELS:
        raise InvalidArgumentError("labels", None, f"There are {len(labels)} labels; a package has at most {LABELS}.")
    for name, value in labels.items():
        if not 0 < len(name) <= FIELD or len(value) > FIELD or "\0" in name + value:
            raise InvalidArgumentError(
                f"labels.{name[:FIELD]}",
                value[:FIELD],
                f"A label's name has 1 to {FIELD} characters, its value at most {FIELD}.",
            )
    return dict(labels)
