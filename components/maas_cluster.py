"""A whole cluster as one component, for other Pulumi programs; this project's own program builds it without one."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.cluster import build
from components.cluster_secrets import ClusterSecrets
from components.outputs import Outputs, outputs
from config.load import Stack

TYPE = "maas-ha:index:MaasCluster"


class MaasCluster(pulumi.ComponentResource):
    """A highly available MAAS on hosts that SSH reaches."""

    outputs: dict[str, pulumi.Output[object]]
    """By name; see `Outputs`."""

    def __init__(
        self,
        name: str,
        given: Mapping[str, pulumi.Input[object]],
        stack: Stack | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """A cluster of `given` arguments, `stack` when checked; None where a preview doesn't know them all.

        Then nothing is below the component, and nothing is known of its outputs.
        """
        super().__init__(TYPE, name, given, opts)
        if stack is None:
            unknown = pulumi.Output.all(**given).apply(lambda _: None)
            self.outputs = dict.fromkeys(Outputs.names(), unknown)
        else:
            secrets = ClusterSecrets(name, pulumi.ResourceOptions(parent=self))
            self.outputs = outputs(stack.cluster.topology, build(stack, secrets, self)).by_name()
        self.register_outputs(self.outputs)
