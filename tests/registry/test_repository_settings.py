"""What a repository can be set to, and when."""

from __future__ import annotations

from typing import Any

import pytest

from registry.errors import (
    AccessDeniedError,
    InvalidArgumentError,
    InvalidRequestError,
    OverwriteDeniedError,
    PreconditionFailedError,
    RepositoryNotFoundError,
)
from registry.model import AuditQuery, Overwrite, Versioning
from tests.registry.world import DAY, World

SETTINGS: dict[str, Any] = {
    "package_depth": 2,
    "overwrite": Overwrite.DENY,
    "versioning": Versioning.ENABLED,
    "default_retention_class": "release-evidence",
    "auto_finalize_after": 60,
    "expire_automatically": True,
}


async def test_settings_at_creation(world: World) -> None:
    created = await world.registry.repositories.create(world.alice, "evidence", settings=SETTINGS)
    assert {name: getattr(created, name) for name in SETTINGS} == SETTINGS
    version = await world.put("run/42/a")
    package = await world.registry.packages.get(world.alice, version.package_id or "")
    assert (package.name, package.retention_class) == ("run/42", "release-evidence")


async def test_a_refused_setting_creates_nothing(world: World) -> None:
    with pytest.raises(InvalidArgumentError):
        await world.registry.repositories.create(world.alice, "evidence", settings={"package_depth": 17})
    with pytest.raises(RepositoryNotFoundError):
        await world.registry.repositories.get(world.alice, "evidence")


async def test_settings_change_one_by_one(world: World) -> None:
    await world.repository()
    repositories = world.registry.repositories
    for name, value in SETTINGS.items():
        changed = await repositories.update(world.alice, "evidence", {name: value})
        assert getattr(changed, name) == value
    assert {name: getattr(changed, name) for name in SETTINGS} == SETTINGS
    for name in ("default_retention_class", "auto_finalize_after"):
        assert getattr(await repositories.update(world.alice, "evidence", {name: None}), name) is None
    await world.put("run/42/a")
    with pytest.raises(OverwriteDeniedError):
        await world.put("run/42/a", b"other")


async def test_changes_are_told(world: World) -> None:
    await world.repository()
    repositories = world.registry.repositories
    await repositories.update(world.alice, "evidence", {"overwrite": "deny", "package_depth": 1})
    await repositories.update(world.alice, "evidence", {"overwrite": "deny"})
    page = await world.registry.audit.query(world.root, AuditQuery(action="repository.update"))
    (entry,) = page.items
    assert entry.detail == {"before": {"overwrite": "allow"}, "after": {"overwrite": "deny"}}
    events = (await world.registry.events.list(world.alice, type="repository.updated")).items
    assert [(event.repository, event.payload["after"]) for event in events] == [("evidence", {"overwrite": "deny"})]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("package_depth", -1),
        ("package_depth", 17),
        ("package_depth", True),
        ("package_depth", "1"),
        ("overwrite", "maybe"),
        ("versioning", "on"),
        ("default_retention_class", "no-such-class"),
        ("default_retention_class", 7),
        ("auto_finalize_after", 0),
        ("auto_finalize_after", 400 * DAY),
        ("expire_automatically", "yes"),
        ("object_lock", True),
        ("name", "another"),
    ],
)
async def test_what_cannot_be_names_the_setting(world: World, name: str, value: Any) -> None:
    await world.repository()
    before = await world.registry.repositories.get(world.alice, "evidence")
    with pytest.raises(InvalidArgumentError) as refusal:
        await world.registry.repositories.update(world.alice, "evidence", {"overwrite": "deny", name: value})
    assert refusal.value.field == name
    assert await world.registry.repositories.refreshed("evidence") == before


async def test_versioning_is_never_taken_back(world: World) -> None:
    await world.repository()
    await world.repository("locked-one", object_lock=True)
    repositories = world.registry.repositories
    await repositories.update(world.alice, "evidence", {"versioning": "enabled"})
    await repositories.update(world.alice, "evidence", {"versioning": "suspended"})
    for name, value in (("evidence", "off"), ("locked-one", "suspended"), ("locked-one", "off")):
        with pytest.raises(InvalidRequestError):
            await repositories.update(world.alice, name, {"versioning": value})


async def test_the_depth_changes_only_while_nothing_is_there(world: World) -> None:
    await world.repository()
    repositories = world.registry.repositories
    await repositories.update(world.alice, "evidence", {"package_depth": 2})
    await world.put("loose")
    with pytest.raises(InvalidRequestError):
        await repositories.update(world.alice, "evidence", {"package_depth": 1})
    await repositories.update(world.alice, "evidence", {"package_depth": 2})
    await world.registry.files.delete(world.alice, "evidence", "loose")
    await repositories.update(world.alice, "evidence", {"package_depth": 1})
    await world.put("run/a")
    assert (await repositories.get(world.alice, "evidence")).package_depth == 1


async def test_only_what_is_still_as_expected(world: World) -> None:
    await world.repository()
    repositories = world.registry.repositories
    known = await repositories.get(world.alice, "evidence")
    changed = await repositories.update(world.alice, "evidence", {"overwrite": "deny"}, expected=known)
    with pytest.raises(PreconditionFailedError):
        await repositories.update(world.alice, "evidence", {"overwrite": "allow"}, expected=known)
    await repositories.update(world.alice, "evidence", {"overwrite": "allow"}, expected=changed)


async def test_only_by_its_owner(world: World) -> None:
    await world.repository()
    with pytest.raises(AccessDeniedError):
        await world.registry.repositories.update(world.bob, "evidence", {"overwrite": "deny"})
    with pytest.raises(RepositoryNotFoundError):
        await world.registry.repositories.update(world.bob, "elsewhere", {"overwrite": "deny"})
