"""The first start: data directory, master key, tables, and the first administrator with its keys.

Every step may be repeated: a start that was interrupted goes on where it stopped, and two gateways may begin at once.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from gateway.app import registry_of
from gateway.keyring import MASTER_KEY, KeyPair, Keyring, KeyringError
from gateway.settings import Settings
from registry.accounts import Accounts
from registry.db.migrate import migrate, revisions
from registry.errors import AccessKeyExistsError, AccountExistsError, UnknownAccessKeyError
from registry.secrets import MasterKeyError

ROOT = "root"
"""The name of the first administrator."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What a start found or made."""

    revision_before: str | None
    revision: str
    root: KeyPair | None
    """The first administrator's keys; None where another gateway of the same database keeps them."""
    root_is_new: bool
    """Were the keys put into the database just now?"""


async def install(settings: Settings) -> Installation:
    """Create what is missing, bring up to date what is old.

    Raises SettingsError, KeyringError, StorageUnavailableError.
    """
    keyring = Keyring(settings)
    retention_classes = settings.read_retention_classes()
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyringError(
            f"data_dir ({settings.origins['data_dir']}): {settings.data_dir} cannot be created: {error.strerror}; "
            "name a directory that this user may write."
        ) from error
    before, _ = await revisions(settings.database_url)
    # Before the tables: an interrupted first start leaves no database whose key nobody has.
    keyring.master_key(create=before is None)
    _, revision = await migrate(settings.database_url)
    async with registry_of(settings) as registry:
        await registry.retention.seed(retention_classes)
        root, is_new = await _root(settings, keyring, registry.accounts)
    return Installation(before, revision, root, is_new)


async def _root(settings: Settings, keyring: Keyring, accounts: Accounts) -> tuple[KeyPair | None, bool]:
    with contextlib.suppress(AccountExistsError):
        await accounts.create(ROOT, administrator=True)
    await prove_master_key(settings, accounts)
    keys = await accounts.list_keys(ROOT)
    root = keyring.root_key_pair(create=not keys)
    if root is None:
        return None, False
    if root.access_key in {key.access_key for key in keys}:
        if settings.root_access_key is not None:
            await _check_secret(settings, accounts, root)
        return root, False
    try:
        await accounts.create_key(
            ROOT, access_key=root.access_key, secret_key=root.secret_key, description="first administrator"
        )
    except AccessKeyExistsError:
        raise KeyringError(
            f"root_access_key: {root.access_key} belongs to another account; choose another access key."
        ) from None
    return root, True


async def prove_master_key(settings: Settings, accounts: Accounts) -> None:
    """Open a secret of the database, so that a wrong master key shows now, and seals nothing. Raises KeyringError."""
    for key in await accounts.list_keys():
        # One that was revoked or has expired is not looked up any more.
        with contextlib.suppress(UnknownAccessKeyError):
            try:
                await accounts.credential(key.access_key)
            except MasterKeyError as error:
                raise KeyringError(
                    f"master_key ({settings.origins['master_key']}): the secrets in the database were encrypted with "
                    f"another one; restore {settings.data_dir / MASTER_KEY}, or set ARTIFACT_STORE_MASTER_KEY."
                ) from error
            return


async def _check_secret(settings: Settings, accounts: Accounts, root: KeyPair) -> None:
    try:
        known = (await accounts.credential(root.access_key)).secret
    except UnknownAccessKeyError:
        known = None
    if known != root.secret_key:
        state = "was revoked" if known is None else "has another secret in the database"
        raise KeyringError(
            f"root_access_key ({settings.origins['root_access_key']}): {root.access_key} {state}; "
            "a key's secret never changes: give a new access key with the new secret."
        )
