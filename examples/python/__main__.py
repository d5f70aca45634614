"""A highly available MAAS as one component of another program: two regions, two racks that serve DHCP together."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi


class MaasCluster(pulumi.ComponentResource):
    """`maas-ha:index:MaasCluster`. Its arguments are a stack file's fields, and `host_keys`."""

    api_url: pulumi.Output[str]
    admin_username: pulumi.Output[str]
    admin_password: pulumi.Output[str]
    api_key: pulumi.Output[str]
    ca_certificate: pulumi.Output[str]
    database_endpoint: pulumi.Output[str]
    regions: pulumi.Output[dict[str, str]]
    racks: pulumi.Output[dict[str, str]]

    def __init__(
        self, name: str, args: Mapping[str, pulumi.Input[object]], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = dict.fromkeys(self.__annotations__)  # without a value, but for those that are arguments as well
        super().__init__("maas-ha:index:MaasCluster", name, {**outputs, **args}, opts, remote=True)


ADDRESSES = {
    "db1": "198.51.100.11",
    "region1": "198.51.100.21",
    "region2": "198.51.100.22",
    "rack1": "198.51.100.31",
    "rack2": "198.51.100.32",
    "lb1": "198.51.100.41",
}
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZ4b2Vd0s0n3nXv0m4CkqkYJrW0nHq1p1v9o2m3C4dE"
"""Of documentation hosts: replace it by each host's own."""

maas = MaasCluster(
    "maas",
    {
        "maas": {"version": "3.6", "admin": {"email": "maas@example.com"}},
        "ssh": {"user": "deploy"},
        "hosts": {name: {"address": address} for name, address in ADDRESSES.items()},
        "host_keys": dict.fromkeys(ADDRESSES, HOST_KEY),
        "database": {"host": "db1", "version": 16},
        "regions": {"region1": {"workers": 4}, "region2": {"workers": 4}},
        "racks": ["rack1", "rack2"],
        "load_balancer": {"host": "lb1"},
        "dhcp": [
            {
                "subnet": "198.51.100.0/24",
                "range": {"start": "198.51.100.100", "end": "198.51.100.199"},
                "primary": "rack1",
                "secondary": "rack2",
            }
        ],
    },
)
pulumi.export("api_url", maas.api_url)
pulumi.export("api_key", maas.api_key)
pulumi.export("ca_certificate", maas.ca_certificate)
pulumi.export("racks", maas.racks)
