"""A package's life by S3 alone: writing the registry's own keys below `<package>/.artifact/`.

| key | what writing it does |
|---|---|
| package.json | describes the package (metadata, and with it the retention class) |
| SHA256SUMS | finalizes it if it holds exactly these files; otherwise refuses and names each difference |
| finalize | finalizes what is there |
| amend | lets a finalized package take more files |

Everything else below `.artifact/` is written by the registry itself.
"""

from __future__ import annotations

import json
from typing import Any

from registry import sha256sums
from registry.errors import InvalidArgumentError, InvalidRequestError
from registry.model import Actor, Package, Repository
from registry.names import RESERVED_SEGMENT, is_control, package_name
from registry.packages import Packages

LIMITS = {"package.json": 1 << 20, "SHA256SUMS": 64 << 20, "finalize": 4096, "amend": 4096}
"""The control keys that can be written, and how many bytes are looked at."""

EMPTY = {"finalize", "amend"}


class Control:
    """What a write to a control key does."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages

    @staticmethod
    def name(repository: Repository, key: str) -> str | None:
        """The control key's name below `.artifact/`; None for an ordinary file."""
        if not is_control(key, repository.package_depth):
            return None
        package = package_name(key, repository.package_depth) or ""
        return key[len(package) + len(RESERVED_SEGMENT) + 2 :]

    @staticmethod
    def limit(name: str) -> int:
        """How many bytes may be written to it. Raises InvalidArgumentError for a key nobody may write."""
        if name not in LIMITS:
            writable = ", ".join(LIMITS)
            raise InvalidArgumentError(
                "key",
                name,
                f"Keys below {RESERVED_SEGMENT}/ are the registry's own: {name!r} cannot be written; {writable} can.",
            )
        return LIMITS[name]

    async def act(self, actor: Actor, repository: Repository, key: str, name: str, content: bytes) -> Package:
        """Do what writing `content` to the key means. Whatever is raised, nothing has changed."""
        package = package_name(key, repository.package_depth) or ""
        if name in EMPTY and content:
            raise InvalidRequestError(f"{RESERVED_SEGMENT}/{name} is written empty: what it does needs no content.")
        if name == "package.json":
            return await self._packages.describe(actor, repository.name, package, described(content))
        found = await self._packages.find(actor, repository.name, package)
        if name == "SHA256SUMS":
            sums = sha256sums.parse(content)
            return await self._packages.finalize(actor, found.id, sums=sums, listing=content)
        if name == "finalize":
            return await self._packages.finalize(actor, found.id)
        return await self._packages.amend(actor, found.id)


def described(content: bytes) -> dict[str, Any]:
    """The JSON object of a package.json. Raises InvalidArgumentError saying where it is none."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError("package.json", None, f"package.json is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InvalidArgumentError("package.json", None, 'package.json is a JSON object, like {"run_id": "run-42"}.')
    return document


def refuse_control(repository: Repository, key: str) -> None:
    """Raise InvalidRequestError for a control key: it is written whole, by a single PUT."""
    if is_control(key, repository.package_depth):
        raise InvalidRequestError(f"Keys below {RESERVED_SEGMENT}/ are the registry's own and written by a single PUT.")
