"""Racks: which part of rackd.conf is felt, where the snap's files are, and who waits for whom."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tests.contract import recorder, topologies


def cluster_with_pairs(folder: Path, *pairs: tuple[str, str]) -> dict[str, object]:
    """Three racks with an address in the network of each pair."""
    cluster = topologies.cluster(folder, regions=1, racks=3)
    hosts = cast("dict[str, dict[str, object]]", cluster["hosts"])
    for number in (1, 2, 3):
        hosts[f"rack{number}"]["also"] = [f"10.0.{index}.{number}" for index, _ in enumerate(pairs)]
    cluster["dhcp"] = [
        {
            "subnet": f"10.0.{index}.0/24",
            "range": {"start": f"10.0.{index}.100", "end": f"10.0.{index}.199"},
            "primary": primary,
            "secondary": secondary,
        }
        for index, (primary, secondary) in enumerate(pairs)
    ]
    return cluster


@pytest.mark.parametrize(
    "pairs",
    [
        [("rack1", "rack2"), ("rack2", "rack3")],
        [("rack3", "rack2"), ("rack2", "rack1")],
        [("rack1", "rack2"), ("rack3", "rack2")],
        [("rack1", "rack2"), ("rack2", "rack3"), ("rack3", "rack1")],
    ],
)
def test_never_both_racks_of_a_pair_at_once(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    program = recorder.run(cluster_with_pairs(tmp_path, *pairs), preview=True)

    def waits(rack: str, other: str) -> bool:
        return f"{other}-rack-apply" in program[f"{rack}-rack-apply"].dependencies()

    assert [waits(one, two) != waits(two, one) for one, two in pairs] == [True] * len(pairs)


def test_racks_without_a_pair_come_side_by_side(tmp_path: Path) -> None:
    program = recorder.run(cluster_with_pairs(tmp_path), preview=True)
    racks = {f"rack{number}-rack-apply" for number in (1, 2, 3)}
    assert all(not racks & program[name].dependencies() - {name} for name in racks)


def test_only_the_first_url_is_felt(tmp_path: Path) -> None:
    rack = recorder.run(cluster_with_pairs(tmp_path), preview=True)["rack1-rack"]
    assert rack.inputs["felt"] == {"/etc/maas/rackd.conf": "http://198.18.0.12/MAAS"}
    urls = [line[2:] for line in str(rack.inputs["/etc/maas/rackd.conf"]).splitlines() if line.startswith("- ")]
    assert urls == ["http://198.18.0.12/MAAS", "http://198.18.1.1:5240/MAAS"]


@pytest.mark.parametrize(
    ("version", "unit"), [("3.4", "snap.maas.supervisor.service"), ("3.7", "snap.maas.pebble.service")]
)
def test_a_rack_from_the_snap(tmp_path: Path, version: str, unit: str) -> None:
    cluster = cluster_with_pairs(tmp_path)
    cluster["maas"] = {"version": version, "packaging": "snap", "admin": {"email": "ops@example.com"}}
    rack = recorder.run(cluster, preview=True)["rack1-rack"]
    assert rack.inputs["effects"] == {
        "/var/snap/maas/current/rackd.conf": f"restart {unit}",
        "/var/snap/maas/common/maas/secret": f"restart {unit}",
    }
