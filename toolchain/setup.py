"""One setup: the engine, the Python environment and the plugins, each only if it isn't there yet."""

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from toolchain import golang, official, versions
from toolchain.cache import Cache, digest
from toolchain.checkout import Checkout, Record
from toolchain.commands import Commands
from toolchain.downloads import reachable
from toolchain.errors import DownloadError
from toolchain.progress import duration, say
from toolchain.providers import Providers
from toolchain.python_packages import PythonPackages, ensure_certificates


class Setup:
    """Makes a checkout ready to run the program with the real engine."""

    def __init__(
        self,
        checkout: Checkout,
        cache: Cache,
        commands: Commands,
        releases: official.Releases | None = None,
    ) -> None:
        self._checkout = checkout
        self._cache = cache
        self._commands = commands
        self._releases = releases or official.Releases()
        self._packages = PythonPackages(checkout, cache, commands)
        self._providers = Providers(checkout.toolchain / "plugins", cache, commands)

    def run(self) -> Record:
        """Set up what is missing.

        Raises:
            ToolchainError: one line that says what failed and what to do.
            OSError: a file could not be written.
        """
        started = time.monotonic()
        with self._cache.locked():
            record = self._current()
            if record is None:
                record = self._make()
                self._checkout.save(record)
        version = official.version_of(Path(record.engine) / official.ENGINE, Path(record.home))
        kind = "official" if record.downloads else "bundled"
        say(f"ready: pulumi {version}, {kind} plugins ({duration(time.monotonic() - started)})")
        return record

    def _current(self) -> Record | None:
        """What an earlier setup decided, if all of it still holds."""
        record = self._checkout.recorded()
        if record is None or record.inputs != self._inputs() or not self._packages.synced():
            return None
        there = (Path(record.engine) / official.ENGINE).exists() and Path(record.home).is_dir()
        return record if there else None

    def _inputs(self) -> str:
        keys = (golang.build_key(self._checkout), self._providers.key(True), self._providers.key(False))
        return digest(versions.ENGINE, *keys)

    def _make(self) -> Record:
        inputs = self._inputs()
        ensure_certificates(self._commands)
        downloads = reachable(self._releases.checksums)
        self._packages.uv()
        with ThreadPoolExecutor(max_workers=1) as background:
            # The longest part by far, so it starts first and runs beside the rest.
            engine: Future[Path] = background.submit(self._engine, downloads)
            try:
                self._packages.sync()
                folder = engine.result()
            except BaseException:
                # Whatever ended the one ends the other: nobody waits minutes for an engine that can't be used.
                self._commands.stop()
                raise
        home = self._providers.install(folder, official=downloads)
        downloads = downloads and home == self._cache.entry("home", self._providers.key(True))
        return Record(inputs=inputs, engine=str(folder), home=str(home), downloads=downloads)

    def _engine(self, downloads: bool) -> Path:
        found = official.on_path(os.environ, self._cache)
        if found:
            return found
        if downloads:
            try:
                return self._releases.engine(self._cache)
            except DownloadError as error:
                say(f"{error}")
        return golang.build(self._checkout, self._cache, self._commands, self._packages.go)
