"""Accounts and keys: what is made can sign, what is revoked or expired cannot, and what is asked wrongly is told so."""

from __future__ import annotations

import asyncio

import pytest

from registry.accounts import CACHED, new_access_key, new_secret
from registry.clock import SECOND
from registry.errors import (
    AccessKeyExistsError,
    AccessKeyNotFoundError,
    AccountExistsError,
    AccountNotFoundError,
    InvalidArgumentError,
    UnknownAccessKeyError,
)
from registry.registry import Registry
from registry.secrets import KEY_BYTES, MasterKeyError, SecretBox
from tests.registry.world import World

CACHE_SECONDS = CACHED / SECOND


async def test_an_account_is_found_as_it_was_made(world: World) -> None:
    accounts = world.registry.accounts
    made = await accounts.create("ci-bot@example.org", administrator=True)
    assert await accounts.get("ci-bot@example.org") == made
    assert made.administrator
    assert [account.name for account in await accounts.list()] == ["alice", "bob", "ci-bot@example.org", "root"]


async def test_an_account_is_made_once(world: World) -> None:
    outcomes = await asyncio.gather(
        *(world.registry.accounts.create("carol") for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(outcome, AccountExistsError) for outcome in outcomes) == 4


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "é", "a" * 65, "a\n", "a\x00", "\ud800"])
async def test_names_that_no_account_has(world: World, name: str) -> None:
    accounts = world.registry.accounts
    with pytest.raises(InvalidArgumentError) as refused:
        await accounts.create(name)
    assert refused.value.field == "name"
    with pytest.raises(AccountNotFoundError):
        await accounts.get(name)
    with pytest.raises(AccountNotFoundError):
        await accounts.create_key(name)
    with pytest.raises(AccountNotFoundError):
        await accounts.list_keys(name)


async def test_a_key_opens_its_secret(world: World) -> None:
    accounts = world.registry.accounts
    key, secret = await accounts.create_key("alice", description="laptop")
    credential = await accounts.credential(key.access_key)
    assert (credential.secret, credential.account_name, credential.administrator) == (secret, "alice", False)
    assert credential.account_id == world.alice.account_id
    assert secret not in repr(credential)
    assert secret not in repr(key)
    assert (await accounts.list_keys("alice"))[0] == key
    assert await accounts.list_keys("bob") == []
    assert len(await accounts.list_keys()) == 1


async def test_a_secret_is_not_in_the_database(world: World) -> None:
    _, secret = await world.registry.accounts.create_key("alice", access_key="AKIDEXAMPLE", secret_key="s" * 40)
    async with world.registry.accounts._database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT secret FROM access_keys")
        assert secret.encode() not in bytes(rows.scalar_one())


