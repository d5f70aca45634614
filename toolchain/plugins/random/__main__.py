"""`python -m toolchain.plugins.random ENGINE_ADDRESS`."""

from __future__ import annotations

import sys

from toolchain.plugins.bridged import BridgedProvider, ResourceType
from toolchain.plugins.engine import EngineLog
from toolchain.plugins.protocol import main
from toolchain.plugins.random.octets import RandomBytes
from toolchain.plugins.random.password import RandomPassword

VERSION = "4.21.4"


def provider(engine: EngineLog) -> BridgedProvider:
    """The random provider."""
    types: dict[str, ResourceType] = {
        "random:index/randomPassword:RandomPassword": RandomPassword(),
        "random:index/randomBytes:RandomBytes": RandomBytes(),
    }
    return BridgedProvider("random", VERSION, types, engine)


if __name__ == "__main__":
    sys.exit(main(provider, sys.argv[1:]))
