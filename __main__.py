"""The Pulumi program: load the stack file, build the cluster, export what others need."""

from __future__ import annotations

from pathlib import Path

import pulumi

from components.cluster import build
from config import rules
from config.finding import StackFileError
from config.load import load

try:
    stack = load(Path(__file__).parent)
except StackFileError as error:
    raise pulumi.RunError(str(error)) from None

topology = stack.cluster.topology
for finding in rules.advice(topology):
    pulumi.log.warn(str(finding))

built = build(stack)
pulumi.export("api_url", built.load_balancer.url)
pulumi.export("admin_username", topology.maas.admin.username)
pulumi.export("admin_password", built.secrets.admin_password)
pulumi.export("api_key", built.leader.api_key)
pulumi.export("ca_certificate", built.secrets.ca_certificate)
pulumi.export("database_endpoint", built.database.endpoint)
pulumi.export("regions", {name: region.system_id for name, region in built.regions.items()})
pulumi.export("racks", {name: rack.system_id for name, rack in built.racks.items()})
