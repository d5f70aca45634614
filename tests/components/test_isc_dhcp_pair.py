"""Both sides of a stand-alone pair, to the letter and in order."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from agent.bundle import Bundle, IscDhcpSettings
from tests.components.test_rendering import same_as_golden
from tests.contract import recorder
from tests.contract.recorder import Recorded
from tests.stacks import HOST_KEY, cluster_of

NAME = "isc-dhcp-203.0.113.0-24"


def program(tmp_path: Path, *, preview: bool, **options: object) -> dict[str, Recorded]:
    """The dev stack and a stand-alone pair for another network."""
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    hosts = cast("dict[str, dict[str, object]]", cluster["hosts"])
    for name, number in (("dhcp1", 51), ("dhcp2", 52)):
        hosts[name] = {"address": f"198.51.100.{number}", "also": [f"203.0.113.{number}"]}
        with (tmp_path / "known_hosts").open("a") as file:
            file.write(f"198.51.100.{number} {HOST_KEY}\n")
    pair: dict[str, object] = {"mode": "isc", "subnet": "203.0.113.0/24", "primary": "dhcp1", "secondary": "dhcp2"}
    pair["range"] = {"start": "203.0.113.100", "end": "203.0.113.199"}
    return recorder.run(cluster | {"dhcp": [*cast("list[object]", cluster["dhcp"]), pair | options]}, preview=preview)


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_files(tmp_path: Path, role: str) -> None:
    boot = {"routers": ["203.0.113.1"], "dns_servers": ["203.0.113.53", "198.51.100.53"]}
    shown = program(tmp_path, preview=True, next_server="198.51.100.31", **boot)[NAME].inputs[role]
    files = cast("dict[str, str]", shown)
    same_as_golden(f"isc-{role}-dhcpd.conf", files["/etc/dhcp/dhcpd.conf"])
    same_as_golden(f"isc-{role}-isc-dhcp-server", files["/etc/default/isc-dhcp-server"])


def test_what_is_not_given_is_not_written(tmp_path: Path) -> None:
    shown = cast("dict[str, str]", program(tmp_path, preview=True)[NAME].inputs["primary"])
    text = shown["/etc/dhcp/dhcpd.conf"]
    assert "next-server" not in text
    assert "routers" not in text
    assert "filename" not in text


def test_the_second_follows_the_first_and_waits(tmp_path: Path) -> None:
    found = program(tmp_path, preview=False)
    assert f"{NAME}-dhcp1" in found[f"{NAME}-dhcp2"].dependencies()
    assert "dhcp1-bootstrap" in found[f"{NAME}-dhcp1"].dependencies()
    for name, waits in (("dhcp1", False), ("dhcp2", True)):
        bundle = Bundle.from_json(str(recorder.plain(found[f"{NAME}-{name}"].inputs["stdin"])))
        assert isinstance(bundle.settings, IscDhcpSettings)
        assert bundle.settings.waits is waits
        assert bundle.files[0].check == ("dhcpd", "-t", "-4", "-cf", "{staged}")
        assert bundle.packages == ("isc-dhcp-server",)
