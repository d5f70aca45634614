"""A PostgreSQL cluster as a whole, from one of its hosts: what they have in common, and MAAS's role and database.

Settings that need a restart reach replicas first; then another host leads, and the old leader follows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from agent.bundle import PostgresSettings
from agent.cluster_settings import (
    AUTHORITY,
    PATRONI_FOLDER,
    PATRONI_UNIT,
    POSTGRES_PORT,
    SUPERUSER,
    PostgresClusterSettings,
)
from agent.database_client import Login, run_sql
from agent.errors import StepError
from agent.machine import Machine, Work
from agent.mutual_tls import NoAnswerError
from agent.patroni import UP, Member, Patroni, is_within, undo_of
from agent.records import Record
from agent.roles.base import Outputs, Role
from agent.roles.postgres import ServerState, parse_state, state_query, statements_for, too_few_connections
from agent.sql import literal

DEADLINE = 180.0
"""Seconds for each step of the cluster as a whole."""
SYNC_STANDBY = "sync_standby"


class PostgresCluster(Role):
    """Done when all hosts run with the wanted settings, one leads, and it has MAAS's role and database."""

    def __init__(self, work: Work, settings: PostgresClusterSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._patroni = Patroni(work.paths, settings.members)
        self._wanted = cast("dict[str, object]", json.loads(settings.dynamic))
        self._undo: dict[str, object] = {}
        self._state: ServerState | None = None

    def prepare(self) -> None:
        """The passwords must be in the bundle."""
        self.work.secret("database_password")
        self.work.secret("superuser_password")

    def health(self) -> None:
        """All hosts are up with the settings that they have in common."""
        self._wait("all hosts of the cluster", self._absent)
        found = self._patroni.configuration()
        if not is_within(self._wanted, found):
            self.work.report.step("change the configuration of the cluster")
            self._undo = undo_of(self._wanted, found)
            self._patroni.patch(self._leader(), self._wanted)
        self._wait("the new settings on every host", self._unnoticed)
        self._roll()
        self._wait("all hosts of the cluster", self._absent)

    def _roll(self) -> None:
        """Restart what must be, the leader last and as a replica."""
        self._restart_replicas()
        leader = self._leader()
        if self._patroni.waits_for_restart(leader):
            self._give_way(leader)
        self._wait("the new settings in force on every host", self._restart_lacking)

    def _give_way(self, leader: str) -> None:
        candidate = self._candidate(leader)
        self.work.report.step(f"let {candidate} lead instead of {leader}")
        self._patroni.switch_over(leader, candidate)
        self._wait(f"{candidate} as leader", lambda: "" if self._patroni.leader() == candidate else f"{leader} leads")
        self._wait("all hosts of the cluster", self._absent)
        self._restart_replicas()

    def _restart_lacking(self) -> str:
        """A lower limit reaches replicas only through a leader that was restarted with it, and once they know of it."""
        leader = self._leader()
        lacking = [name for name in sorted(self.settings.members, key=lambda name: name != leader) if self._lacks(name)]
        for name in lacking:
            self._restart(name)
        return f"{', '.join(lacking)} had the former ones" if lacking else ""

    def _restart_replicas(self) -> None:
        leader = self._leader()
        for name in self.settings.members:
            if name != leader and self._patroni.waits_for_restart(name):
                self._restart(name)

    def _restart(self, name: str) -> None:
        self.work.report.step(f"restart PostgreSQL on {name}")
        self._patroni.restart(name)
        self._wait("all hosts of the cluster", self._absent)

    def _candidate(self, leader: str) -> str:
        """Who may lead next; in a synchronous cluster that is who has every acknowledged write."""
        others = [member for member in self._patroni.members() if member.name != leader and member.state in UP]
        fit = [member for member in others if member.role == SYNC_STANDBY or not self.settings.synchronous]
        if not fit:
            raise StepError(f"no host can lead instead of {leader}, which must restart", unit=PATRONI_UNIT)
        return fit[0].name

    def _wait(self, what: str, missing: Callable[[], str]) -> None:
        def attempt() -> str:
            try:
                return missing()
            except NoAnswerError as error:
                return error.cause

        self.work.wait(what, DEADLINE, attempt, unit=PATRONI_UNIT)

    def _absent(self) -> str:
        """Who of the cluster isn't as it is to be, or ""."""
        members = {member.name: member for member in self._patroni.members()}
        for name in self.settings.members:
            if name not in members or members[name].state not in UP:
                return f"{name} is {members[name].state if name in members else 'not there'}"
        return next(filter(None, map(self._patroni.is_up, self.settings.members)), "") or self._without_leader(
            list(members.values())
        )

    def _without_leader(self, members: list[Member]) -> str:
        if not any(member.leads for member in members):
            return "no host leads"
        if self.settings.synchronous and not any(member.role == SYNC_STANDBY for member in members):
            return "no replica is synchronous yet"
        return ""

    def _unnoticed(self) -> str:
        """A host that neither has the common settings nor knows that it must restart for them, or ""."""
        for name in self.settings.members:
            if self._lacks(name) and not self._patroni.waits_for_restart(name):
                return f"{name} hasn't heard of them yet"
        return ""

    def _lacks(self, name: str) -> bool:
        """True if the host's PostgreSQL runs with other settings. Raises `NoAnswerError`."""
        postgresql = self._wanted.get("postgresql")
        parameters = postgresql.get("parameters") if isinstance(postgresql, dict) else None
        wanted = {str(key): str(value) for key, value in (parameters or {}).items()}
        done = run_sql(self.work, self._login(name), "postgres", _settings_query(list(wanted)))
        if done.code != 0:
            raise NoAnswerError(f"{name}: {done.complaint}")
        return bool(json.loads(done.stdout) != wanted)

    def _leader(self) -> str:
        """The host that leads. Raises `StepError` if there is none."""
        found = ""

        def missing() -> str:
            nonlocal found
            found = self._patroni.leader()
            return "" if found else "no host leads"

        self._wait("a leader", missing)
        return found

    def _login(self, name: str) -> Login:
        authority = str(self.work.paths.at(f"{PATRONI_FOLDER}/{AUTHORITY}"))
        password = self.work.secret("superuser_password")
        return Login(self.settings.members[name], POSTGRES_PORT, SUPERUSER, password, authority)

    def finish(self) -> None:
        """Role and database of MAAS, on whoever leads; statements only for what differs."""
        login = self._login(self._leader())
        own = PostgresSettings(self.settings.version, self.settings.database, self.settings.role)
        done = run_sql(self.work, login, "postgres", state_query(own))
        if done.code != 0:
            raise StepError(f"PostgreSQL doesn't answer: {done.complaint}", unit=PATRONI_UNIT)
        self._state = parse_state(done.stdout)
        limits = PostgresSettings(own.version, own.database, own.role, self.settings.connections)
        if short := too_few_connections(limits, self._state):
            raise StepError(short)
        statements = statements_for(own, self._state, self.work.secret("database_password"))
        if statements:
            self.work.report.step(f"role {own.role} and database {own.database}")
            done = run_sql(self.work, login, "postgres", "".join(f"{statement};\n" for statement in statements))
            if done.code != 0:
                raise StepError(f"role {own.role} and database {own.database}: {done.complaint}", unit=PATRONI_UNIT)

    def outputs(self) -> Outputs:
        """Server version."""
        return {"version": self._state.version if self._state else ""}

    def roll_back(self) -> None:
        """What the hosts had in common before comes back; those that were restarted stay up."""
        if self._undo:
            with suppress(StepError):
                self._patroni.patch(self._patroni.leader() or self.work.bundle.host, self._undo)

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """Hosts that are missing, no leader, another configuration."""
        settings = record.settings
        if not isinstance(settings, PostgresClusterSettings):
            return []
        patroni = Patroni(machine.paths, settings.members)
        try:
            members = patroni.members()
            configuration = patroni.configuration()
        except NoAnswerError as error:
            return [f"Patroni doesn't answer: {error.cause}"]
        states = {member.name: member.state for member in members}
        absent = [name for name in settings.members if states.get(name) not in UP]
        found = [f"PostgreSQL on {name} is {states.get(name, 'not there')}" for name in absent]
        if not any(member.leads for member in members):
            found.append("no host leads")
        if not is_within(json.loads(settings.dynamic), configuration):
            found.append("Patroni's configuration in etcd isn't that of the stack file")
        found += [f"PostgreSQL on {member.name} waits for a restart" for member in members if member.pending_restart]
        return found


def _settings_query(names: list[str]) -> str:
    quoted = ", ".join(literal(name) for name in names)
    return f"SELECT coalesce(json_object_agg(name, setting), '{{}}') FROM pg_settings WHERE name IN ({quoted});"  # noqa: S608
