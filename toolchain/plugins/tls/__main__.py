"""`python -m toolchain.plugins.tls ENGINE_ADDRESS`."""

from __future__ import annotations

import sys

from toolchain.plugins.bridged import BridgedProvider, ResourceType
from toolchain.plugins.engine import EngineLog
from toolchain.plugins.protocol import main
from toolchain.plugins.tls.certificates import LocallySignedCert, SelfSignedCert
from toolchain.plugins.tls.private_key import PrivateKey
from toolchain.plugins.tls.request import CertRequest

VERSION = "5.6.2"


def provider(engine: EngineLog) -> BridgedProvider:
    """The tls provider."""
    types: dict[str, ResourceType] = {
        "tls:index/privateKey:PrivateKey": PrivateKey(),
        "tls:index/certRequest:CertRequest": CertRequest(),
        "tls:index/selfSignedCert:SelfSignedCert": SelfSignedCert(),
        "tls:index/locallySignedCert:LocallySignedCert": LocallySignedCert(),
    }
    return BridgedProvider("tls", VERSION, types, engine)


if __name__ == "__main__":
    sys.exit(main(provider, sys.argv[1:]))
