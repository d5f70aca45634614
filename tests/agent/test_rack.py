"""A rack: refused with a bad secret, up when MAAS says so, forgotten by MAAS when removed."""

from __future__ import annotations

import dataclasses

import pytest

from agent import packaging
from agent.bundle import Bundle, Effect, File, RackSettings, secret_marker
from agent.packaging import SNAP, SNAP_MODE, snap_unit
from agent.roles import rack
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local
from tests.agent.fake_maas import KEY, FakeMaas

UNIT = "maas-rackd.service"
SECRET = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def impatient(machine: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rack, "HEALTH_DEADLINE", 0.3)
    machine.unit(UNIT, "enabled inactive")
    registers = f'test -e "{machine.root}/var/lib/maas/secret" && echo aaa >"{machine.root}/var/lib/maas/maas_id"'
    machine.hook("start", UNIT, registers)


def bundle(maas: FakeMaas, secret: str = SECRET, first: str = "", others: str = "") -> Bundle:
    """A rack as the program asks for it."""
    text = f"maas_url: [{first or maas.url}{others}]\n"
    files = (
        File("/etc/maas/rackd.conf", text, effect=Effect.RESTART, units=(UNIT,), felt=first or maas.url),
        File("/var/lib/maas/secret", secret_marker("shared_secret"), mode=0o640, effect=Effect.RESTART, units=(UNIT,)),
    )
    secrets = {"shared_secret": secret, "api_key": KEY}
    return Bundle("h1", "rack-1", RackSettings((maas.url,)), files=files, units=(UNIT,), secrets=secrets)


@pytest.mark.parametrize("secret", ["", "xyz", SECRET.upper(), SECRET + "0", SECRET + "\n"])
def test_bad_secret_touches_nothing(machine: FakeHost, local: Local, maas: FakeMaas, secret: str) -> None:
    before = machine.snapshot()
    with pytest.raises(ToldError, match=r"shared.secret"):
        local.apply(bundle(maas, secret))
    assert machine.snapshot() == before


