"""`python -m toolchain.plugins.command ENGINE_ADDRESS`."""

from __future__ import annotations

import sys

from toolchain.plugins.command.provider import CommandProvider
from toolchain.plugins.protocol import main

if __name__ == "__main__":
    sys.exit(main(CommandProvider, sys.argv[1:]))
