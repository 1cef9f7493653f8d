"""What a producer may say of a package, and what every database gives back as it was said."""

from __future__ import annotations

from typing import Any

import pytest

from registry.errors import InvalidArgumentError
from registry.package_description import EXACT
from tests.registry.world import World


@pytest.mark.parametrize("value", ["\\u0000", EXACT, -EXACT, float(EXACT), 0.1, 5e-324, 1.0, -0.0, True, None, [], {}])
async def test_metadata_come_back_and_can_be_frozen(world: World, value: Any) -> None:
    await world.repository()
    package = await world.registry.packages.create(world.alice, "evidence", "run-1", metadata={"a": [value]})
    assert (await world.registry.packages.get(world.alice, package.id)).metadata == {"a": [value]}
    await world.put("run-1/a")
    assert (await world.registry.packages.finalize(world.alice, package.id)).manifest_sha256


@pytest.mark.parametrize("value", ["\0", EXACT + 1, 1e200, -1e16, float("inf"), float("nan"), "\ud800"])
async def test_metadata_that_not_every_database_keeps(world: World, value: Any) -> None:
    await world.repository()
    for metadata in ({"a": [value]}, {value: 1} if isinstance(value, str) else {"a": {"b": value}}):
        with pytest.raises(InvalidArgumentError, match="metadata"):
            await world.registry.packages.create(world.alice, "evidence", "run-1", metadata=metadata)
