"""A PostgreSQL cluster of our own, in a temporary folder."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg2
import psycopg2.extensions

from .polling import eventually

BINARIES = Path("/usr/lib/postgresql/15/bin")
PORT = 5432
PASSWORD = "for-tests-only"


class Postgres:
    """Listens on one address, with scram passwords; runs as nobody, for PostgreSQL refuses root."""

    def __init__(self, address: str) -> None:
        if not BINARIES.exists():
            raise FileNotFoundError(f"{BINARIES}: install the package postgresql-15")
        self.address = address
        self._user = pwd.getpwnam("nobody")
        self._folder = Path(tempfile.mkdtemp(prefix="standin-pg-"))
        os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._data = self._folder / "data"
        self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "-D", str(self._data))
        hba = "local all all trust\nhost all postgres samenet trust\nhost all all all scram-sha-256\n"
        (self._data / "pg_hba.conf").write_text(hba)
        self._server: subprocess.Popen[bytes] | None = None
        self.log = self._folder / "log"
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "listen_addresses": self.address,
            "unix_socket_directories": str(self._folder),
            "fsync": "off",
            "max_connections": "300",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [str(BINARIES / "postgres"), "-D", str(self._data), *options],
                user=self._user.pw_uid,
                group=self._user.pw_gid,
                extra_groups=[],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, "PostgreSQL answers")

    def stop(self) -> None:
        """Stop at once: clients lose their connections."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(timeout=30)
            self._server = None

    def remove(self) -> None:
        """Stop and delete."""
        self.stop()
        shutil.rmtree(self._folder)

    def create_database(self) -> str:
        """A new database with an owner of the same name and `PASSWORD`; the name."""
        name = f"maas{secrets.token_hex(4)}"
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        self.execute(f"CREATE DATABASE {name} OWNER {name}")
        return name

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as superuser, outside any transaction; its rows."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cur:
                cur.execute(statement)
                return list(cur.fetchall()) if cur.description else []
        finally:
            connection.close()

    def connect(self, database: str = "postgres") -> psycopg2.extensions.connection:
        """A superuser's connection, in autocommit."""
        connection = psycopg2.connect(host=str(self._folder), user="postgres", dbname=database)
        connection.autocommit = True
        return connection

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def _run(self, program: str, *args: str) -> None:
        subprocess.run(
            [str(BINARIES / program), *args],
            check=True,
            capture_output=True,
            user=self._user.pw_uid,
            group=self._user.pw_gid,
            extra_groups=[],
            cwd=self._folder,
        )
