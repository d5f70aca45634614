"""One PostgreSQL of a cluster, run by Patroni. No data is removed here, whoever's it is.

The first host of a new cluster makes the database, or goes on with that of the stack's one PostgreSQL (`takeover`).
"""

from __future__ import annotations

import time

from agent.changes import effects
from agent.cluster_settings import (
    CERTIFICATE,
    ETCD_UNIT,
    NAMESPACE,
    PATRONI_CONF,
    PATRONI_FOLDER,
    PATRONI_UNIT,
    POSTGRES_PORT,
    SCOPE,
    PatroniSettings,
    data_folder,
)
from agent.database_client import administrators_psql
from agent.errors import StepError
from agent.etcd import Etcd
from agent.machine import Machine, Work
from agent.mutual_tls import NoAnswerError
from agent.patroni import UP
from agent.patroni import Patroni as Cluster
from agent.records import Record
from agent.roles.base import Role
from agent.takeover import Former, Takeover, former_of, hand_back, is_taken_over

QUORUM_DEADLINE = 180.0
"""Seconds until etcd's members have found each other."""
COPY_DEADLINE = 1500.0
"""Seconds until a new host has the leader's data, or an old leader has been brought back to it."""
NOT_WRONG = ("is already in use", "is not reachable", "bootstrap.pg_hba  is not defined")
"""What Patroni's check also says: of hosts that do run, or don't yet, and of lines that it has from elsewhere."""
USED = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();"
LOADED = "SELECT extract(epoch FROM pg_conf_load_time());"
PSQL = administrators_psql("-h", "/var/run/postgresql", "-p", str(POSTGRES_PORT))


