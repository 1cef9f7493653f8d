"""The registry: a database, a store, a clock, and an attribute for each room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from backends.store import BlobStore
from registry.accounts import Accounts
from registry.audit_log import AuditLog
from registry.authentication_log import AuthenticationLog
from registry.blobs import Blobs
from registry.changes import batch
from registry.clock import Clock, now
from registry.control import Control
from registry.db.database import Database
from registry.db.open import open_database
from registry.event_log import EventLog
from registry.file_history import FileHistory
from registry.files import Files
from registry.holds import Holds
from registry.idempotency import Idempotency
from registry.jobs import Jobs
from registry.object_lock import ObjectLock
from registry.packages import Packages
from registry.repositories import Repositories
from registry.repository_documents import RepositoryDocuments
from registry.retention import Retention
from registry.secrets import SecretBox
from registry.storage import Storage
from registry.tags import Tags
from registry.uploads import Uploads
from registry.webhooks import Webhooks

RESTORE_WINDOW = 30 * 86_400
"""Seconds in which a deleted package can be restored."""


class Registry:
    """Everything a face may ask for. Opened once per process, shared by all requests."""

    def __init__(
        self,
        *,
        database_url: str,
        store: BlobStore,
        master_key: bytes,
        clock: Clock = now,
        restore_window: int = RESTORE_WINDOW,
        timed: Callable[[Database], Database] | None = None,
    ) -> None:
        """`store` is opened and closed by its owner; `timed` may wrap the database to observe its calls.

        Raises ValueError for a URL of no known database.
        """
        database = open_database(database_url, batch(clock))
        self._database = database if timed is None else timed(database)
        self._blobs = Blobs(self._database, store)
        box = SecretBox(master_key)
        self.accounts = Accounts(self._database, box, clock)
        self.authentication_log = AuthenticationLog(self._database, clock)
        self.repositories = Repositories(self._database, self._blobs, clock)
        self.packages = Packages(self._database, self._blobs, self.repositories, clock, restore_window=restore_window)
        self.retention = Retention(self._database, self.repositories, self.packages, clock)
        self.holds = Holds(self._database, self.repositories, clock)
        self.files = Files(self._database, self._blobs, self.repositories, Control(self.packages))
        self.file_history = FileHistory(self._database, self.repositories)
        self.object_lock = ObjectLock(self._database, self.repositories, self.files, self.holds, clock)
        self.tags = Tags(self._database, self.repositories, clock)
        self.documents = RepositoryDocuments(self._database, self.repositories, clock)
        self.uploads = Uploads(self._database, self._blobs, self.repositories, self.files)
        self.audit = AuditLog(self._database, self.repositories)
        self.events = EventLog(self._database, self.repositories)
        self.webhooks = Webhooks(self._database, self.repositories, self.events, box, clock)
        self.storage = Storage(self._database, self._blobs)
        self.idempotency = Idempotency(self._database, clock)
        self.jobs = Jobs(
            self._database, events=self.events, uploads=self.uploads, packages=self.packages, box=box, clock=clock
        )

    async def open(self) -> Self:
        """Connect to the database, whose schema must be there: see `registry.db.migrate`."""
        await self._database.open()
        return self

    async def close(self) -> None:
        """Commit what was submitted and let go of the database."""
        await self.authentication_log.close()
        await self._database.close()
        self._blobs.close()
