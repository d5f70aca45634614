"""What runs in the snap, where its files lie, and what it may open (maas-facts §1.1, §2, §6, §8, §10)."""

from pathlib import Path

import pytest

from lab.standin.maas_standin import snap_confinement, snap_http, snap_programs, version
from lab.standin.maas_standin.paths import Paths


def names(mode: str) -> list[str]:
    return [program.name for program in snap_programs.programs(mode, Paths(snap=True))]


def test_nothing_runs_before_init() -> None:
    assert names("none") == []


def test_programs_of_3_4() -> None:
    assert names("region") == ["bind9", "chrony", "http", "proxy", "regiond", "syslog"]
    assert names("rack") == ["chrony", "dhcpd", "http", "proxy", "rackd", "syslog"]
    assert set(names("region+rack")) == {*names("region"), *names("rack")}


def test_programs_of_later_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "MINOR", (3, 6))
    assert {"apiserver", "temporal", "temporal-worker"} <= set(names("region"))
    assert "agent" in names("rack")
    api = next(p for p in snap_programs.programs("region", Paths(snap=True)) if p.name == "apiserver")
    assert api.argv[-1] == "5242"
    assert api.tag == "maas-apiserver"


def test_places() -> None:
    paths = Paths(snap=True)
    places = [paths.regiond_conf, paths.rackd_conf, paths.secret, paths.maas_id, paths.certificates, paths.dhcpd_conf]
    assert [str(place) for place in (*places, paths.logs)] == [
        "/var/snap/maas/current/regiond.conf",
        "/var/snap/maas/current/rackd.conf",
        "/var/snap/maas/common/maas/secret",
        "/var/snap/maas/common/maas/maas_id",
        "/var/snap/maas/current/certificates",
        "/var/snap/maas/common/maas/dhcpd.conf",
        "/var/snap/maas/common/log",
    ]


def test_a_rack_with_a_regiond_conf_is_no_region(paths: Paths) -> None:
    paths.regiond_conf.touch()
    for mode, runs in (("rack", False), ("region", True), ("region+rack", True)):
        paths.snap_mode.write_text(mode)
        assert paths.runs_region is runs


def test_nginx_serves_what_the_mode_asks_for(paths: Paths) -> None:
    snap_http.render(paths, "region+rack")
    snap_http.render(paths, "rack")
    folder = paths.state / "http"
    assert sorted(path.name for path in folder.glob("*.conf")) == ["nginx.conf", "rackd.nginx.conf"]
    assert (folder / "nginx.conf").read_text() == f"nginx.conf in {paths.state}/http\n"


@pytest.mark.parametrize(
    "path", ["/root/key.pem", "/etc/maas/regiond.conf", "/home/user/cert.pem", "/var/lib/maas/secret", "/srv/x"]
)
def test_the_host_is_out_of_reach(path: str) -> None:
    with pytest.raises(PermissionError):
        snap_confinement.refuse(path, writing=False)


def test_the_hosts_tmp_is_not_the_snaps() -> None:
    with pytest.raises(FileNotFoundError):
        snap_confinement.refuse("/tmp/cert.pem", writing=False)


def test_its_own_data_and_the_base_are_within_reach() -> None:
    for path in ("/var/snap/maas/common/tls/cert.pem", "/var/snap/maas/current/regiond.conf", "/usr/lib/os-release"):
        snap_confinement.refuse(path, writing=False)
    snap_confinement.refuse("/var/snap/maas/common/x", writing=True)
    with pytest.raises(PermissionError):
        snap_confinement.refuse("/usr/lib/os-release", writing=True)


def test_a_link_out_of_the_data_is_followed_before_it_is_judged(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/root/key.pem")
    with pytest.raises(PermissionError):
        snap_confinement.refuse(str(tmp_path / "link"), writing=False)
