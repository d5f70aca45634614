"""The dev stack without an engine, its MAAS on a loopback port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ops.stack import Outputs
from tests.agent.fake_maas import KEY, FakeMaas
from tests.stacks import cluster_of


@pytest.fixture
def maas() -> Iterator[FakeMaas]:
    """MAAS with the dev stack's two racks, connected to two event loops."""
    fake = FakeMaas()
    for rack in ("rack1", "rack2"):
        fake.add_rack(rack)
        fake.racks[rack]["hostname"] = rack
    fake.event_loops = {
        "region1:pid=11": [["198.51.100.21", 5250]],
        "region2:pid=22": [["198.51.100.22", 5250], ["2001:db8::22", 5250]],
    }
    yield fake
    fake.close()


@pytest.fixture
def outputs(maas: FakeMaas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outputs:
    """The stack's outputs; the stack file is in the current folder."""
    monkeypatch.chdir(tmp_path)
    content = {"config": {"maas-ha:cluster": cluster_of("dev", tmp_path / "known_hosts")}}
    Path("Pulumi.dev.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return Outputs(api_url=maas.url, api_key=KEY, ca_certificate="", database_endpoint="", regions={}, racks={})
