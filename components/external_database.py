"""A PostgreSQL that the operator brings: nothing is made of it, and each region's agent checks it (maas-facts §7)."""

from __future__ import annotations

import pulumi

from components.postgres_primary import Database, Needs
from config.sizing import ordinary_need
from config.topology import ExternalDatabase, Topology
from config.versions import MAAS_STARTS_ON, VERSIONS


def external_database(topology: Topology, given: ExternalDatabase, password: pulumi.Output[str]) -> Database:
    """The same that `PostgresPrimary.database` gives, and what the agents are to find on the server."""
    documented = VERSIONS[topology.maas.version].min_postgres
    return Database(
        host=pulumi.Output.from_input(str(given.external)),
        port=given.port,
        name=given.name,
        role=given.role,
        password=password,
        needs=Needs(
            version=MAAS_STARTS_ON if given.accept_unsupported else documented,
            connections=ordinary_need(topology),
        ),
    )