class Patroni(Role):
    """Done when PostgreSQL runs here, as the leader or behind it, and follows its configuration."""

    cleans_up_without_record = True  # what it took over may still have to be given back

    def __init__(self, work: Work, settings: PatroniSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._swapped = time.time()
        former = former_of(work.paths) if work.record is None else None
        self._takeover = Takeover(work, former, settings.version) if former else None

    @property
    def _cluster(self) -> Cluster:
        return Cluster(self.work.paths, {self.work.bundle.host: self.settings.address})

    def prepare(self) -> None:
        """Refuse a host whose PostgreSQL is another's."""
        if self._takeover:
            self._takeover.prepare()
        elif self.work.record is None:
            self._refuse_others()

    def _refuse_others(self) -> None:
        if self.work.units.state(PATRONI_UNIT).active:
            raise StepError(f"{PATRONI_UNIT} runs on this host for something else: name another host")
        listed = self.work.commands.run("pg_lsclusters", "--no-header", check=False).stdout.splitlines()
        rivals = [words for words in map(str.split, listed) if words[2:3] == [str(POSTGRES_PORT)]]
        for version, name, _, state, *_ in rivals:
            raise StepError(
                f"PostgreSQL {version}/{name} is on this host ({state}) and has port {POSTGRES_PORT}; nothing was"
                " touched\n"
                f"Give it another (`pg_conftool {version} {name} set port 5433`), or, if nobody needs its data, run"
                f" `pg_dropcluster --stop {version} {name}`; or name another host in database.cluster"
            )

    def before_units(self) -> None:
        """etcd has a majority, its state fits to the data here, and Patroni accepts its file."""
        if not self.work.changes:
            return
        self._swapped = time.time()
        etcd = Etcd(self.work.paths, PATRONI_FOLDER, self.settings.etcd)
        self.work.wait("etcd with a majority", QUORUM_DEADLINE, etcd.ailment, unit=ETCD_UNIT)
        initialized = etcd.value(f"{NAMESPACE}{SCOPE}/initialize")
        self._refuse_to_start(initialized)
        self.work.report.step("check Patroni's configuration")
        place = str(self.work.paths.at(PATRONI_CONF))
        argv = ("runuser", "-u", "postgres", "--", "patroni", "--validate-config", place)
        done = self.work.commands.run(*argv, check=False)
        said = (done.stderr + done.stdout).splitlines()
        wrong = [line for line in said if line.strip() and not any(words in line for words in NOT_WRONG)]
        if done.code != 0 and wrong:
            raise StepError("\n".join(["Patroni refuses its configuration:", *wrong[:6]]))
        if self._takeover:
            self._takeover.begin()

    def _refuse_to_start(self, initialized: str) -> None:
        """Data that etcd knows nothing of may be a replica that lags: whoever starts first would lead with it.

        `initialized` is the database's identifier in etcd, "" while the cluster has none.
        """
        host, folder = self.work.bundle.host, data_folder(self.settings.version)
        if self._takeover:
            if initialized not in ("", self._takeover.identifier):
                raise StepError(
                    f"etcd knows the cluster by other data ({initialized}) than those of this host's PostgreSQL"
                    f" ({self._takeover.identifier}), which goes on as it is\n"
                    "Put database.host back. If nobody needs that cluster, move /var/lib/etcd and"
                    f" {folder} away on its hosts after that"
                )
        elif self.work.paths.at(f"{folder}/PG_VERSION").exists() and not initialized:
            raise StepError(
                f"{folder} holds data of a cluster that etcd knows nothing of; it may lack what another host has, and"
                " nothing was touched\n"
                "Bring /var/lib/etcd back on more than half of the hosts. Without it: move that folder away on every"
                " host, run `pulumi up`, and restore a dump"
            )
        elif not initialized and host != self.settings.founder:
            raise StepError(
                f"the cluster has no database yet, and {self.settings.founder}, the first in database.cluster, is to"
                " make it: run `pulumi up`"
            )

    def health(self) -> None:
        """PostgreSQL runs here, there is a leader, and what changed is in force."""
        self.work.wait("PostgreSQL", COPY_DEADLINE, self._missing, unit=PATRONI_UNIT)

    def _missing(self) -> str:
        host = self.work.bundle.host
        if not self.work.units.state(PATRONI_UNIT).active:
            raise StepError(f"{PATRONI_UNIT} has ended", unit=PATRONI_UNIT)
        if down := self._cluster.is_up(host):
            return down
        try:
            members = self._cluster.members()
        except NoAnswerError as error:
            return error.cause
        if not any(member.leads for member in members):
            return "no host leads yet"
        if not any(member.name == host and member.state in UP for member in members):
            return f"{host} isn't known to the leader yet"
        return self._unread() if PATRONI_UNIT in effects(self.work.changes) else ""

    def _unread(self) -> str:
        """What of the new files PostgreSQL doesn't follow yet."""
        done = self.work.commands.run(*PSQL, stdin=LOADED, check=False)
        if done.code != 0:
            return done.complaint
        if float(done.stdout) < self._swapped - 0.001:
            return "it hasn't read its files yet"
        place = self.work.paths.at(f"{data_folder(self.settings.version)}/pg_hba.conf")
        lines = [line for line in place.read_text().splitlines() if line and not line.startswith("#")]
        return "" if lines == list(self.settings.hba) else "its pg_hba.conf isn't the new one yet"

    def remove(self) -> None:
        """While the one PostgreSQL that was here is still the stack's, it goes on with what the leader has."""
        host = self.work.bundle.host
        if self.work.record and self._handed_back() and (leader := self._cluster.leader()) != host:
            raise StepError(
                f"{leader or 'no host'} leads, and PostgreSQL on {host} would go on without what was written there\n"
                f"Let {host} lead: `runuser -u postgres -- patronictl -c {PATRONI_CONF} switchover --candidate {host}`"
            )

    def removed(self) -> None:
        """The one PostgreSQL that was here before serves again, if it is still the stack's."""
        if former := self._handed_back():
            hand_back(self.work, former)

    def _handed_back(self) -> Former | None:
        """The PostgreSQL whose data these are, while it is the stack's."""
        return former_of(self.work.paths) if is_taken_over(self.work.paths, self.settings.version) else None

    @classmethod
    def told(cls, machine: Machine, record: Record) -> dict[str, object]:
        """This host's part in the cluster, its connections and its certificate."""
        settings = record.settings
        assert isinstance(settings, PatroniSettings)  # noqa: S101 - the record's role is this one
        done = machine.commands.run(*PSQL, stdin=USED, check=False)
        certificate = machine.paths.at(f"{PATRONI_FOLDER}/{CERTIFICATE}")
        try:
            members = Cluster(machine.paths, {record.host: settings.address}).members()
        except NoAnswerError:
            members = []
        own = next((member for member in members if member.name == record.host), None)
        part = {"role": own.role.replace("_", " "), "state": own.state, "lag_bytes": own.lag} if own else None
        return {
            "member": part or {"role": "member", "state": "not running", "lag_bytes": None},
            "connections": {
                "used": int(done.stdout) if done.code == 0 else None,
                "allowed": settings.connections,
            },
            "certificates": {"PostgreSQL": certificate.read_text()} if certificate.exists() else {},
        }

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """A PostgreSQL that doesn't run."""
        settings = record.settings
        if not isinstance(settings, PatroniSettings):
            return []
        down = Cluster(machine.paths, {record.host: settings.address}).is_up(record.host)
        return [f"Patroni: {down}"] if down else []
