"""dhcpd.conf, checked by the real dhcpd (maas-facts §6)."""

import subprocess
from pathlib import Path

import pytest

from lab.standin.maas_standin import dhcp


def configuration(mode: str) -> dhcp.Configuration:
    """One VLAN with one subnet, in a pair."""
    return {
        "omapi_key": "00" * 16,
        "interfaces": ["eth0"],
        "failover_peers": [
            {"name": "failover-vlan-5001", "mode": mode, "address": "198.18.0.2", "peer_address": "198.18.0.3"}
        ],
        "shared_networks": [
            {
                "name": "vlan-5001",
                "mtu": 1500,
                "subnets": [
                    {
                        "cidr": "198.18.0.0/24",
                        "gateway_ip": "198.18.0.1",
                        "dns_servers": ["198.18.0.2", "198.18.0.3"],
                        "next_server": "198.18.0.2",
                        "pools": [
                            {"start_ip": "198.18.0.9", "end_ip": "198.18.0.20", "failover_peer": "failover-vlan-5001"}
                        ],
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize("mode", ["primary", "secondary"])
def test_dhcpd_accepts_what_is_rendered(mode: str, tmp_path: Path) -> None:
    """Both sides of a pair."""
    path = tmp_path / "dhcpd.conf"
    path.write_text(dhcp.render(configuration(mode)))
    checked = subprocess.run(["dhcpd", "-t", "-4", "-cf", str(path)], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_failover_declaration() -> None:
    """§6 line by line: no port, mclt and split only in the primary."""
    primary = dhcp.render(configuration("primary"))
    assert (
        'failover peer "failover-vlan-5001" {\n    primary;\n    address 198.18.0.2;\n    peer address 198.18.0.3;\n'
        "    max-response-delay 60;\n    max-unacked-updates 10;\n    load balance max seconds 3;\n"
        "    mclt 3600;\n    split 255;\n}\n"
    ) in primary
    assert "omapi-port 7911;" in primary
    assert "default-lease-time 600;\n        max-lease-time 600;" in primary
    secondary = dhcp.render(configuration("secondary"))
    assert "    secondary;" in secondary
    assert "mclt" not in secondary
    assert "split" not in secondary
