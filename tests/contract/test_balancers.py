"""Balancers that share an address: everybody is told that one, each host is whole before the next is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from agent.bundle import Bundle, HostSettings, RackSettings, RegionSettings
from agent.keepalived import KeepalivedSettings
from policy.predicates import COMMAND
from tests.contract import recorder
from tests.contract.recorder import Recorded
from tests.stacks import VIRTUAL_ADDRESS, cluster_of, with_shared_address

CONF = "/etc/keepalived/keepalived.conf"
TOLD = ("region1-region-apply", "region2-region-apply")
Cluster = dict[str, object]
Program = dict[str, Recorded]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return recorder.run(with_shared_address(tmp_path, "lb1", "lb2"), preview=False)


def bundle(program: Program, command: str) -> Bundle:
    return Bundle.from_json(str(recorder.plain(program[command].inputs["stdin"])).strip().splitlines()[-1])


def test_everybody_is_told_the_shared_address(program: Program) -> None:
    url = f"http://{VIRTUAL_ADDRESS}/MAAS"
    assert f"maas_url: {url}\n" in str(program["region1-region"].inputs["/etc/maas/regiond.conf"]).replace('"', "")
    assert f"- {url}\n" in str(program["rack1-rack"].inputs["/etc/maas/rackd.conf"])
    rack, region, host = (
        bundle(program, name).settings for name in ("rack1-rack-apply", "region2-region-apply", "rack1-bootstrap")
    )
    assert isinstance(rack, RackSettings)
    assert isinstance(region, RegionSettings)
    assert isinstance(host, HostSettings)
    assert (rack.api_urls[0], region.api_urls) == (url, (url,))
    assert host.cluster == (VIRTUAL_ADDRESS, "198.51.100.11")


def test_a_certificate_is_for_all_of_them(tmp_path: Path) -> None:
    cluster = with_shared_address(tmp_path, "lb1", "lb2")
    cast("dict[str, object]", cluster["maas"])["tls"] = {"port": 6443}
    request = recorder.run(cluster, preview=True)["cluster-maas-request"].inputs
    assert request["dnsNames"] == ["lb1", "lb2", "region1", "region2"]
    assert request["ipAddresses"] == [VIRTUAL_ADDRESS, *(f"198.51.100.{number}" for number in (41, 42, 21, 22))]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("lb1-haproxy-apply", "lb1-keepalived-apply"),
        ("lb1-keepalived-apply", "lb2-haproxy-apply"),
        ("lb2-haproxy-apply", "lb2-keepalived-apply"),
        ("lb2-keepalived-apply", "region1-region-apply"),
    ],
)
def test_one_after_the_other(program: Program, before: str, after: str) -> None:
    assert before in program[after].dependencies()


def test_each_host_knows_its_part(program: Program) -> None:
    shared = [bundle(program, f"{name}-keepalived-apply").settings for name in ("lb1", "lb2")]
    first, second = "198.51.100.41", "198.51.100.42"
    assert shared == [
        KeepalivedSettings(first, VIRTUAL_ADDRESS, (second,), last=False),
        KeepalivedSettings(second, VIRTUAL_ADDRESS, (first,), last=True),
    ]
    for name in ("lb1", "lb2"):
        assert bundle(program, f"{name}-bootstrap").packages == ("haproxy", "keepalived")


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_the_password_is_shown_nowhere(tmp_path: Path, preview: bool) -> None:
    program = recorder.run(with_shared_address(tmp_path, "lb1", "lb2"), preview=preview)
    assert "auth_pass <<secret:vrrp_password>>\n" in str(program["lb2-keepalived"].inputs[CONF])
    for resource in program.values():
        shown = {name: value for name, value in resource.inputs.items() if not recorder.is_secret(value)}
        assert recorder.PASSWORD not in json.dumps(shown), resource.name
    assert program["cluster-vrrp-password"].inputs["length"] == 8
    if not preview:
        file = next(file for file in bundle(program, "lb1-keepalived-apply").files if file.path == CONF)
        assert (file.mode, file.owner) == (0o600, "root")


def test_a_third_balancer_touches_balancers_and_tells_the_regions(tmp_path: Path, program: Program) -> None:
    """A region is drained at every balancer; to know of one more changes no file there."""
    after = recorder.run(with_shared_address(tmp_path, "lb1", "lb2", "lb3"), preview=False)
    touched = {
        name
        for name, item in after.items()
        if item.type == COMMAND and getattr(program.get(name), "inputs", None) != item.inputs
    }
    assert touched == {
        "lb1-keepalived-apply",
        "lb2-keepalived-apply",
        "lb3-bootstrap",
        "lb3-haproxy-apply",
        "lb3-keepalived-apply",
        *TOLD,
    }
    for name in TOLD:
        before, now = bundle(program, name), bundle(after, name)
        assert now.files == before.files
        assert isinstance(now.settings, RegionSettings)
        assert now.settings.balancers == ("198.51.100.41", "198.51.100.42", "198.51.100.43")


def test_a_single_balancer_has_no_keepalived(tmp_path: Path) -> None:
    program = recorder.run(cluster_of("dev", tmp_path / "known_hosts"), preview=False)
    assert not [name for name in program if "keepalived" in name or "vrrp" in name]
    assert bundle(program, "lb1-bootstrap").packages == ("haproxy",)
    assert [file.path for file in bundle(program, "lb1-haproxy-apply").files] == ["/etc/haproxy/haproxy.cfg"]
