"""IAM users, their access keys, and the projects of the regions."""

from __future__ import annotations

from dataclasses import dataclass

ACCOUNT = "sandbox-account"
REGION = "sandbox-1"
PROJECT = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
INSTANCE = "5a1d8e1c-0000-4000-8000-0000000000aa"
# Two projects have this name, so that a look-up by name must not guess.
AMBIGUOUS_REGION = "sandbox-twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One IAM user and the access key of the same user."""

    name: str
    password: str
    access_key: str
    secret_key: str


USERS = (
    User(name="exporter", password="sandbox-password", access_key="SANDBOXAK1",
         secret_key="sandbox-sk-1"),
    User(name="second", password="sandbox-password-2", access_key="SANDBOXAK2",
         secret_key="sandbox-sk-2"),
)  # fmt: skip


def by_access_key(access_key: str) -> User | None:
    """The owner of an access key."""
    return next((one for one in USERS if one.access_key == access_key), None)


def projects(name: str | None) -> list[tuple[str, str]]:
    """(id, name) of the projects with this name, of all of them if it is None."""
    known = [(PROJECT, REGION), ("1" * 32, AMBIGUOUS_REGION), ("2" * 32, AMBIGUOUS_REGION)]
    return [one for one in known if name is None or one[1] == name]
