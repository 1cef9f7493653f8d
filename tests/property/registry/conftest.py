"""The databases of the registry's own tests."""

from __future__ import annotations

from tests.registry.conftest import database_url

__all__ = ["database_url"]
