"""What `maas-ha status` calls a problem of DHCP."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from config.stack_file import parse
from ops.dhcp_status import SubnetStatus, problems
from tests.stacks import cluster_of

WELL = SubnetStatus(
    subnet="198.51.100.0/24",
    mode="maas",
    vlan=5001,
    dhcp_on=True,
    primary="rack1",
    secondary="rack2",
    failover={"rack1": "normal/normal", "rack2": "normal/normal"},
)
OFF = WELL.model_copy(update={"dhcp_on": False, "primary": "", "secondary": "", "failover": {}})


@pytest.mark.parametrize(
    ("enabled", "found", "told"),
    [
        (True, [WELL], []),
        (True, [], ["198.51.100.0/24: MAAS knows no such subnet"]),
        (True, [OFF], ["198.51.100.0/24: not served by rack1 and rack2"]),
        (
            True,
            [WELL.model_copy(update={"failover": {"rack1": "no connection to 198.51.100.32, last normal/normal"}})],
            ["198.51.100.0/24: rack1: no connection to 198.51.100.32, last normal/normal"],
        ),
        (False, [OFF], []),
        (False, [WELL], ["198.51.100.0/24: DHCP isn't off"]),
    ],
)
def test_problems(tmp_path: Path, enabled: bool, found: list[SubnetStatus], told: list[str]) -> None:
    raw = cluster_of("dev", tmp_path / "known_hosts")
    cast("list[dict[str, object]]", raw["dhcp"])[0]["enabled"] = enabled
    assert problems(parse(raw, Path("/")), found) == told
