"""Regions that come and go: whose command changes, who leads, and what differs by snap."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from agent.bundle import Bundle, RegionSettings
from tests.contract import recorder
from tests.stacks import cluster_of

Regions = dict[str, RegionSettings]


def stack(folder: Path, *names: str) -> dict[str, object]:
    """The dev stack with these regions in this order."""
    cluster = cluster_of("dev", folder / "known_hosts")
    hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
    addresses = {"region1": "198.51.100.21", "region2": "198.51.100.22", "region3": "198.51.100.23"}
    # Its own key is of no interest here: region3 is known by that of another machine.
    known = (folder / "known_hosts").read_text().splitlines()
    (folder / "known_hosts").write_text("\n".join([*known, known[0].replace(known[0].split()[0], "198.51.100.23")]))
    for name, address in addresses.items():
        hosts.pop(name, None)
        if name in names:
            hosts[name] = {"address": address}
    cluster["regions"] = {name: {"workers": 1} for name in names}
    return cluster


def bundles(cluster: dict[str, object]) -> dict[str, str]:
    program = recorder.run(cluster, preview=False)
    commands = {name: item for name, item in program.items() if name.endswith("-region-apply")}
    return {name.removesuffix("-region-apply"): str(recorder.plain(c.inputs["stdin"])) for name, c in commands.items()}


def bundle(text: str) -> Bundle:
    return Bundle.from_json(text.strip().splitlines()[-1])


def settings(text: str) -> RegionSettings:
    found = bundle(text).settings
    assert isinstance(found, RegionSettings)
    return found


def test_one_more_or_less_is_no_change_of_the_others(tmp_path: Path) -> None:
    one, two, three = (
        bundles(stack(tmp_path, *names))
        for names in (("region1",), ("region1", "region2"), ("region1", "region2", "region3"))
    )
    assert {name: three[name] for name in two} == two
    assert {name: two[name] for name in one} == one


def test_the_balanced_address_is_all_that_a_region_knows_of_the_others(tmp_path: Path) -> None:
    for text in bundles(stack(tmp_path, "region1", "region2")).values():
        assert settings(text).api_urls == ("http://198.51.100.41/MAAS",)


def test_the_first_of_the_file_leads(tmp_path: Path) -> None:
    before = bundles(stack(tmp_path, "region1", "region2", "region3"))
    after = bundles(stack(tmp_path, "region2", "region3"))
    assert [name for name, text in after.items() if settings(text).leader] == ["region2"]
    assert bundle(before["region2"]).files == bundle(after["region2"]).files
    assert before["region3"] == after["region3"]


@pytest.mark.parametrize(("version", "unit"), [("3.4", "supervisor"), ("3.7", "pebble")])
def test_by_snap_the_same_text_is_the_snaps(tmp_path: Path, version: str, unit: str) -> None:
    cluster = stack(tmp_path, "region1", "region2")
    cluster["database"] = {"host": "db1", "version": 16}
    cluster["maas"] = {**cast("dict[str, object]", cluster["maas"]), "version": version}
    by_deb = bundle(bundles(cluster)["region1"])
    cluster["maas"] = {**cast("dict[str, object]", cluster["maas"]), "packaging": "snap"}
    by_snap = bundle(bundles(cluster)["region1"])
    deb, snap = by_deb.files[-1], by_snap.files[-1]
    assert (snap.path, snap.owner, snap.mode) == ("/var/snap/maas/current/regiond.conf", "root", 0o640)
    assert snap.content == deb.content
    assert by_snap.units[1:] == snap.units == (f"snap.maas.{unit}.service",)
    assert by_deb.units == ("maas-ha-drain.service", "maas-regiond.service")
    assert "snapd" in by_snap.packages
    assert "maas-region-api" not in by_snap.packages


@pytest.mark.parametrize("names", [("region1",), ("region1", "region2", "region3")])
def test_pg_hba_covers_every_region_and_nobody_else(tmp_path: Path, names: tuple[str, ...]) -> None:
    cluster = stack(tmp_path, *names)
    shown = recorder.run(cluster, preview=True)["db1-postgres"].inputs
    lines = str(shown["/etc/postgresql/15/main/pg_hba.conf"]).splitlines()
    hosts = cast("dict[str, dict[str, str]]", cluster["hosts"])
    let_in = {line.split()[3] for line in lines if line.startswith("host") and "maasdb" in line}
    assert let_in == {f"{hosts[name]['address']}/32" for name in names}