@pytest.mark.parametrize(
    ("access_key", "secret_key", "field"),
    [
        ("ab", "s" * 40, "access_key"),
        ("a" * 129, "s" * 40, "access_key"),
        ("a/b/c", "s" * 40, "access_key"),
        ("abc\n", "s" * 40, "access_key"),
        ("abc", "short", "secret_key"),
        ("abc", "s" * 129, "secret_key"),
        ("abc", "has space", "secret_key"),
        ("abc", "ünprintable", "secret_key"),
        ("abc", None, "secret_key"),
        (None, "s" * 40, "secret_key"),
    ],
)
async def test_pairs_that_are_refused(world: World, access_key: str | None, secret_key: str | None, field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        await world.registry.accounts.create_key("alice", access_key=access_key, secret_key=secret_key)
    assert refused.value.field == field
    if secret_key is not None:
        assert secret_key not in f"{refused.value!r} {refused.value.value}"


async def test_a_pair_is_made_once(world: World) -> None:
    accounts = world.registry.accounts
    pair = {"access_key": "AKIDEXAMPLE", "secret_key": "s" * 40}
    await accounts.create_key("alice", **pair)
    with pytest.raises(AccessKeyExistsError):
        await accounts.create_key("bob", **pair)
    await accounts.revoke_key("AKIDEXAMPLE")
    with pytest.raises(AccessKeyExistsError):
        await accounts.create_key("bob", **pair)


async def test_a_revoked_key_is_unknown_at_once_here_and_soon_elsewhere(world: World, database_url: str) -> None:
    accounts = world.registry.accounts
    other = Registry(database_url=database_url, store=world.store, master_key=bytes(KEY_BYTES), clock=world.clock)
    await other.open()
    key, _ = await accounts.create_key("alice")
    await accounts.credential(key.access_key)
    await other.accounts.credential(key.access_key)
    await accounts.revoke_key(key.access_key)
    with pytest.raises(UnknownAccessKeyError):
        await accounts.credential(key.access_key)
    assert accounts.cached_credential(key.access_key) is None
    world.clock.advance(CACHE_SECONDS - 0.001)
    assert await other.accounts.credential(key.access_key)
    assert other.accounts.cached_credential(key.access_key)
    world.clock.advance(0.001)
    assert other.accounts.cached_credential(key.access_key) is None
    with pytest.raises(UnknownAccessKeyError):
        await other.accounts.credential(key.access_key)
    await other.close()
    with pytest.raises(AccessKeyNotFoundError):
        await accounts.revoke_key(key.access_key)
    with pytest.raises(AccessKeyNotFoundError):
        await accounts.revoke_key("never-there")
    assert (await accounts.list_keys("alice"))[0].revoked_at is not None


async def test_a_key_expires(world: World) -> None:
    accounts = world.registry.accounts
    key, _ = await accounts.create_key("alice", expires_at=world.clock() + 10 * SECOND)
    world.clock.advance(9.9)
    await accounts.credential(key.access_key)
    world.clock.advance(0.1 + CACHE_SECONDS)
    with pytest.raises(UnknownAccessKeyError):
        await accounts.credential(key.access_key)


async def test_a_disabled_account_has_no_credentials(world: World) -> None:
    accounts = world.registry.accounts
    key, _ = await accounts.create_key("alice")
    await world.execute("UPDATE accounts SET disabled_at = 1 WHERE name = 'alice'")
    with pytest.raises(UnknownAccessKeyError):
        await accounts.credential(key.access_key)
    assert (await accounts.get("alice")).disabled_at == 1


async def test_another_master_key_opens_nothing(world: World, database_url: str) -> None:
    key, _ = await world.registry.accounts.create_key("alice")
    other = Registry(database_url=database_url, store=world.store, master_key=b"\x01" * KEY_BYTES)
    await other.open()
    with pytest.raises(MasterKeyError):
        await other.accounts.credential(key.access_key)
    await other.close()


async def test_what_is_done_to_accounts_is_audited(world: World) -> None:
    accounts = world.registry.accounts
    await accounts.create("carol")
    key, _ = await accounts.create_key("carol")
    await accounts.revoke_key(key.access_key)
    async with world.registry.accounts._database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT action FROM audit_entries ORDER BY id")
        assert list(rows.scalars())[-3:] == ["account.create", "key.create", "key.revoke"]


def test_sealed_secrets() -> None:
    box = SecretBox(bytes(KEY_BYTES))
    sealed = box.seal("secret", "AKID")
    assert box.open(sealed, "AKID") == "secret"
    assert box.seal("secret", "AKID") != sealed
    broken = [sealed[:-1], sealed[:13], sealed[:1], b"", b"\x02" + sealed[1:], sealed[:-1] + bytes([sealed[-1] ^ 1])]
    for bad in broken:
        with pytest.raises(MasterKeyError):
            box.open(bad, "AKID")
    with pytest.raises(MasterKeyError):
        box.open(sealed, "ANOTHER")


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_master_key_has_32_bytes(size: int) -> None:
    with pytest.raises(MasterKeyError, match=f"{size} bytes"):
        SecretBox(bytes(size))


def test_generated_pairs() -> None:
    made = {(new_access_key(), new_secret()) for _ in range(100)}
    assert len(made) == 100
    assert {(len(access_key), len(secret)) for access_key, secret in made} == {(20, 40)}
