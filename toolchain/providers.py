"""The provider plugins: the official ones, or this project's own where those can't be downloaded."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from toolchain import versions
from toolchain.cache import Cache, digest, tree_digest
from toolchain.commands import Commands
from toolchain.errors import ToolchainError
from toolchain.official import ENGINE
from toolchain.progress import say

LAUNCHER: Final = '''\
#!/usr/bin/env python3
"""Starts the bundled {name} plugin with the Python that comes first on PATH: the project's."""

import runpy
import sys

try:
    import grpc  # noqa: F401
except ModuleNotFoundError:
    sys.exit("the {name} plugin needs the project's Python first on PATH: eval \\"$(python3 -m toolchain env)\\"")

runpy.run_module("toolchain.plugins.{name}", run_name="__main__", alter_sys=True)
'''
"""Python puts a script's own folder first on the module path, so the plugin runs from its copy, wherever the
checkout is or goes."""

LOGS: Final = "logs"
NO_LOGS: Final = """\
The engine keeps a log of each command here, with every property of every resource, unless it can't: this is a file.
Where one is wanted: pulumi up --logtostderr -v=9 2>up.log
"""
"""It took half of the engine's time (docs/adr/0001-engine.md); there is no option against it."""


class Providers:
    """Installs the provider plugins for an engine."""

    def __init__(self, sources: Path, cache: Cache, commands: Commands) -> None:
        self._sources = sources
        self._cache = cache
        self._commands = commands

    def key(self, official: bool) -> str:
        """Stands for what gets installed."""
        pins = [f"{name} {version}" for name, version in versions.PLUGINS.items()]
        kind = ("official",) if official else ("bundled", LAUNCHER, self._content())
        return digest(*kind, NO_LOGS, *pins)

    def install(self, engine: Path, official: bool) -> Path:
        """A PULUMI_HOME that holds the plugins: our own, so that they never get into other projects.

        Raises:
            ToolchainError: a plugin can't be had or packed.
        """
        if official:
            try:
                return self._home(self.key(True), lambda home: self._download(engine, home))
            except ToolchainError as error:
                say(f"{error}")
                say("going on with the bundled plugins, which leave the same state")
        return self._home(self.key(False), lambda home: self._bundle(engine, home))

    def _home(self, key: str, fill: Callable[[Path], None]) -> Path:
        """A PULUMI_HOME of its own; which stack is selected is remembered for all of them."""
        remembered = self._cache.root / "workspaces"
        remembered.mkdir(exist_ok=True)

        def furnish(home: Path) -> None:
            (home / "workspaces").symlink_to(remembered)
            (home / LOGS).write_text(NO_LOGS)
            fill(home)

        return self._cache.make("home", key, furnish)

    def _download(self, engine: Path, home: Path) -> None:
        for name, version in versions.PLUGINS.items():
            self._plugin_install(engine, home, name, version)

    def _bundle(self, engine: Path, home: Path) -> None:
        with self._cache.workspace("plugins") as work:
            for name, version in versions.PLUGINS.items():
                pack(self._sources, name, work / name)
                self._plugin_install(engine, home, name, version, "--file", str(work / name))

    def _plugin_install(self, engine: Path, home: Path, name: str, version: str, *source: str) -> None:
        self._commands.run(
            [engine / ENGINE, "plugin", "install", "resource", name, version, *source, "--non-interactive"],
            doing=f"installing the {name} plugin {version}",
            remedy="remove the cache folder and run it again",
            env=plugin_environment(home),
        )

    def _content(self) -> str:
        return tree_digest(self._sources, sources(self._sources))


def plugin_environment(home: Path) -> Mapping[str, str]:
    """Environment for `pulumi plugin install` into this PULUMI_HOME."""
    return {**os.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}


def sources(folder: Path) -> list[Path]:
    """The files that a bundled plugin runs from."""
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def pack(folder: Path, name: str, target: Path) -> None:
    """Lay out a plugin: an executable by the name that the engine looks for, and a copy of the code it runs.

    Raises:
        ToolchainError: there is no such bundled plugin.
    """
    if not (folder / name / "__main__.py").exists():
        raise ToolchainError(f"{folder}/{name} holds no plugin; restore it from git")
    package = target / "toolchain"
    for source in sources(folder):
        copy = package / "plugins" / source.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    (package / "__init__.py").touch()
    launcher = target / f"pulumi-resource-{name}"
    launcher.write_text(LAUNCHER.format(name=name))
    launcher.chmod(0o755)
