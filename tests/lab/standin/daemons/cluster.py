"""A MAAS of the tests: a database and hosts."""

import contextlib
from pathlib import Path

from lab.standin.maas_standin import config, db

from .client import Client
from .machine import Machine
from .network import Network
from .polling import becomes, eventually
from .postgres import Postgres

ADMIN = "admin"


class Cluster:
    """One database, migrated, with an administrator."""

    def __init__(self, postgres: Postgres, network: Network, folder: Path, first_number: int) -> None:
        self.postgres = postgres
        self.network = network
        self.database = postgres.create_database()
        self._folder = folder
        self._number = first_number
        self.machines: dict[str, Machine] = {}

    def machine(self, name: str) -> Machine:
        """The host of that name, made when first asked for."""
        if name not in self.machines:
            self._number += 1
            self.machines[name] = Machine(self.network, self._folder, self._number, name)
        return self.machines[name]

    def config(self, machine: Machine) -> config.RegionConfig:
        """A region's configuration as its commands read it."""
        return config.read_region(machine.paths.regiond_conf)

    def region(self, name: str, workers: int = 2) -> Machine:
        """A host with regiond.conf and its nginx, on a migrated database; regiond is not started."""
        machine = self.machine(name)
        machine.region(self.postgres, self.database, workers)
        machine.front_door()
        if len(self.machines) == 1:
            db.migrate(self.config(machine))
        return machine

    def started_region(self, name: str, workers: int = 2) -> Machine:
        """`region`, started and listing all its event loops."""
        machine = self.region(name, workers)
        machine.regiond()
        self.wait_listed(machine, workers)
        return machine

    def wait_listed(self, machine: Machine, workers: int = 2) -> None:
        """Wait until `/MAAS/rpc/` of the host lists that many loops of its own."""
        mine = f"{machine.name}:pid="
        client = Client(machine.url)
        eventually(
            lambda: len([name for name in client.loops() if name.startswith(mine)]) == workers,
            f"{machine.name} lists {workers} loops",
        )

    def started_rack(self, name: str, *regions: Machine) -> Machine:
        """A rack connected to all regions."""
        machine = self.machine(name)
        machine.rack(*(r.url for r in regions), secret=regions[0].paths.secret.read_text())
        machine.rackd()
        admin = self.admin(regions[0])
        becomes(lambda: admin.service(name), ("running", ""), f"{name}: rackd is running")
        eventually(machine.paths.maas_uuid.exists, f"{name} has noted who it is")  # after the region has
        return machine

    def admin(self, region: Machine) -> Client:
        """A client with the administrator's key, who is made when first asked for."""
        connection = db.connect(self.config(region), "tests")
        try:
            try:
                key = db.api_keys(connection, ADMIN)[0]
            except db.UnknownUser:
                db.create_admin(connection, ADMIN, "secret", "admin@example.com")
                key = db.api_keys(connection, ADMIN)[0]
        finally:
            connection.close()
        return Client(region.url, key)

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement on the cluster's database as superuser."""
        return self.postgres.execute(statement, self.database)

    def clean_up(self) -> None:
        """End everything that runs on the hosts."""
        with contextlib.ExitStack() as every:
            for machine in self.machines.values():
                every.callback(machine.clean_up)
