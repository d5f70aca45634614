"""Who deploys the dev stack: our program, the floor, Ansible as installed and as tuned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bench.processes import Run
from bench.rivals.ansible import Ansible
from bench.rivals.room import Room
from bench.stage import Project, Stage
from tests.engine.deployment import Cluster

OURS, FLOOR, ANSIBLE, TUNED = "ours", "floor", "Ansible", "tuned Ansible"


class Contestant(Protocol):
    """One deployment of one contestant. Every method raises CommandError where it fails."""

    def deploy(self) -> Run:
        """The dev stack on pristine hosts; again, on hosts that have it."""

    def workers(self, count: int) -> Run:
        """As many workers for region1."""


@dataclass
class Ours:
    """`pulumi up`."""

    project: Project

    def deploy(self) -> Run:
        return self.project.up()

    def workers(self, count: int) -> Run:
        def change(cluster: Cluster) -> None:
            regions = cluster["regions"]
            assert isinstance(regions, dict)  # noqa: S101 - for the types
            regions["region1"] = {"workers": count}

        self.project.deployment.edit(change)
        return self.project.up()


@dataclass
class Floor:
    """The bare script."""

    room: Room

    def deploy(self) -> Run:
        return self.room.floor("deploy")

    def workers(self, count: int) -> Run:
        return self.room.floor("workers", str(count))


@dataclass
class Playbook:
    """Our small playbook."""

    ansible: Ansible

    def deploy(self) -> Run:
        return self.ansible.play()

    def workers(self, count: int) -> Run:
        return self.ansible.play(first_region=count)


def _room(stage: Stage, name: str) -> Room:
    return Room(stage.room(name), stage.lab)


MAKE: Mapping[str, Callable[[Stage], Contestant]] = {
    OURS: lambda stage: Ours(stage.project()),
    FLOOR: lambda stage: Floor(_room(stage, "floor")),
    ANSIBLE: lambda stage: Playbook(Ansible(_room(stage, "ansible"), tuned=False)),
    TUNED: lambda stage: Playbook(Ansible(_room(stage, "tuned"), tuned=True)),
}
"""Contestant → a new one, on hosts that are pristine."""
