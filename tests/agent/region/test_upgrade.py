"""A region from one MAAS to the next: dumped, migrated once, never run on a schema that isn't its own."""

from __future__ import annotations

import json

import pytest

from agent import drain, region_hold, region_peers
from agent.bundle import Bundle, HostSettings
from agent.errors import InterruptedBySignalError
from agent.hold import MARK, OWN
from agent.packages import Packages
from agent.trouble import ToldError
from tests.agent.fake_maas import FakeMaas
from tests.agent.region.fake_packages import NEW, OLD, Upgradable
from tests.agent.region.fake_region import UNIT, Controller


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (region_peers, "RACKS_DEADLINE"),
        (region_peers, "COVERED_DEADLINE"),
        (drain, "HEARD_DEADLINE"),
    ):
        monkeypatch.setattr(module, name, 0.3)


@pytest.fixture
def leader(controller: Controller) -> Upgradable:
    """The first region, with MAAS 3.4."""
    made = Upgradable(controller)
    made.deploy()
    return made


@pytest.fixture
def follower(controller: Controller) -> Upgradable:
    """Another region, with MAAS 3.4."""
    made = Upgradable(controller, leader=False)
    made.deploy()
    return made


def note(host: Upgradable) -> tuple[str, bool]:
    found = json.loads(host.machine.read("/var/lib/maas-ha/schema.json"))
    return found["version"], found["done"]


