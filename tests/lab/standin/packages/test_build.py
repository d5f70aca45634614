"""The .deb files: names, paths, modes, dependencies, versions (maas-facts §0, §10)."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from lab.standin.build import LONG_VERSIONS, PACKAGES, BuildError, build

COMMON = {
    "./etc/sudoers.d/99-maas-sudoers": 0o440,
    "./lib/systemd/system/maas-http.service": 0o644,
    "./lib/systemd/system/maas-syslog.service": 0o644,
    "./usr/lib/python3/dist-packages/maas_standin/config.py": 0o644,
    "./usr/lib/python3/dist-packages/maas_standin/version.py": 0o644,
    "./usr/sbin/maas-common": 0o755,
    "./usr/share/maas/http/nginx.conf": 0o644,
}
REGION = {
    "./lib/systemd/system/maas-proxy.service": 0o644,
    "./lib/systemd/system/maas-regiond.service": 0o644,
    "./usr/sbin/maas-region": 0o755,
    "./usr/sbin/regiond": 0o755,
    "./usr/share/maas/http/regiond.nginx.conf": 0o644,
}
REGION_SINCE_3_5 = {
    "./lib/systemd/system/maas-apiserver.service": 0o644,
    "./lib/systemd/system/maas-regiond.service.d/apiserver.conf": 0o644,
    "./lib/systemd/system/maas-temporal-worker.service": 0o644,
    "./lib/systemd/system/maas-temporal.service": 0o644,
}
RACK = {
    "./lib/systemd/system/maas-dhcpd.service": 0o644,
    "./lib/systemd/system/maas-rackd.service": 0o644,
    "./usr/sbin/maas-rack": 0o755,
    "./usr/sbin/rackd": 0o755,
    "./usr/share/maas/http/rackd.nginx.conf": 0o644,
}
RACK_SINCE_3_5 = {"./lib/systemd/system/maas-agent.service": 0o644}


def dpkg_deb(*arguments: str | Path) -> bytes:
    return subprocess.run(["dpkg-deb", *arguments], check=True, capture_output=True).stdout


def members(deb: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=BytesIO(dpkg_deb("--fsys-tarfile", deb))) as archive:
        return {member.name: member for member in archive if not member.isdir()}


def content(deb: Path, name: str) -> str:
    with tarfile.open(fileobj=BytesIO(dpkg_deb("--fsys-tarfile", deb))) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read().decode()


def field(deb: Path, name: str) -> str:
    return dpkg_deb("--field", deb, name).decode().strip()


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    """By MAAS version and package name."""
    out = tmp_path_factory.mktemp("debs")
    return {version: dict(zip(PACKAGES, build(version, out / version), strict=True)) for version in LONG_VERSIONS}


@pytest.mark.parametrize("version", LONG_VERSIONS)
def test_each_package_has_its_files_with_their_modes(debs: dict[str, dict[str, Path]], version: str) -> None:
    later = version != "3.4"
    expected = {
        "maas-cli": {"./usr/bin/maas": 0o755},
        "maas-region-api": REGION | (REGION_SINCE_3_5 if later else {}),
        "maas-rack-controller": RACK | (RACK_SINCE_3_5 if later else {}),
    }
    for package, files in expected.items():
        assert {name: member.mode for name, member in members(debs[version][package]).items()} == files
    common = {name: member.mode for name, member in members(debs[version]["maas-common"]).items()}
    assert common.items() >= COMMON.items()
    assert not [name for name in common if "__pycache__" in name]


@pytest.mark.parametrize("version", LONG_VERSIONS)
def test_everything_belongs_to_root_until_postinst(debs: dict[str, dict[str, Path]], version: str) -> None:
    for deb in debs[version].values():
        assert {(member.uid, member.gid) for member in members(deb).values()} == {(0, 0)}


@pytest.mark.parametrize("version", LONG_VERSIONS)
def test_the_packages_know_which_maas_they_are(debs: dict[str, dict[str, Path]], version: str) -> None:
    for package, deb in debs[version].items():
        assert field(deb, "Package") == package
        own = "2.63" if package == "snapd" else LONG_VERSIONS[version]
        assert field(deb, "Version") == f"1:{own}-0standin1"
    module: dict[str, object] = {}
    exec(content(debs[version]["maas-common"], "./usr/lib/python3/dist-packages/maas_standin/version.py"), module)  # noqa: S102
    assert module["LONG"] == LONG_VERSIONS[version]
    assert str(module["SHORT"]).startswith(f"{version}.")
    assert module["MINOR"] == tuple(int(part) for part in version.split("."))


def test_the_region_brings_no_database_server_and_conflicts_as_maas_does(debs: dict[str, dict[str, Path]]) -> None:
    region = debs["3.7"]["maas-region-api"]
    depends = {entry.split()[0] for entry in field(region, "Depends").split(",")}
    assert {"bind9", "chrony", "maas-cli", "maas-common", "python3-psycopg2", "python3-yaml"} == depends
    assert field(region, "Conflicts") == "dnsmasq, ntp"


def test_ports_of_the_companions_follow_the_version(debs: dict[str, dict[str, Path]]) -> None:
    temporal = "./lib/systemd/system/maas-temporal.service"
    apiserver = "./lib/systemd/system/maas-apiserver.service"
    assert "maas_standin.listener 5271 " in content(debs["3.5"]["maas-region-api"], temporal)
    assert "5242" not in content(debs["3.5"]["maas-region-api"], apiserver)
    assert "maas_standin.listener 5242" in content(debs["3.6"]["maas-region-api"], apiserver)
    assert "maas_standin.listener 5242" in content(debs["3.7"]["maas-region-api"], apiserver)


def test_dhcpd_runs_with_the_arguments_seen_on_maas(debs: dict[str, dict[str, Path]]) -> None:
    unit = content(debs["3.4"]["maas-rack-controller"], "./lib/systemd/system/maas-dhcpd.service")
    assert (
        "dhcpd -user dhcpd -group dhcpd -f -q -4 -pf /run/maas/dhcp/dhcpd.pid -cf /var/lib/maas/dhcpd.conf"
        " -lf /var/lib/maas/dhcp/dhcpd.leases $(cat /var/lib/maas/dhcpd-interfaces)"
    ) in unit
    assert "BindsTo=maas-rackd.service" in unit


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build("3.6", tmp_path / name) for name in ("first", "second"))
    assert [deb.read_bytes() for deb in first] == [deb.read_bytes() for deb in second]


def test_maintainer_scripts_are_shell_and_executable(debs: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    for package, deb in debs["3.7"].items():
        dpkg_deb("--control", deb, tmp_path / package)
        for script in ("config", "postinst", "prerm", "postrm"):
            path = tmp_path / package / script
            if path.exists():
                assert path.stat().st_mode & 0o777 == 0o755
                subprocess.run(["sh", "-n", path], check=True)


def test_an_unknown_version_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"3\.3.*3\.4, 3\.5, 3\.6, 3\.7"):
        build("3.3", tmp_path)
