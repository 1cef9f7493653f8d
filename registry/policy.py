"""Who may do what. The one function that decides, asked by every method of the registry."""

from __future__ import annotations

from registry.errors import AccessDeniedError
from registry.model import Actor, Repository


def may(actor: Actor, action: str, repository: Repository | None = None) -> bool:
    """Whether the actor may do that to the repository (None: to the installation).

    Administrators may do everything; an account may do everything to what it owns, and may create
    repositories and read what classes of retention there are.
    """
    if actor.administrator:
        return True
    if repository is None:
        return action in {"repository.create", "repository.list", "retention.read"}
    return repository.owner_id == actor.account_id


def require(actor: Actor, action: str, repository: Repository | None = None) -> None:
    """Raise AccessDeniedError unless the actor may."""
    if not may(actor, action, repository):
        raise AccessDeniedError("Access Denied")
