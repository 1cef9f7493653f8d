"""Work that nobody waits for."""

from __future__ import annotations

from typing import ClassVar


class Job:
    """Work that is done again and again, by one process of all that share the database."""

    name: ClassVar[str]
    interval: ClassVar[float]
    """Seconds between the end of one run and the beginning of the next."""

    async def run_once(self, now: int) -> None:
        """Do what there is to do at that time. May be stopped anywhere, and done again from the beginning."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Give up what goes on beyond a run."""
