"""`python -m tests.fake_hosts ENGINE_ADDRESS`: the command plugin, whose hosts answer at once and do nothing."""

from __future__ import annotations

import hashlib
import json
import sys

from toolchain.plugins.command.provider import CommandProvider
from toolchain.plugins.protocol import main
from toolchain.plugins.values import Properties, plain

SHARED_SECRET, API_KEY = "0123456789abcdef0123456789abcdef", "consumer:token:secret"


class FakeHosts(CommandProvider):
    """Every transaction succeeds; what comes back depends on the bundle's role alone."""

    async def _run(self, urn: str, key: str, inputs: Properties, previous: dict[str, bytes]) -> Properties:
        bundle = json.loads(str(plain(inputs.get("stdin"))).strip().rpartition("\n")[2])
        outputs: dict[str, object] = {}
        if bundle["role"] in ("region", "rack"):
            outputs["findings"] = ""
            outputs["system_id"] = hashlib.sha256(bundle["host"].encode()).hexdigest()[:6]
        if bundle["role"] == "region" and bundle["settings"]["leader"]:
            outputs |= {"shared_secret": SHARED_SECRET, "api_key": API_KEY}
        if bundle["role"] == "dhcp":
            outputs["vlan"] = "5001"
        return {"stdout": json.dumps(outputs) if key == "create" else "", "stderr": ""}


if __name__ == "__main__":
    sys.exit(main(FakeHosts, sys.argv[1:]))
