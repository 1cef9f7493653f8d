"""How people name a package: by its id, as repository/name, or as s3://repository/name."""

from __future__ import annotations

from typing import Any

from gateway.cli.api import Api, path_of
from gateway.cli.failure import USAGE, Failure

METAVAR = "PACKAGE"
"""Of arguments that name one."""


def is_id(text: str) -> bool:
    return text.startswith("pkg_") and "/" not in text


def split(text: str) -> tuple[str, str]:
    """Repository and name; the name is empty where only a repository is named."""
    repository, _, name = text.removeprefix("s3://").strip("/").partition("/")
    if not repository or (not name and not text.startswith("s3://")):
        raise Failure(f"{text!r} names no package: give its id, REPOSITORY/NAME or s3://REPOSITORY/NAME.", USAGE)
    return repository, name


async def find(api: Api, text: str, *, deleted: bool = False) -> dict[str, Any] | None:
    """The package, or None. `deleted`: look among the deleted ones instead, of which a name may have several."""
    if is_id(text):
        found: dict[str, Any] = await api.call("GET", path_of("packages", text))
        return found
    repository, name = split(text)
    if not name:
        raise Failure(f"{text!r} names a repository, not a package: add its name.", USAGE)
    query: dict[str, Any] = {"repository": repository, "name": name}
    if deleted:
        query["status"] = "deleted"
    packages = (await api.call("GET", "/packages", query=query))["items"]
    if len(packages) > 1:
        ids = ", ".join(f"{package['id']} (deleted {package['deleted_at']})" for package in packages)
        raise Failure(f"Several packages were called {repository}/{name}; name one by its id: {ids}.")
    return packages[0] if packages else None


async def known(api: Api, text: str, *, deleted: bool = False) -> dict[str, Any]:
    """The package. Fails if there is none."""
    package = await find(api, text, deleted=deleted)
    if package is None:
        raise Failure(f"There is no {'deleted ' if deleted else ''}package {'/'.join(split(text))}.")
    return package
