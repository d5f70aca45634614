"""How the Pulumi engine, its plugins and the project's Python get onto a machine, from anywhere.

Standard library only: `python3 -m toolchain setup` runs before there is anything else.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - said here in a line, where older ones still understand the file
    sys.exit("error: this needs Python 3.11 or newer; name one: make setup PYTHON=python3.11")

from toolchain.environment import environment
from toolchain.errors import ToolchainError

__all__ = ["ToolchainError", "environment"]
