"""How the Pulumi engine, its plugins and the project's Python get onto a machine, from anywhere.

Standard library only: `python3 -m toolchain setup` runs before there is anything else.
"""

from toolchain.environment import environment
from toolchain.errors import ToolchainError

__all__ = ["ToolchainError", "environment"]
