"""The jobs of a registry."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from registry.clock import Clock
from registry.db.database import Database
from registry.event_log import EventLog
from registry.jobs.abandoned_packages import AbandonedPackages
from registry.jobs.expired_packages import ExpiredPackages
from registry.jobs.forgetting import Forgetting
from registry.jobs.job import Job
from registry.jobs.lease import Lease
from registry.jobs.outbox import Outbox, Sender
from registry.jobs.quiet_packages import QuietPackages
from registry.jobs.scheduler import Scheduler
from registry.jobs.stale_uploads import StaleUploads
from registry.packages import Packages
from registry.secrets import SecretBox
from registry.uploads import Uploads

DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """When what nobody goes on with is given up. In seconds."""

    uploads: int = 7 * DAY
    """Without a part, until a multipart upload is aborted."""
    packages: int = 30 * DAY
    """Without a write, until a package that was never finalized has failed."""
    events: int = 30 * DAY
    """Until events, and deliveries of them, are forgotten."""


class Jobs:
    """What the registry does by itself."""

    def __init__(
        self,
        database: Database,
        *,
        events: EventLog,
        uploads: Uploads,
        packages: Packages,
        box: SecretBox,
        clock: Clock,
    ) -> None:
        self._database = database
        self._events = events
        self._uploads = uploads
        self._packages = packages
        self._box = box
        self._clock = clock

    @asynccontextmanager
    async def running(
        self, sender: Sender, *, ages: Ages | None = None, region: str = "us-east-1"
    ) -> AsyncIterator[None]:
        """Take part in running the jobs while the block runs: of all processes that do, one at a time works."""
        scheduler = Scheduler(Lease(self._database, "jobs", self._clock), self.all(sender, ages, region), self._clock)
        task = asyncio.create_task(scheduler.run(), name="jobs")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def all(self, sender: Sender, ages: Ages | None = None, region: str = "us-east-1") -> Sequence[Job]:
        """Every job there is."""
        ages = ages or Ages()
        return (
            Outbox(self._database, self._events, self._box, sender, self._clock, region=region),
            QuietPackages(self._database, self._packages),
            ExpiredPackages(self._database, self._packages),
            AbandonedPackages(self._database, age=ages.packages),
            StaleUploads(self._database, self._uploads, age=ages.uploads),
            Forgetting(self._database, self._events, age=ages.events),
        )
