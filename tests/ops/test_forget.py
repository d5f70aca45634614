"""A host that is gone for good leaves the state, and nothing else does."""

from __future__ import annotations

import json

import pytest

from ops.engine import EngineError
from ops.forget import without_host

PREFIX = "urn:pulumi:dev::maas-ha"


def command(name: str, host: str, *before: str) -> dict[str, object]:
    return {
        "urn": f"{PREFIX}::command:remote:Command::{name}",
        "type": "command:remote:Command",
        "inputs": {"triggers": [host, f"ssh-ed25519 {host}"]},
        "dependencies": [f"{PREFIX}::command:remote:Command::{earlier}" for earlier in before],
        "propertyDependencies": {"stdin": [f"{PREFIX}::command:remote:Command::{earlier}" for earlier in before]},
    }


STATE = json.dumps(
    {
        "version": 3,
        "deployment": {
            "resources": [
                {"urn": f"{PREFIX}::pulumi:pulumi:Stack::maas-ha-dev", "type": "pulumi:pulumi:Stack"},
                command("rack1-bootstrap", "rack1"),
                command("rack2-bootstrap", "rack2"),
                command("rack1-rack-apply", "rack1", "rack1-bootstrap"),
                command("rack2-rack-apply", "rack2", "rack2-bootstrap", "rack1-rack-apply"),
                command("dhcp-primary", "rack1", "rack1-rack-apply", "rack2-rack-apply"),
            ]
        },
    }
)


def test_a_host_goes_with_all_its_commands() -> None:
    forgotten = without_host(STATE, "rack2")
    assert forgotten.names == ("rack2-bootstrap", "rack2-rack-apply")
    resources = json.loads(forgotten.state)["deployment"]["resources"]
    assert [item["urn"].rsplit("::", 1)[1] for item in resources] == [
        "maas-ha-dev",
        "rack1-bootstrap",
        "rack1-rack-apply",
        "dhcp-primary",
    ]
    assert "rack2" not in json.dumps(resources)
    assert resources[-1]["dependencies"] == [f"{PREFIX}::command:remote:Command::rack1-rack-apply"]


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(EngineError, match=r"no host 'rack9'; it knows rack1, rack2"):
        without_host(STATE, "rack9")


def test_an_empty_state() -> None:
    with pytest.raises(EngineError, match="it knows none"):
        without_host('{"version": 3, "deployment": {}}', "rack1")
