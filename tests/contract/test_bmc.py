"""BMC networks in the program: each rack is told its own, and a new one reaches those racks alone."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import pytest

from agent.bundle import RackSettings
from tests.config.test_rules import put
from tests.contract import recorder
from tests.contract.test_program import bundle_of
from tests.stacks import cluster_of

NETWORK, OWN = "203.0.113.0/24", "198.51.100.0/24"
RACKS = {"rack1": "203.0.113.31", "rack2": "203.0.113.32"}


@pytest.fixture
def with_bmc(tmp_path: Path) -> dict[str, object]:
    """Two racks that reach the BMCs of two networks."""
    cluster = copy.deepcopy(cluster_of("dev", tmp_path / "known_hosts"))
    for name, address in RACKS.items():
        put(cluster, f"hosts.{name}.also", [address])
    put(cluster, "bmc", [{"subnet": NETWORK, "racks": [*RACKS]}, {"subnet": OWN, "racks": ["rack2", "rack1"]}])
    return cluster


@pytest.mark.parametrize("rack", RACKS)
def test_a_rack_is_told_its_networks(with_bmc: dict[str, object], rack: str) -> None:
    program = recorder.run(with_bmc, preview=False)
    settings = bundle_of(program[f"{rack}-rack-apply"]).settings
    assert isinstance(settings, RackSettings)
    assert settings.bmc_subnets == (NETWORK, OWN)


def test_a_preview_shows_them(with_bmc: dict[str, object]) -> None:
    shown = recorder.run(with_bmc, preview=True)["rack1-rack"].inputs["settings"]
    assert cast("dict[str, str]", shown)["bmc_subnets"] == f"{NETWORK} {OWN}"


def test_a_new_network_reaches_its_racks_alone(with_bmc: dict[str, object]) -> None:
    after = recorder.run(with_bmc, preview=False)
    put(with_bmc, "bmc", [])
    before = recorder.run(with_bmc, preview=False)
    changed = {name for name, item in after.items() if item.inputs != before[name].inputs}
    assert changed == {f"{rack}-rack{part}" for rack in RACKS for part in ("", "-apply")}