class TestFirstRegion:
    def test_dump_packages_and_schema_while_no_regiond_runs(self, leader: Upgradable) -> None:
        leader.controller.local.apply(leader.bundle())
        assert leader.order() == ["download active", "dump inactive", "packages inactive"]
        assert leader.controller.commands().count("dbupgrade") == 1
        assert leader.calls() == [f"stop {UNIT}", f"start {UNIT}"]
        assert note(leader) == (NEW, True)
        assert leader.serves
        assert not leader.is_held

    def test_the_dump_is_roots_alone_and_named_after_both_versions(
        self, leader: Upgradable, capfd: pytest.CaptureFixture[str]
    ) -> None:
        leader.controller.local.apply(leader.bundle())
        [dump] = leader.dumps()
        assert dump.name.startswith("maasdb-3.4.10-before-3.5-")
        assert (dump.read_text(), dump.stat().st_mode & 0o777) == (OLD, 0o600)
        assert dump.parent.stat().st_mode & 0o777 == 0o700
        assert f"/var/backups/maas-ha/{dump.name}" in capfd.readouterr().err

    def test_again_nothing(self, leader: Upgradable) -> None:
        leader.controller.local.apply(leader.bundle())
        leader.order(), leader.calls(), leader.controller.commands()
        leader.controller.local.apply(leader.bundle())
        assert (leader.order(), leader.calls()) == ([], [])
        assert leader.controller.commands() == []
        assert len(leader.dumps()) == 1

    def test_a_first_deployment_is_no_upgrade(self, controller: Controller) -> None:
        new = Upgradable(controller)
        controller.touch("version", NEW)
        controller.services()
        controller.local.apply(new.bundle())
        assert (new.order(), new.dumps()) == ([], [])

    def test_another_offer_is_refused(self, leader: Upgradable) -> None:
        leader.controller.touch("offered", "1:3.4.11")
        with pytest.raises(
            ToldError, match=r"(?s)is 3\.5, and apt on this host has maas-region-api 3\.4\.11.*maas\.repository"
        ):
            leader.controller.local.apply(leader.bundle())
        self.assert_untouched(leader)

    def test_regions_that_run_are_refused(self, leader: Upgradable) -> None:
        leader.controller.touch("others", "10.0.0.7\n")
        with pytest.raises(ToldError, match=r"regiond of another region runs at 10\.0\.0\.7"):
            leader.controller.local.apply(leader.bundle())
        self.assert_untouched(leader)

    @pytest.mark.parametrize("status", ["running", "degraded"])
    def test_racks_that_run_an_older_maas_are_refused(self, leader: Upgradable, maas: FakeMaas, status: str) -> None:
        maas.add_rack("aaa", status)
        maas.racks["aaa"]["version"] = "3.4.10-14366-g.518bf2c80"
        with pytest.raises(ToldError, match=r"racks come before regions, and host-aaa \(3\.4\.10\) isn't of MAAS 3\.5"):
            leader.controller.local.apply(leader.bundle())
        self.assert_untouched(leader)

    def test_a_dead_rack_is_told(self, leader: Upgradable, maas: FakeMaas, capfd: pytest.CaptureFixture[str]) -> None:
        maas.add_rack("aaa", "dead")
        maas.racks["aaa"]["version"] = "3.4.10"
        leader.controller.local.apply(leader.bundle())
        assert "host-aaa doesn't run, and is of an older MAAS" in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("client", "told"), [("14.9", "pg_dump on this host is of PostgreSQL 14, the database of 15")]
    )
    def test_a_pg_dump_that_is_too_old(self, leader: Upgradable, client: str, told: str) -> None:
        leader.controller.touch("client", client)
        with pytest.raises(ToldError, match=told):
            leader.controller.local.apply(leader.bundle())
        self.assert_untouched(leader)

    @pytest.mark.parametrize(("cause", "told"), [("dump-fails", "connection lost"), ("dump-bad", "no table is in it")])
    def test_without_a_dump_the_old_version_serves_on(self, leader: Upgradable, cause: str, told: str) -> None:
        leader.controller.touch(cause)
        with pytest.raises(ToldError, match=told):
            leader.controller.local.apply(leader.bundle())
        assert leader.calls() == [f"stop {UNIT}", f"restart {UNIT}"]
        assert leader.serves
        assert leader.dumps() == []
        assert "packages inactive" not in leader.order()

    def test_packages_that_did_not_come_leave_the_old_version(self, leader: Upgradable) -> None:
        leader.controller.touch("apt-fails")
        with pytest.raises(ToldError, match="E: no room"):
            leader.controller.local.apply(leader.bundle())
        assert leader.serves
        assert not leader.is_held
        assert "dbupgrade" not in leader.controller.commands()

    def test_stopped_before_the_packages_came_the_old_version_serves(
        self, leader: Upgradable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stopped(*_: object) -> None:
            raise InterruptedBySignalError("SIGTERM")

        monkeypatch.setattr(Packages, "upgrade", stopped)
        with pytest.raises(ToldError, match="stopped by SIGTERM"):
            leader.controller.local.apply(leader.bundle())
        assert (leader.serves, leader.is_held) == (True, False)

    def test_killed_before_the_packages_came_and_given_up_it_serves_again(self, leader: Upgradable) -> None:
        """Its own command has nothing to do for the version that the state knows; that of its host has."""
        leader.machine.write(MARK, f"{OWN}\n")
        leader.machine.unit(UNIT, "enabled inactive")
        local = leader.controller.local
        local.apply(Bundle("h1", "host", HostSettings(maas_version="3.5")))
        assert (leader.serves, leader.is_held) == (False, True)
        local.apply(Bundle("h1", "host", HostSettings(maas_version="3.4")))
        assert (leader.serves, leader.is_held) == (True, False)

    def test_a_first_region_that_does_not_come_back_is_tried_again(
        self, leader: Upgradable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(region_hold, "BACK_DEADLINE", 0.3)
        leader.machine.write(MARK, f"{OWN}\n")
        leader.machine.unit(UNIT, "enabled inactive")
        leader.controller.listed(1)
        local = leader.controller.local
        with pytest.raises(ToldError, match="regiond with all its event loops not reached"):
            local.apply(Bundle("h1", "host", HostSettings(maas_version="3.4")))
        assert leader.is_held
        leader.controller.listed(2)
        local.apply(Bundle("h1", "host", HostSettings(maas_version="3.4")))
        assert (leader.serves, leader.is_held) == (True, False)

    def test_half_of_the_packages_hold_the_region(self, leader: Upgradable) -> None:
        leader.controller.touch("apt-half")
        with pytest.raises(ToldError, match=r"(?s)cut short.*MAAS is away.*/var/backups/maas-ha/maasdb-3\.4\.10"):
            leader.controller.local.apply(leader.bundle())
        self.assert_held(leader)
        (leader.home / "apt-half").unlink()
        self.assert_goes_on(leader)

    def test_a_failed_migration_holds_the_region(self, leader: Upgradable) -> None:
        leader.controller.touch("dbupgrade-fails")
        with pytest.raises(ToldError, match=r"(?s)dbupgrade failed.*MAAS is away: no region runs on a schema"):
            leader.controller.local.apply(leader.bundle())
        self.assert_held(leader)
        (leader.home / "dbupgrade-fails").unlink()
        self.assert_goes_on(leader)

    def test_a_region_that_fails_its_check_serves_on(self, leader: Upgradable, maas: FakeMaas) -> None:
        """The schema is migrated: the new version on it is better than none."""
        maas.add_rack("aaa")
        maas.racks["aaa"]["version"] = "3.5.10"
        with pytest.raises(ToldError, match="host-aaa isn't connected to this region's 2 event loops"):
            leader.controller.local.apply(leader.bundle())
        assert leader.serves
        assert note(leader) == (NEW, True)
        maas.racks = {}
        self.assert_goes_on(leader)

    def assert_untouched(self, host: Upgradable) -> None:
        assert host.calls() == []
        assert host.dumps() == []
        assert "packages inactive" not in host.order()

    def assert_held(self, host: Upgradable) -> None:
        assert not host.serves
        assert host.is_held
        host.machine.program("reboot", f"systemctl start {UNIT}")
        assert "an upgrade holds this region back: `pulumi up` finishes it" in host.controller.local.differences()

    def assert_goes_on(self, host: Upgradable) -> None:
        host.controller.local.apply(host.bundle())
        assert host.serves
        assert not host.is_held
        assert note(host) == (NEW, True)
        assert len(host.dumps()) == 1


class TestAnotherRegion:
    def test_held_then_brought(self, follower: Upgradable) -> None:
        local = follower.controller.local
        local.apply(follower.step())
        assert (follower.serves, follower.is_held) == (False, True)
        assert follower.calls() == [f"stop {UNIT}"]
        local.apply(follower.step())  # harmless to repeat
        assert follower.calls() == []
        local.apply(follower.bundle())
        assert (follower.serves, follower.is_held) == (True, False)
        assert follower.order() == ["download inactive", "packages inactive"]
        assert "dbupgrade" not in follower.controller.commands()
        assert follower.dumps() == []
        local.apply(follower.step())
        assert follower.calls() == [f"start {UNIT}"]

    def test_nothing_where_no_region_is_yet(self, controller: Controller) -> None:
        new = Upgradable(controller, leader=False)
        controller.local.apply(new.step())
        assert controller.machine.calls() == []
        assert not new.is_held

    def test_nothing_where_the_version_is_as_asked(self, follower: Upgradable) -> None:
        follower.controller.local.apply(follower.step("3.4"))
        assert follower.calls() == []
        assert follower.serves

    def test_an_older_version_is_refused(self, follower: Upgradable) -> None:
        follower.controller.touch("version", NEW)
        with pytest.raises(
            ToldError, match=r"MAAS is 3\.5\.10 on this host, and maas\.version in the stack file is 3\.4"
        ):
            follower.controller.local.apply(follower.step("3.4"))
        assert follower.serves

    def test_another_offer_is_refused_before_it_stops(self, follower: Upgradable) -> None:
        follower.controller.touch("offered", OLD)
        with pytest.raises(ToldError, match=r"apt on this host has maas-region-api 3\.4\.10"):
            follower.controller.local.apply(follower.step())
        assert follower.serves
        assert not follower.is_held

    def test_without_another_region_it_serves_on(self, follower: Upgradable, maas: FakeMaas) -> None:
        maas.regions = {"rrr": "", "sss": ""}
        with pytest.raises(ToldError, match="this is the only region that serves"):
            follower.controller.local.apply(follower.step())
        assert follower.calls() == []
        assert not follower.is_held

    def test_given_up_it_serves_again(self, follower: Upgradable) -> None:
        follower.controller.local.apply(follower.step())
        follower.controller.local.apply(follower.step("3.4"))
        assert (follower.serves, follower.is_held) == (True, False)

    def test_its_host_does_not_end_a_hold(self, follower: Upgradable) -> None:
        """Another region may have migrated the schema, which only that one's host knows; be it first by now or not."""
        follower.controller.local.apply(follower.step())
        follower.controller.local.apply(Bundle("h1", "host", HostSettings(maas_version="3.4")))
        assert (follower.serves, follower.is_held) == (False, True)

    def test_its_own_transaction_does_not_end_a_hold(self, follower: Upgradable) -> None:
        follower.controller.local.apply(follower.step())
        with pytest.raises(ToldError, match="an upgrade holds this region back"):
            follower.controller.local.apply(follower.bundle("3.4"))
        assert (follower.serves, follower.is_held) == (False, True)

    def test_a_failed_start_is_repeated(self, follower: Upgradable) -> None:
        follower.controller.local.apply(follower.step())
        follower.machine.hook("start", UNIT, "exit 1")
        with pytest.raises(ToldError, match=r"start maas-regiond\.service failed"):
            follower.controller.local.apply(follower.bundle())
        assert not follower.serves
        follower.controller.services()
        follower.order()
        follower.controller.local.apply(follower.bundle())
        assert follower.serves
        assert follower.order() == []

    def test_removal_ends_a_hold(self, follower: Upgradable) -> None:
        follower.controller.local.apply(follower.step())
        follower.controller.local.remove(follower.step())
        assert not follower.is_held
