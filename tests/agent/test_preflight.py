"""Mistakes that MAAS wouldn't notice are refused with the reason, all at once, and nothing is touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from agent.bundle import Bundle, Effect, File, HostSettings, RackSettings, RegionSettings, secret_marker
from agent.controllers import mixed_versions, short_version
from agent.preflight_maas import clock_offset
from agent.records import Record, Records
from agent.roles import rack
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.fake_maas import KEY, FakeMaas

RACKD = "maas-rackd.service"
SECRET = "0123456789abcdef" * 2
OWN_MAC = "52:54:00:00:00:01"
VERSION = "3.4.10-14366-g.518bf2c80"


@pytest.fixture(autouse=True)
def installed(machine: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with MAAS's packages, whose rackd registers as `aaa`."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(rack, "HEALTH_DEADLINE", 0.3)
    machine.unit(RACKD, "enabled inactive")
    machine.hook("start", RACKD, f'echo aaa >"{machine.root}/var/lib/maas/maas_id"')
    packages(machine, "systemd", "maas-rack-controller", "maas-region-api")
    (machine.root / "var/lib/maas").mkdir()


def packages(machine: FakeHost, *names: str) -> None:
    """What dpkg-query lists; each package has the version of MAAS."""
    lines = "".join(f"ii  {name} 1:{VERSION}-0ubuntu1\\n" for name in names)
    machine.program("dpkg-query", f"printf '{lines}'")
    machine.program("dpkg", "exit 0")


def refused(local: Local, bundle: Bundle) -> str:
    """What applying `bundle` fails with; the machine is as it was, and no unit was told anything."""
    before = local.machine.snapshot()
    local.machine.calls()
    with pytest.raises(ToldError) as told:
        local.apply(bundle)
    assert local.machine.snapshot() == before
    assert local.machine.calls() == []
    assert len(told.value.lines) <= 20
    return "\n".join(told.value.lines)


class TestMachine:
    """Before packages."""

    @staticmethod
    def bundle(*roles: str, snap_channel: str = "") -> Bundle:
        return Bundle("h1", "host", HostSettings((), snap_channel, roles), packages=("maas-common",))

    def test_another_name(self, machine: FakeHost, local: Local) -> None:
        machine.write("/proc/sys/kernel/hostname", "localhost.localdomain\n")
        text = refused(local, self.bundle("region"))
        assert "h1: prepare: this machine calls itself localhost.localdomain, the stack file calls it h1" in text
        assert "hostnamectl set-hostname h1" in text
        assert "§4.5" in text

    @pytest.mark.parametrize(
        "unit", ["libvirtd.service", "virtqemud.service", "lxd.service", "snap.lxd.daemon.service"]
    )
    def test_a_rack_beside_virtual_machines(self, machine: FakeHost, local: Local, unit: str) -> None:
        machine.unit(unit, "enabled active")
        assert f"{unit} runs here: a rack on a host of virtual machines" in refused(local, self.bundle("rack"))

    def test_guests_of_a_libvirt_that_sleeps(self, machine: FakeHost, local: Local) -> None:
        machine.unit("libvirtd.service", "enabled inactive")
        machine.write("/etc/libvirt/qemu/web1.xml", "<domain/>")
        assert "libvirt has guests here (web1)" in refused(local, self.bundle("rack"))

    @pytest.mark.parametrize("package", ["ntp", "ntpsec", "openntpd", "systemd-timesyncd"])
    def test_a_rival_of_chrony(self, machine: FakeHost, local: Local, package: str) -> None:
        packages(machine, "systemd", package)
        text = refused(local, self.bundle("region"))
        assert f"{package} is installed here" in text
        assert f"apt-get purge {package}" in text

    def test_dnsmasq_is_the_regions_rival_alone(self, machine: FakeHost, local: Local) -> None:
        packages(machine, "systemd", "dnsmasq", "maas-common")
        local.apply(self.bundle("region"))  # nothing is missing, so apt won't be asked to remove anything
        packages(machine, "systemd", "dnsmasq")
        assert "dnsmasq is installed here" in refused(local, self.bundle("region"))

    def test_beside_the_snap_another_clock_is_only_reported(
        self, machine: FakeHost, local: Local, capfd: pytest.CaptureFixture[str]
    ) -> None:
        machine.unit("systemd-timesyncd.service", "enabled active")
        packages(machine, "systemd", "snapd", "maas-common")
        with pytest.raises(ToldError, match="MAAS from packages"):  # the next thing that is wrong
            local.apply(self.bundle("rack", snap_channel="3.4/stable"))
        assert "warning: systemd-timesyncd.service steers the clock here" in capfd.readouterr().err

    @pytest.mark.parametrize(("release", "fits"), [("22.04", True), ("24.04", False)])
    def test_the_ubuntu_of_its_packages(self, machine: FakeHost, local: Local, release: str, fits: bool) -> None:
        machine.write("/etc/os-release", f'ID=ubuntu\nVERSION_ID="{release}"\n')
        packages(machine, "systemd", "maas-common")
        bundle = Bundle("h1", "host", HostSettings(roles=("region",), ubuntu="22.04"), packages=("maas-common",))
        if fits:
            local.apply(bundle)
        else:
            assert "packages of the wanted MAAS are for Ubuntu 22.04 alone" in refused(local, bundle)

    def test_another_distribution_has_packages_of_its_own(self, machine: FakeHost, local: Local) -> None:
        machine.write("/etc/os-release", "ID=debian\nVERSION_ID=12\n")
        packages(machine, "systemd", "maas-common")
        settings = HostSettings(roles=("rack",), ubuntu="22.04")
        local.apply(Bundle("h1", "host", settings, packages=("maas-common",)))

    def test_all_at_once(self, machine: FakeHost, local: Local) -> None:
        machine.write("/proc/sys/kernel/hostname", "h2\n")
        machine.unit("libvirtd.service", "enabled active")
        packages(machine, "systemd", "ntpsec")
        text = refused(local, self.bundle("rack"))
        assert len(text.splitlines()) == 3

    @pytest.mark.parametrize("roles", [(), ("database",), ("load balancer",)])
    def test_it_is_about_controllers_alone(self, machine: FakeHost, local: Local, roles: tuple[str, ...]) -> None:
        machine.write("/proc/sys/kernel/hostname", "h2\n")
        machine.unit("libvirtd.service", "enabled active")
        packages(machine, "systemd", "maas-common")
        local.apply(self.bundle(*roles))


@pytest.fixture
def other_maas() -> Iterator[FakeMaas]:
    fake = FakeMaas()
    yield fake
    fake.close()


class TestRack:
    """Before a rack is configured."""

    @pytest.fixture(autouse=True)
    def known(self, machine: FakeHost, maas: FakeMaas) -> None:
        """MAAS has racks bbb and ccc of this version, and regions reg."""
        machine.write("/sys/class/net/eth0/address", f"{OWN_MAC}\n")
        machine.write("/sys/class/net/lo/address", "00:00:00:00:00:00\n")
        del maas.racks["aaa"]
        maas.regions = {"reg": ""}
        maas.event_loops = {"reg:pid=1": []}
        for controller in maas.racks.values():
            controller["version"] = VERSION

    @staticmethod
    def bundle(*urls: str) -> Bundle:
        files = (
            File("/etc/maas/rackd.conf", "maas_url: x\n", effect=Effect.RESTART, units=(RACKD,)),
            File("/var/lib/maas/secret", secret_marker("shared_secret"), effect=Effect.RESTART, units=(RACKD,)),
        )
        secrets = {"shared_secret": SECRET, "api_key": KEY}
        return Bundle("h1", "rack-1", RackSettings(urls), files=files, units=(RACKD,), secrets=secrets)

    @staticmethod
    def joins(local: Local, maas: FakeMaas) -> None:
        """The rack comes up, known to MAAS."""
        maas.add_rack("aaa")
        maas.racks["aaa"] |= {"hostname": "h1", "version": VERSION, "interface_set": [{"mac_address": OWN_MAC}]}
        local.apply(TestRack.bundle(maas.url))

    def test_nothing_is_wrong(self, local: Local, maas: FakeMaas) -> None:
        self.joins(local, maas)

    @pytest.mark.parametrize("seconds", [-4000, -301, 302, 4000])
    def test_a_clock_that_maas_would_refuse(self, local: Local, maas: FakeMaas, seconds: int) -> None:
        """MAAS tells whole seconds, some time before they are read: ahead, up to one of them is lost."""
        maas.clock_ahead = seconds
        text = refused(local, self.bundle(maas.url))
        assert f"s {'behind' if seconds > 0 else 'ahead of'} that of {maas.url}" in text
        assert "MAAS refuses requests from 300 s on" in text

    def test_a_clock_that_is_only_off(self, local: Local, maas: FakeMaas, capfd: pytest.CaptureFixture[str]) -> None:
        maas.clock_ahead = 20
        self.joins(local, maas)
        assert "warning: this host's clock is" in capfd.readouterr().err

    def test_clocks(self, maas: FakeMaas) -> None:
        assert abs(clock_offset(maas.url) or 99) < 3
        maas.down = 502
        assert abs(clock_offset(maas.url) or 99) < 3  # its nginx tells the time as well
        assert clock_offset("http://127.0.0.1:1/MAAS") is None

    def test_another_version(self, local: Local, maas: FakeMaas) -> None:
        maas.racks["bbb"]["version"] = "3.7.3-1-g.abc"
        text = refused(local, self.bundle(maas.url))
        assert "MAAS would run in different versions: 3.4.10 on h1, host-ccc; 3.7.3 on host-bbb" in text
        assert "racks first, then regions" in text

    def test_while_an_upgrade_rolls_it_is_only_reported(
        self, local: Local, maas: FakeMaas, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.joins(local, maas)
        capfd.readouterr()
        maas.racks["bbb"]["version"] = "3.7.3-1-g.abc"
        local.apply(self.bundle(maas.url))
        assert (
            "warning: MAAS runs in different versions: 3.4.10 on h1, host-ccc; 3.7.3 on host-bbb"
            in capfd.readouterr().err
        )

    def test_a_mac_of_another_controller(self, local: Local, maas: FakeMaas) -> None:
        maas.racks["ccc"]["interface_set"] = [{"mac_address": "52:54:00:00:00:09"}, {"mac_address": OWN_MAC.upper()}]
        assert f"the MAC {OWN_MAC} here is host-ccc's too" in refused(local, self.bundle(maas.url))

    def test_a_hostname_of_another_rack(self, local: Local, maas: FakeMaas) -> None:
        maas.racks["ccc"]["hostname"] = "h1"
        assert "a rack called h1 runs already, on another machine" in refused(local, self.bundle(maas.url))

    def test_a_machine_that_takes_a_dead_ones_name(self, local: Local, maas: FakeMaas) -> None:
        maas.add_rack("ccc", "dead")
        maas.racks["ccc"]["hostname"] = "h1"
        self.joins(local, maas)

    def test_addresses_of_two_maas(self, local: Local, maas: FakeMaas, other_maas: FakeMaas) -> None:
        other_maas.event_loops = {"elsewhere:pid=1": []}
        text = refused(local, self.bundle(maas.url, other_maas.url))
        assert f"{maas.url} and {other_maas.url} list no event loop in common" in text

    def test_two_views_of_one_maas(self, local: Local, maas: FakeMaas, other_maas: FakeMaas) -> None:
        """A region that has just started is listed by one address before the other."""
        other_maas.event_loops = {**maas.event_loops, "new:pid=1": []}
        maas.add_rack("aaa")
        local.apply(self.bundle(maas.url, other_maas.url))

    def test_maas_is_away(self, local: Local, maas: FakeMaas, capfd: pytest.CaptureFixture[str]) -> None:
        maas.down = 502
        with pytest.raises(ToldError):
            local.apply(self.bundle(maas.url))
        assert "isn't compared with its other controllers" in capfd.readouterr().err


class TestRegion:
    """A region among its peers."""

    @staticmethod
    def bundle(url: str, *, leader: bool) -> Bundle:
        settings = RegionSettings(leader, 1, "198.51.100.11", 5432, "maasdb", "maas", "admin", "a@example.com", (url,))
        secrets = {"database_password": "p" * 32, "admin_password": "q" * 32, "api_key": KEY}
        return Bundle("h1", "region-1", settings, secrets=secrets)

    def test_a_second_region_of_another_version(self, local: Local, maas: FakeMaas) -> None:
        for controller in maas.racks.values():
            controller["version"] = "3.7.3-1-g.abc"
        text = refused(local, self.bundle(maas.url, leader=False))
        assert "MAAS would run in different versions: 3.4.10 on h1; 3.7.3 on host-aaa, host-bbb, host-ccc" in text

    @pytest.mark.parametrize("leader", [True, False])
    def test_a_clock(self, local: Local, maas: FakeMaas, leader: bool) -> None:
        maas.clock_ahead = 400
        assert "behind that of" in refused(local, self.bundle(maas.url, leader=leader))

    @pytest.mark.parametrize(
        ("told", "warned"), [("http://198.51.100.41/MAAS", False), ("http://elsewhere/MAAS", True)]
    )
    def test_a_maas_url_that_another_region_wrote(
        self,
        machine: FakeHost,
        local: Local,
        maas: FakeMaas,
        capfd: pytest.CaptureFixture[str],
        told: str,
        warned: bool,
    ) -> None:
        text = "maas_url: http://198.51.100.41/MAAS\nnum_workers: 1\n"
        machine.write("/etc/maas/regiond.conf", text)
        machine.program("psql", f"case $(cat) in *maas_url*) echo {told} ;; *) echo gone >&2; exit 2 ;; esac")
        machine.unit("maas-regiond.service", "enabled inactive")
        bundle = dataclasses.replace(self.bundle(maas.url, leader=True), files=(File("/etc/maas/regiond.conf", text),))
        committed = Record("t1", "h1", "region-1", bundle.settings, (), (), (), {}, ())
        local.paths.state.mkdir(exist_ok=True)
        Records(local.paths).save(committed)
        with pytest.raises(ToldError, match="gone"):
            local.apply(bundle)
        warning = f"warning: MAAS's maas_url is {told}, all regions of this stack were given http://198.51.100.41/MAAS"
        assert (warning in capfd.readouterr().err) == warned


class TestVersions:
    """Long, short and packages' forms side by side."""

    @pytest.mark.parametrize("text", [VERSION, "3.4.10", f"1:{VERSION}-0ubuntu1~22.04.1", "3.4.10-14366-g.1"])
    def test_short(self, text: str) -> None:
        assert short_version(text) == "3.4.10"

    def test_none(self) -> None:
        assert short_version("") == short_version("unknown") == ""

    def test_one_version_in_two_forms_is_one(self) -> None:
        assert mixed_versions({"region1": VERSION, "rack1": "3.4.10", "rack2": ""}) == ""

    def test_they_are_numbers(self) -> None:
        assert mixed_versions({"b": "3.4.9", "a": "3.4.10", "c": "3.10.0"}) == "3.4.9 on b; 3.4.10 on a; 3.10.0 on c"


def test_the_check_is_before_the_first_step(local: Local, maas: FakeMaas) -> None:
    """A bundle whose file would fail is refused for the mistake, not for the file."""
    maas.clock_ahead = 400
    bundle = TestRack.bundle(maas.url)
    broken = dataclasses.replace(bundle, files=(dataclasses.replace(bundle.files[0], check=("false",)),))
    assert "clock" in refused(local, broken)
