"""Accounts and their access keys."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ClauseElement

from registry import audit
from registry.clock import SECOND, Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.db.types import is_held
from registry.errors import (
    AccessKeyExistsError,
    AccessKeyNotFoundError,
    AccountExistsError,
    AccountNotFoundError,
    InvalidArgumentError,
    UnknownAccessKeyError,
)
from registry.ids import uuid7
from registry.model import AccessKey, Account, Actor, Credential
from registry.secrets import SecretBox

CACHED = 2 * SECOND
"""How long a revoked key may still be honoured by a gateway that has just used it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_ACCESS_KEY = re.compile(r"[A-Za-z0-9._-]{3,128}")
_SECRET = re.compile(r"[\x21-\x7e]{8,128}")

SYSTEM = Actor("system", "system", administrator=True)
"""Who acts when the command line works on the database directly."""


def new_access_key() -> str:
    """Twenty characters of the form S3 clients expect."""
    return "AS" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(18))


def new_secret() -> str:
    """Forty characters, 240 bits."""
    return secrets.token_urlsafe(30)


class Accounts:
    """Create accounts and keys, and find the secret of a key."""

    def __init__(self, database: Database, box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._box = box
        self._clock = clock
        self._cache: dict[str, tuple[int, Credential]] = {}

    async def create(self, name: str, *, administrator: bool = False) -> Account:
        """Create an account. It owns the repositories it creates, and sees only those unless it is an administrator."""
        if not _NAME.fullmatch(name):
            rule = "An account name has 1 to 64 letters, digits, and . _ @ -, and begins with a letter or digit."
            raise InvalidArgumentError("name", name, rule)
        account = Account(uuid7(), name, administrator, self._clock())
        async with self._database.transaction(Lock(Scope.JOB, f"account {name}")) as connection:
            if await _account(connection, name) is not None:
                raise AccountExistsError(f"There is an account {name!r} already.")
            await connection.execute(
                insert(schema.accounts).values(
                    id=account.id, name=name, administrator=administrator, created_at=account.created_at
                )
            )
            await self._tell(connection, "account.create", name, {"administrator": administrator})
        return account

    async def get(self, name: str) -> Account:
        """The account of that name. Raises AccountNotFoundError."""
        async with self._database.read() as connection:
            row = await _account(connection, name)
        if row is None:
            raise AccountNotFoundError(f"There is no account {name!r}.")
        return _account_of(row)

    async def list(self) -> Sequence[Account]:
        """Every account, by name."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(schema.accounts).order_by(schema.accounts.c.name))
            return [_account_of(row) for row in rows.mappings()]

    async def names(self, ids: Iterable[str]) -> Mapping[str, str]:
        """The names of accounts by their ids; what is no account's id is left out."""
        table = schema.accounts
        async with self._database.read() as connection:
            rows = await connection.execute(select(table.c.id, table.c.name).where(table.c.id.in_(sorted(set(ids)))))
            return {row.id: row.name for row in rows}

    async def create_key(
        self,
        account: str,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
        description: str = "",
        expires_at: int | None = None,
    ) -> tuple[AccessKey, str]:
        """A new key pair of an account; the second value is the secret, which is not shown again."""
        if (access_key is None) != (secret_key is None):
            raise InvalidArgumentError("secret_key", None, "Give both the access key and the secret key, or neither.")
        if access_key is not None and not _ACCESS_KEY.fullmatch(access_key):
            raise InvalidArgumentError(
                "access_key", access_key, "An access key has 3 to 128 letters, digits, and . _ -"
            )
        if secret_key is not None and not _SECRET.fullmatch(secret_key):
            raise InvalidArgumentError(
                "secret_key", None, "A secret key has 8 to 128 printable ASCII characters and no spaces."
            )
        identifier, secret = access_key or new_access_key(), secret_key or new_secret()
        now = self._clock()
        async with self._database.transaction(Lock(Scope.JOB, f"access key {identifier}")) as connection:
            row = await _account(connection, account)
            if row is None:
                raise AccountNotFoundError(f"There is no account {account!r}.")
            keys = schema.access_keys
            taken = await connection.execute(select(keys.c.access_key).where(keys.c.access_key == identifier))
            if taken.first() is not None:
                raise AccessKeyExistsError(f"The access key {identifier} is taken.")
            await connection.execute(
                insert(keys).values(
                    access_key=identifier,
                    account_id=row["id"],
                    secret=self._box.seal(secret, identifier),
                    description=description,
                    created_at=now,
                    expires_at=expires_at,
                )
            )
            await self._tell(connection, "key.create", account, {"access_key": identifier})
        return AccessKey(identifier, row["id"], account, now, description, expires_at), secret

    async def list_keys(self, account: str | None = None) -> Sequence[AccessKey]:
        """The keys of an account, or all; revoked ones too."""
        keys, accounts = schema.access_keys, schema.accounts
        query = select(keys, accounts.c.name.label("account_name")).join(accounts, accounts.c.id == keys.c.account_id)
        if account is not None:
            await self.get(account)
            query = query.where(accounts.c.name == account)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(accounts.c.name, keys.c.created_at, keys.c.access_key))
            return [
                AccessKey(
                    row["access_key"],
                    row["account_id"],
                    row["account_name"],
                    row["created_at"],
                    row["description"],
                    row["expires_at"],
                    row["revoked_at"],
                    row["last_used_at"],
                )
                for row in rows.mappings()
            ]

    async def revoke_key(self, access_key: str) -> None:
        """Revoke a key for good; gateways that have just used it honour it for at most two more seconds."""
        keys = schema.access_keys
        async with self._database.transaction(Lock(Scope.JOB, f"access key {access_key}")) as connection:
            revoked = await connection.execute(
                update(keys)
                .where(keys.c.access_key == access_key, keys.c.revoked_at.is_(None))
                .values(revoked_at=self._clock())
            )
            if revoked.rowcount == 0:
                raise AccessKeyNotFoundError(f"There is no active access key {access_key}.")
            await self._tell(connection, "key.revoke", None, {"access_key": access_key})
        self._cache.pop(access_key, None)

    def cached_credential(self, access_key: str) -> Credential | None:
        """The credential, where it was looked up within the last two seconds."""
        cached = self._cache.get(access_key)
        return cached[1] if cached is not None and self._clock() - cached[0] < CACHED else None

    async def credential(self, access_key: str) -> Credential:
        """The credential of an active key. Raises UnknownAccessKeyError for any other."""
        cached = self.cached_credential(access_key)
        if cached is not None:
            return cached
        now = self._clock()
        row = None
        if _ACCESS_KEY.fullmatch(access_key):
            row = await self._database.point(_active_key, {"access_key": access_key, "now": now})
        if row is None:
            self._cache.pop(access_key, None)
            raise UnknownAccessKeyError(access_key)
        secret = self._box.open(bytes(row["secret"]), access_key)
        found = Credential(access_key, secret, row["account_id"], row["name"], bool(row["administrator"]))
        self._cache[access_key] = (now, found)
        return found

    async def _tell(
        self, connection: AsyncConnection, action: str, account: str | None, detail: dict[str, Any]
    ) -> None:
        row = audit.entry(self._clock(), SYSTEM, action, resource=account, detail=detail)
        await connection.execute(insert(schema.audit_entries).values(row))


async def _account(connection: AsyncConnection, name: str) -> Any:
    if not is_held(name):
        return None
    rows = await connection.execute(select(schema.accounts).where(schema.accounts.c.name == name))
    return rows.mappings().first()


def _account_of(row: Any) -> Account:
    return Account(row["id"], row["name"], bool(row["administrator"]), row["created_at"], row["disabled_at"])


def _active_key(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    keys, accounts = schema.access_keys, schema.accounts
    return (
        select(keys.c.secret, keys.c.account_id, accounts.c.name, accounts.c.administrator)
        .join(accounts, accounts.c.id == keys.c.account_id)
        .where(
            keys.c.access_key == bindparam("access_key"),
            keys.c.revoked_at.is_(None),
            keys.c.expires_at.is_(None) | (keys.c.expires_at > bindparam("now")),
            accounts.c.disabled_at.is_(None),
        )
    )
