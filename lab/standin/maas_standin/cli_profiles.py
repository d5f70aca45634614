"""The profiles of `maas`: `~/.maascli.db` (maas-facts §1.5)."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = ".maascli.db"


@dataclass(frozen=True)
class Profile:
    """One MAAS that the user is logged in to."""

    name: str
    url: str
    """Of the API, such as `http://198.51.100.10:5240/MAAS/api/2.0/`."""
    key: str
    """`consumer:token:secret`, or empty for anonymous access."""
    description: dict[str, object]
    """The API's `describe/` document at the time of the login."""


class Profiles:
    """The profiles in one database, which only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, profile: Profile) -> None:
        """Keep the profile; one of the same name is replaced."""
        with self._open() as database:
            database.execute(
                "INSERT INTO profiles (name, data) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET data = excluded.data",
                (profile.name, json.dumps(asdict(profile))),
            )

    def delete(self, name: str) -> bool:
        """Forget the profile; False if there was none."""
        with self._open() as database:
            return database.execute("DELETE FROM profiles WHERE name = ?", (name,)).rowcount > 0

    def get(self, name: str) -> Profile | None:
        """The profile, or None."""
        return next((profile for profile in self.all() if profile.name == name), None)

    def all(self) -> list[Profile]:
        """Every profile, by name."""
        with self._open() as database:
            rows = database.execute("SELECT data FROM profiles ORDER BY name").fetchall()
        return [Profile(**json.loads(data)) for (data,) in rows]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # Made with its mode before SQLite opens it, for it holds API keys.
        os.close(os.open(self._path, os.O_CREAT | os.O_APPEND, 0o600))
        database = sqlite3.connect(self._path)
        try:
            with database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS profiles"
                    " (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, data TEXT NOT NULL)"
                )
                yield database
        finally:
            database.close()
