"""The engine's language host for YAML, which `make setup` has no need of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolchain import golang
from toolchain.cache import Cache, digest
from toolchain.checkout import Checkout
from toolchain.commands import Commands
from toolchain.python_packages import PythonPackages

HOST = "pulumi-language-yaml"
MODULE = golang.GoModule(Path(__file__).parent / "yaml-host", f"github.com/pulumi/pulumi-yaml/cmd/{HOST}", HOST)


@pytest.fixture(scope="session")
def yaml_host() -> Path:
    """Folder of the language host: the engine's own, or one that is built once from its Go module."""
    engine = Path(Checkout.here().needed().engine)
    if (engine / HOST).exists():
        return engine
    cache, commands = Cache.of_user(os.environ), Commands()
    key = digest(*((MODULE.folder / name).read_bytes() for name in ("go.mod", "go.sum")))

    def build(work: Path) -> None:
        own = golang.go_on_path(MODULE.needs)
        go = own or PythonPackages(Checkout.here(), cache, commands).go()
        with cache.workspace("yaml-host-go") as temporary:
            caches = {} if own else golang.private_caches(temporary)
            golang.compile_module(MODULE, go, golang.go_environment(go, temporary) | caches, work, commands)

    with cache.locked():  # a setup of another lane would sweep it away
        return cache.make("yaml-host", key, build)
