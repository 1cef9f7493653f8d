"""Repositories: names, owners, limits; what is cached is of a known age."""

from __future__ import annotations

import pytest

from registry import repositories
from registry.errors import (
    AccessDeniedError,
    InvalidRepositoryNameError,
    RepositoryExistsError,
    RepositoryNotFoundError,
    RepositoryOwnedError,
    TooManyRepositoriesError,
)
from registry.model import FileAttributes
from registry.names import package_name
from registry.registry import Registry
from tests.registry.world import World


@pytest.mark.parametrize(
    "name",
    [
        "", "ab", "a" * 64, "Evidence", "evi_dence", "evi dence", "-ab", "ab-", ".ab", "ab.", "a..b", "192.168.1.1",
        "xn--abc", "sthree-abc", "amzn-s3-demo-a", "abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3", "abc\n", "äbc",
        "abc\x00",
    ],
)  # fmt: skip
async def test_names_that_s3_refuses(world: World, name: str) -> None:
    with pytest.raises(InvalidRepositoryNameError):
        await world.repository(name)
    with pytest.raises(RepositoryNotFoundError):
        await world.registry.repositories.get(world.alice, name)


@pytest.mark.parametrize("name", ["abc", "a" * 63, "1.2.3", "my.evidence-2", "0-0"])
async def test_names_that_are_fine(world: World, name: str) -> None:
    await world.repository(name)
    assert (await world.registry.repositories.get(world.alice, name)).name == name


async def test_a_name_belongs_to_one_account(world: World) -> None:
    await world.repository()
    with pytest.raises(RepositoryOwnedError):
        await world.registry.repositories.create(world.alice, "evidence")
    with pytest.raises(RepositoryExistsError):
        await world.registry.repositories.create(world.bob, "evidence")
    for act in (world.registry.repositories.get, world.registry.repositories.delete):
        with pytest.raises(AccessDeniedError):
            await act(world.bob, "evidence")
    await world.registry.repositories.delete(world.root, "evidence")
    with pytest.raises(RepositoryNotFoundError):
        await world.registry.repositories.delete(world.alice, "evidence")


async def test_one_sees_what_is_ones_own(world: World) -> None:
    create = world.registry.repositories.create
    for owner, name in ((world.alice, "a-one"), (world.bob, "a-two"), (world.alice, "b-one")):
        await create(owner, name)
    listed = world.registry.repositories.list
    assert [found.name for found in await listed(world.alice)] == ["a-one", "b-one"]
    assert [found.name for found in await listed(world.root)] == ["a-one", "a-two", "b-one"]
    assert [found.name for found in await listed(world.root, prefix="a-")] == ["a-one", "a-two"]
    assert [found.name for found in await listed(world.root, after="a-one", limit=1)] == ["a-two"]
    assert {found.owner_name for found in await listed(world.alice)} == {"alice"}


async def test_an_account_owns_so_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repositories, "LIMIT", 2)
    for number in range(2):
        await world.repository(f"evidence-{number}")
    with pytest.raises(TooManyRepositoriesError):
        await world.repository("evidence-2")
    await world.registry.repositories.create(world.bob, "evidence-2")


async def test_what_is_known_of_a_repository_is_a_second_old_at_most(world: World, database_url: str) -> None:
    await world.repository()
    other = Registry(database_url=database_url, store=world.store, master_key=bytes(32), clock=world.clock)
    await other.open()
    await other.repositories.get(world.alice, "evidence")
    await world.registry.repositories.delete(world.alice, "evidence")
    world.clock.advance(0.999)
    await other.repositories.get(world.alice, "evidence")
    world.clock.advance(0.001)
    with pytest.raises(RepositoryNotFoundError):
        await other.repositories.get(world.alice, "evidence")
    await other.close()


async def test_a_write_goes_by_settings_as_they_are(world: World, database_url: str) -> None:
    await world.repository()
    other = Registry(database_url=database_url, store=world.store, master_key=bytes(32), clock=world.clock)
    await other.open()
    await other.repositories.get(world.alice, "evidence")
    await world.execute("UPDATE repositories SET package_depth = 2")
    await other.files.put(world.alice, "evidence", "a/b/c", world.bytes(b"1"), FileAttributes())
    assert await world.packages() == {"a/b": (1, 1)}
    await other.close()


def test_package_names() -> None:
    assert package_name("run/report/a", 1) == "run"
    assert package_name("run/report/a", 2) == "run/report"
    assert package_name("run/report/a", 3) is None
    assert package_name("run/report/a", 0) is None
    assert package_name("run/", 1) == "run"
    assert package_name("/a", 1) is None
    assert package_name("loose", 1) is None
