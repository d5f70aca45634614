"""A lab and a deployment of one module's own, for a procedure that changes what it stands on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab.cluster import Lab
from tests.engine.deployment import Cluster, Deployment
from tests.lab.traces import free_network

HOSTS: Mapping[str, int] = {"db1": 11, "region1": 21, "region2": 22, "rack1": 31, "rack2": 32, "lb1": 41}
"""The dev stack's hosts; a module may leave some out or add others."""


@contextmanager
def scenario(
    folder: Path,
    name: str,
    hosts: Mapping[str, int] = HOSTS,
    *,
    maas: str = "3.4",
    change: Callable[[Cluster], None] = lambda _: None,
) -> Iterator[Deployment]:
    """A lab called `name` with `hosts` on a free network, and the dev stack, changed by `change`, ready for `up` on it.

    The stack file's `hosts` are exactly those of the lab; everything else in it is the dev stack's until `change`.
    """
    lab = Lab(name, folder)
    project = folder / "project"
    project.mkdir()
    try:
        lab.up(free_network(), tuple(hosts.items()), maas)
        deployment = Deployment(project, lab)

        def shape(cluster: Cluster) -> None:
            cluster["hosts"] = {host.name: {"address": str(host.address)} for host in lab.hosts}
            cluster["maas"] = {**_mapping(cluster["maas"]), "version": maas}
            change(cluster)

        deployment.edit(shape)
        yield deployment
    finally:
        lab.down()


def _mapping(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


def until(what: str, holds: Callable[[], object], seconds: float = 300.0) -> None:
    """Ask until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
