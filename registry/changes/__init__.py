"""How many requests' changes become one transaction.

A change says what rows it needs to see and then *decides*: it reads and alters a `State`, an identity
map of those rows, and either returns its result or refuses by raising. The batch loads what all of its
changes need with one statement per table, lets them decide in order, each seeing what those before it
did, and writes what came of it with one statement per table. So the cost of a transaction, and of its
flush to disk, is shared by all requests that wait for it, and what decides is plain code without I/O.

A change that refuses must have altered nothing but `State.audit`.
"""

from __future__ import annotations

from registry.changes.batch import batch
from registry.changes.state import BytesNeededError, Change, FileKey, Needs, StaleError, State

__all__ = ["BytesNeededError", "Change", "FileKey", "Needs", "StaleError", "State", "batch"]
