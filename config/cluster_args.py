"""A cluster as another Pulumi program gives it: a stack file's fields, but the hosts' keys as values."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from config.finding import Finding
from config.forms import HostKey, HostName
from config.stack_file import Cluster, checked
from config.topology import Topology

WHOSE = "the program"
"""Instead of a stack file."""


class ClusterArgs(Topology):
    """A highly available MAAS on hosts that SSH reaches."""

    host_keys: dict[HostName, HostKey] = Field(description="Public SSH key of every host, by the host's name")


def parse(raw: object, beside: Iterable[Finding] = ()) -> Cluster:
    """`raw`, the arguments by name, as a cluster.

    Raises `StackFileError` with every problem, those `beside` the cluster last.
    """
    return checked(ClusterArgs, raw, lambda args: (args.host_keys, _host_keys(args)), beside, WHOSE)


def _host_keys(args: ClusterArgs) -> list[Finding]:
    """Exactly the hosts have keys."""
    missing = [name for name in args.hosts if name not in args.host_keys]
    unknown = [name for name in args.host_keys if name not in args.hosts]
    return [
        *(
            Finding(f"host_keys.{name}", "is missing", "the program talks to no machine whose key it doesn't know")
            for name in missing
        ),
        *(Finding(f"host_keys.{name}", f"there is no host {name!r}", "take it out") for name in unknown),
    ]
