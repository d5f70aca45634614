"""Ansible as installed, and as tuned: its own environment, its inventory, and `playbook.yml` run with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Run, run
from bench.progress import say
from bench.rivals.room import Room, close_masters
from toolchain.cache import Cache, digest
from toolchain.checkout import Checkout
from toolchain.commands import Commands
from toolchain.python_packages import PythonPackages, trusting

PLAYBOOK = Path(__file__).with_name("playbook.yml")
REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
GROUPS = {
    "database": (("db1",), ("postgresql-15",)),
    "balancers": (("lb1",), ("haproxy",)),
    "regions": (("region1", "region2"), ("maas-region-api", "postgresql-client")),
    "racks": (("rack1", "rack2"), ("maas-rack-controller",)),
}
"""Group → its hosts and their packages."""
TUNED = """[defaults]
forks = 20
gathering = smart
fact_caching = jsonfile
fact_caching_connection = {folder}/facts
[ssh_connection]
pipelining = True
"""


def environment() -> Path:
    """The virtual environment with ansible-core; made when it isn't there."""
    cache = Cache.of_user(os.environ)
    # Where it will stay: a virtual environment can't be moved.
    made = cache.entry("bench", digest(REQUIREMENTS.read_bytes()))
    whole = made / ".whole"
    if not whole.exists():
        say("installing ansible-core")
        shutil.rmtree(made, ignore_errors=True)
        uv = PythonPackages(Checkout.here(), cache, Commands()).uv()
        subprocess.run([uv, "venv", "--quiet", made], check=True)
        pinned = ("--quiet", "--require-hashes", "--compile-bytecode", "-r", REQUIREMENTS)
        target = ("--python", made / "bin" / "python")
        subprocess.run([uv, "pip", "install", *pinned, *target], check=True, env=trusting())
        whole.touch()
    return made


@dataclass(frozen=True)
class Ansible:
    """The playbook, in a room of its own."""

    room: Room
    tuned: bool

    def play(self, first_region: int = 2) -> Run:
        """Run all of it, with so many workers for region1. Raises CommandError.

        No SSH connection is left for the next run.
        """
        folder, tools = self.room.folder, environment() / "bin"
        configuration = folder / "ansible.cfg"
        configuration.write_text(TUNED.format(folder=folder) if self.tuned else "", encoding="utf-8")
        self._variables(first_region)
        masters = folder / "masters"
        settings = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(configuration),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(masters),
            "ANSIBLE_HOME": str(folder / "home"),
        }
        try:
            argv = ["ansible-playbook", "-i", "inventory.json", "-e", "@variables.json", str(PLAYBOOK)]
            return run(argv, folder, settings)
        finally:
            close_masters(masters, settings)

    def _variables(self, first_region: int) -> None:
        addresses = {host.name: str(host.address) for host in self.room.lab.hosts}
        place, shape = self.room.lab.place, self.room.lab.inventory.shape
        options = f"-o UserKnownHostsFile={place.known_hosts} -o IdentitiesOnly=yes -o IdentityAgent=none"
        groups = {
            group: {
                "hosts": {name: {"ansible_host": addresses[name]} for name in names},
                "vars": {"packages": list(packages)},
            }
            for group, (names, packages) in GROUPS.items()
        }
        login = {
            "ansible_user": "deploy",
            "ansible_ssh_private_key_file": str(place.deploy_key),
            "ansible_ssh_common_args": options,
        }
        inventory = {"all": {"children": groups, "vars": login}}
        self.room.write("inventory.json", json.dumps(inventory))
        variables = {
            "balancer": addresses["lb1"],
            "workers": {"region1": first_region, "region2": 2},
            "range_start": str(shape.address(100)),
            "range_end": str(shape.address(199)),
            "database_password": self.room.secret("database_password"),
            "admin_password": self.room.secret("admin_password"),
        }
        self.room.write("variables.json", json.dumps(variables))
