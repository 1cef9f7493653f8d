"""Threads for calls that wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from backends.store import StoreUnavailableError

P = ParamSpec("P")
T = TypeVar("T")

COUNT = 12
"""Creating files scales to about 16 threads on ext4 and falls off beyond."""


class Threads:
    """The store's own pool, so that slow disks starve nobody else's threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(COUNT, thread_name_prefix="blobs")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await the call in a thread. When this returns or raises, the call has ended, cancelled or not:
        nobody closes a descriptor or changes a buffer that a thread still uses."""
        try:
            running = asyncio.wrap_future(self._pool.submit(call, *args, **kwargs))
        except RuntimeError:
            raise StoreUnavailableError("the store is closed") from None
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                try:
                    await asyncio.wait([running])
                except asyncio.CancelledError:
                    continue
            raise

    async def close(self) -> None:
        """Wait for the calls that are running."""
        await asyncio.to_thread(self._pool.shutdown)
