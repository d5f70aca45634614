"""What a cluster offers to others, under the same names in a stack reference and as a component of their program."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pulumi

from components.cluster import Built
from config.topology import Topology


@dataclass(frozen=True)
class Outputs:
    """See docs/environments.md."""

    api_url: pulumi.Output[str]
    admin_username: pulumi.Output[str]
    admin_password: pulumi.Output[str]
    """Secret."""
    api_key: pulumi.Output[str]
    """Secret."""
    ca_certificate: pulumi.Output[str]
    database_endpoint: pulumi.Output[str]
    regions: pulumi.Output[dict[str, str]]
    """Host name → system_id."""
    racks: pulumi.Output[dict[str, str]]
    """Host name → system_id."""

    @classmethod
    def names(cls) -> list[str]:
        """Of every output."""
        return [field.name for field in fields(cls)]

    def by_name(self) -> dict[str, pulumi.Output[object]]:
        """Name → output."""
        return {name: getattr(self, name) for name in self.names()}


def outputs(topology: Topology, built: Built) -> Outputs:
    """The outputs of a built cluster."""
    return Outputs(
        api_url=built.load_balancer.url,
        admin_username=pulumi.Output.from_input(topology.maas.admin.username),
        admin_password=built.secrets.admin_password,
        api_key=built.leader.api_key,
        ca_certificate=built.secrets.ca_certificate,
        database_endpoint=built.database.endpoint,
        regions=pulumi.Output.all(**{name: region.system_id for name, region in built.regions.items()}),
        racks=pulumi.Output.all(**{name: rack.system_id for name, rack in built.racks.items()}),
    )
