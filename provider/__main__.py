"""The plugin: the engine starts it and calls `Construct` for each cluster of a program."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the engine starts a plugin in the program's folder

from pulumi.provider import main

from provider.construct import ClusterProvider

main(ClusterProvider(version("maas-ha")), sys.argv[1:])
