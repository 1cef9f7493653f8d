"""Running the jobs, each at its interval, for as long as this process holds the lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from registry.clock import Clock
from registry.errors import RegistryError
from registry.jobs.job import Job
from registry.jobs.lease import Lease

LOG = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """Another process runs the jobs now."""


class Scheduler:
    """Every process runs one; the one with the lease does the work, the others wait to take over."""

    def __init__(self, lease: Lease, jobs: Sequence[Job], clock: Clock) -> None:
        self._lease = lease
        self._jobs = jobs
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled. Whatever fails is logged and tried again."""
        try:
            while True:
                if await self._take():
                    await self._lead()
                await asyncio.sleep(self._lease.seconds / 3)
        finally:
            with contextlib.suppress(RegistryError):
                await self._lease.release()

    async def _take(self) -> bool:
        try:
            return await self._lease.take()
        except Exception as error:  # noqa: BLE001 - the database may be away for a while
            LOG.warning("the lease of the jobs could not be asked for: %s", error)
            return False

    async def _lead(self) -> None:
        """Run the jobs until the lease is lost."""
        try:
            async with asyncio.TaskGroup() as group:
                for job in self._jobs:
                    group.create_task(self._repeat(job), name=f"job {job.name}")
                group.create_task(self._hold(), name="lease of the jobs")
        except* LeaseLostError:
            LOG.warning("another process has taken over the jobs")
        finally:
            for job in self._jobs:
                await job.stop()

    async def _hold(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._lease.seconds
        while True:
            await asyncio.sleep(self._lease.seconds / 3)
            asked = loop.time()
            try:
                held = await self._lease.take()
            except Exception as error:  # noqa: BLE001 - renewed in time, nothing was lost
                LOG.warning("the lease of the jobs could not be renewed: %s", error)
                held = loop.time() < until
            else:
                until = asked + self._lease.seconds
            if not held:
                raise LeaseLostError

    async def _repeat(self, job: Job) -> None:
        while True:
            try:
                await job.run_once(self._clock())
            except RegistryError as error:
                LOG.warning("job %s failed and will run again: %s", job.name, error.message)
            except Exception:
                LOG.exception("job %s failed and will run again", job.name)
            await asyncio.sleep(job.interval)