def test_up_when_maas_says_running(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    assert local.apply(bundle(maas)) == {"system_id": "aaa"}
    assert machine.read("/var/lib/maas/secret") == SECRET
    machine.calls()
    local.apply(bundle(maas))
    assert machine.calls() == []
    assert local.differences() == []


@pytest.mark.parametrize("status", ["degraded", "dead", "unknown"])
def test_any_other_status_is_a_failure(machine: FakeHost, local: Local, maas: FakeMaas, status: str) -> None:
    maas.add_rack("aaa", status)
    machine.write("/var/log/maas/rackd.log", "Event-loop 'r:pid=1' FAILED authentication; dropping connection.\n")
    with pytest.raises(ToldError) as told:
        local.apply(bundle(maas))
    assert f"MAAS says that rackd of host-aaa is {status}" in told.value.lines[0]
    assert any("FAILED authentication" in line for line in told.value.lines)
    assert not (machine.root / "etc/maas/rackd.conf").exists()
    assert machine.unit(UNIT) == "enabled inactive"


def test_not_registered_and_not_listed(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    del maas.racks["aaa"]
    with pytest.raises(ToldError, match="MAAS doesn't list the rack aaa"):
        local.apply(bundle(maas))
    (machine.root / "var/lib/maas/maas_id").unlink()
    machine.unhook("start", UNIT)
    with pytest.raises(ToldError, match="rackd hasn't registered with MAAS yet"):
        local.apply(bundle(maas))


def test_identity_is_read_anew(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    machine.write("/var/lib/maas/maas_id", "bbb\n")
    assert local.apply(bundle(maas)) == {"system_id": "bbb"}


def test_remove_stops_before_maas_forgets(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    machine.calls()
    local.remove(bundle(maas))
    assert maas.requests == ["DELETE rackcontrollers/aaa/"]
    assert machine.calls()[0] == f"stop {UNIT}"
    assert not (machine.root / "var/lib/maas/secret").exists()
    assert not (machine.root / "var/lib/maas/maas_id").exists()
    assert machine.unit(UNIT) == "enabled inactive"


def test_remove_of_a_rack_that_maas_lost_is_fine(local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    del maas.racks["aaa"]
    local.remove(bundle(maas))


def test_remove_of_the_last_dhcp_rack_is_refused(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    maas.racks = {"aaa": maas.racks["aaa"]}
    maas.vlan = maas.vlan | {"primary_rack": "aaa"}
    with pytest.raises(ToldError) as told:
        local.remove(bundle(maas))
    assert "currently set as a primary rack controller" in told.value.lines[0]
    assert "turn their DHCP off" in told.value.lines[1]
    assert machine.unit(UNIT) == "enabled active"
    assert machine.read("/var/lib/maas/secret") == SECRET


def test_remove_without_maas_names_the_way_out(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    maas.down = 502
    with pytest.raises(ToldError) as told:
        local.remove(bundle(maas))
    assert "maas-ha forget" in "\n".join(told.value.lines)
    assert machine.unit(UNIT) == "enabled active"


IDENTITY = ("maas_id", "maas_uuid", "rpc.state", "certificates/cluster.pem")


def test_nothing_of_its_identity_stays(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    for name in IDENTITY:
        machine.write(f"/var/lib/maas/{name}", "aaa\n")
    machine.write("/etc/maas/agent.yaml", "maas_uuid: 1\n")
    local.remove(bundle(maas))
    left = [path for path in machine.snapshot() if path.startswith(("/var/lib/maas/", "/etc/maas/"))]
    assert left == []


@pytest.mark.parametrize(
    ("primary", "secondary", "requests"),
    [
        ("aaa", "bbb", ["PUT vlans/5001/ primary_rack=bbb"]),
        ("bbb", "aaa", ["PUT vlans/5001/ secondary_rack="]),
        ("aaa", None, []),
        ("bbb", "ccc", []),
    ],
)
def test_vlans_are_left_before_rackd_stops(
    machine: FakeHost, local: Local, maas: FakeMaas, primary: str, secondary: str | None, requests: list[str]
) -> None:
    local.apply(bundle(maas))
    maas.vlan = maas.vlan | {"primary_rack": primary, "secondary_rack": secondary}
    seen: list[list[str]] = []
    machine.hook("stop", UNIT, f'echo stopped >"{machine.outside}/stopped"')
    answer = maas.answer

    def watched(method: str, path: str, fields: dict[str, str]) -> object:
        if method != "GET":
            seen.append([method, str((machine.outside / "stopped").exists())])
        return answer(method, path, fields)

    maas.answer = watched  # type: ignore[method-assign]
    local.remove(bundle(maas))
    assert maas.requests == [*requests, "DELETE rackcontrollers/aaa/"]
    assert seen == [*(["PUT", "False"] for _ in requests), ["DELETE", "True"]]


def test_other_urls_are_not_felt_the_first_is(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    machine.calls()
    local.apply(bundle(maas, others=", http://198.51.100.22:5240/MAAS"))
    assert machine.read("/etc/maas/rackd.conf").endswith("198.51.100.22:5240/MAAS]\n")
    assert machine.calls() == []
    local.apply(bundle(maas, first=maas.url.replace("127.0.0.1", "localhost")))
    assert machine.calls() == [f"restart {UNIT}"]


def test_what_others_changed_is_felt(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    machine.calls()
    machine.write("/etc/maas/rackd.conf", f"maas_url: [{maas.url}]\ndebug: true\n")
    local.apply(bundle(maas))
    assert machine.calls() == [f"restart {UNIT}"]


def test_another_secret_reaches_the_rack(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    machine.calls()
    local.apply(bundle(maas, secret=SECRET[::-1]))
    assert machine.read("/var/lib/maas/secret") == SECRET[::-1]
    assert machine.calls() == [f"restart {UNIT}"]


def test_a_bad_secret_leaves_a_running_rack(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(bundle(maas))
    machine.calls()
    before = machine.snapshot()
    with pytest.raises(ToldError, match="so this rack is left as it is"):
        local.apply(bundle(maas, secret=SECRET[:31]))
    assert (machine.snapshot(), machine.calls()) == (before, [])


OTHER = "http://203.0.113.9:5240/MAAS"


@pytest.mark.parametrize(
    ("files", "who"),
    [
        ({"/etc/maas/rackd.conf": f"maas_url: {OTHER}\n"}, "a rack of another MAAS"),
        ({"/var/lib/maas/maas_uuid": "1"}, "a rack of another MAAS"),
        ({"/var/lib/maas/certificates/cluster.pem": "PEM"}, "a rack of another MAAS"),
        ({"/var/lib/maas/maas_id": "zzz"}, "the rack zzz of another MAAS"),
        ({"/var/lib/maas/maas_id": "zzz", "/etc/maas/rackd.conf": f"maas_url:\n- {OTHER}\n"}, "the rack zzz"),
    ],
)
def test_a_rack_of_another_maas_is_refused(
    machine: FakeHost, local: Local, maas: FakeMaas, files: dict[str, str], who: str
) -> None:
    for path, text in files.items():
        machine.write(path, text)
    machine.write("/var/lib/maas/secret", "f" * 32)
    before = machine.snapshot()
    with pytest.raises(ToldError) as told:
        local.apply(bundle(maas))
    assert who in told.value.lines[0]
    assert "Take it out of the stack file" in told.value.lines[1]
    assert machine.snapshot() == before


def test_a_rack_of_another_stack_is_refused(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    """Its component has the same name there, so this agent knows it."""
    local.apply(bundle(maas))
    other = FakeMaas()
    try:
        other.url = other.url.replace("127.0.0.1", "localhost")
        before = machine.snapshot()
        with pytest.raises(ToldError, match="the rack aaa of another MAAS"):
            local.apply(bundle(other, secret=SECRET[::-1]))
        assert machine.snapshot() == before
    finally:
        other.close()


def test_a_rack_that_our_maas_knows_goes_on(machine: FakeHost, local: Local, maas: FakeMaas) -> None:
    """Every address changed at once, or an earlier try was cut short after it had registered."""
    machine.write("/var/lib/maas/maas_id", "aaa")
    assert local.apply(bundle(maas)) == {"system_id": "aaa"}


SNAP_UNIT = snap_unit("3.7")
INIT = """
[ "$1 $2" = "init rack" ] || exit 1
case " $* " in *" --force "*) ;; *) exit 1 ;; esac
read -r secret || exit 1
echo "$*" >>"@OUTSIDE@/init.log"
cd "@ROOT@/var/snap/maas"
rm -rf current/certificates
printf %s "$secret" >common/maas/secret
echo "maas_url: $4" >current/rackd.conf
echo aaa >common/maas/maas_id
printf rack >common/snap_mode
"""


def snap_bundle(maas: FakeMaas, secret: str = SECRET, others: str = "") -> Bundle:
    restart = Effect.RESTART
    files = (
        File(SNAP.rackd_conf, f"maas_url: [{maas.url}{others}]\n", felt=maas.url, effect=restart, units=(SNAP_UNIT,)),
        File(SNAP.secret, secret_marker("shared_secret"), mode=0o640, effect=restart, units=(SNAP_UNIT,)),
    )
    settings = RackSettings((maas.url,), packaging="snap", maas_version="3.7")
    secrets = {"shared_secret": secret, "api_key": KEY}
    return Bundle("h1", "rack-1", settings, files=files, units=(SNAP_UNIT,), secrets=secrets)


@pytest.fixture
def snap(machine: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host with the snap, which has no mode yet."""
    init = INIT.replace("@ROOT@", str(machine.root)).replace("@OUTSIDE@", str(machine.outside))
    command = str(machine.program("maas", init))
    monkeypatch.setitem(packaging.PACKAGINGS, "snap", dataclasses.replace(SNAP, client=command))
    machine.unit(SNAP_UNIT, "enabled active")
    for folder in ("current", "common/maas"):
        (machine.root / "var/snap/maas" / folder).mkdir(parents=True)
    return machine


def test_snap_is_initialised_once(snap: FakeHost, local: Local, maas: FakeMaas) -> None:
    assert local.apply(snap_bundle(maas, others=", http://198.51.100.21:5240/MAAS")) == {"system_id": "aaa"}
    assert (snap.outside / "init.log").read_text() == f"init rack --maas-url {maas.url} --force\n"
    assert snap.read(SNAP.secret) == SECRET
    assert snap.read(SNAP.rackd_conf) == f"maas_url: [{maas.url}, http://198.51.100.21:5240/MAAS]\n"
    assert snap.calls() == []  # `init` has restarted everything
    local.apply(snap_bundle(maas, others=", http://198.51.100.21:5240/MAAS"))
    local.apply(snap_bundle(maas, others=", http://198.51.100.22:5240/MAAS"))
    assert snap.calls() == []
    snap.write(f"{SNAP.certificates}/cluster.pem", "PEM")
    local.apply(snap_bundle(maas, secret=SECRET[::-1]))
    assert snap.calls() == [f"restart {SNAP_UNIT}"]
    assert snap.read(SNAP.secret) == SECRET[::-1]
    assert snap.read(f"{SNAP.certificates}/cluster.pem") == "PEM"
    assert (snap.outside / "init.log").read_text().count("\n") == 1


def test_snap_that_fails_has_no_mode_again(snap: FakeHost, local: Local, maas: FakeMaas) -> None:
    maas.add_rack("aaa", "dead")
    with pytest.raises(ToldError, match="is dead"):
        local.apply(snap_bundle(maas))
    assert not (snap.root / SNAP_MODE.lstrip("/")).exists()
    assert not (snap.root / SNAP.rackd_conf.lstrip("/")).exists()
    assert snap.calls() == [f"restart {SNAP_UNIT}"]


def test_snap_of_another_mode_is_refused(snap: FakeHost, local: Local, maas: FakeMaas) -> None:
    snap.write(SNAP_MODE, "region+rack")
    before = snap.snapshot()
    with pytest.raises(ToldError, match=r"in mode 'region\+rack'"):
        local.apply(snap_bundle(maas))
    assert snap.snapshot() == before


def test_snap_that_asks_for_ever_is_stopped(snap: FakeHost, local: Local, maas: FakeMaas) -> None:
    snap.program("maas", "while :; do echo 'Secret: '; done")
    with pytest.raises(ToldError, match="printed without end"):
        local.apply(snap_bundle(maas))
    assert not (snap.root / SNAP.secret.lstrip("/")).exists()


def test_snap_rack_leaves_nothing(snap: FakeHost, local: Local, maas: FakeMaas) -> None:
    local.apply(snap_bundle(maas))
    snap.write(f"{SNAP.certificates}/cluster.pem", "PEM")
    snap.write(SNAP.agent_yaml, "x")
    local.remove(snap_bundle(maas))
    assert maas.requests == ["DELETE rackcontrollers/aaa/"]
    assert [path for path, entry in snap.snapshot().items() if "/var/snap" in path and entry[0] == "file"] == []
    assert snap.calls() == [f"stop {SNAP_UNIT}", f"start {SNAP_UNIT}"]
