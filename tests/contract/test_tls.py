"""TLS by MAAS: one certificate for all, its key only with the region that tells MAAS, https where clients ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from agent.bundle import Bundle, DhcpSettings, HaproxySettings, RackSettings, RegionSettings
from policy.predicates import COMMAND
from tests.contract import recorder
from tests.contract.recorder import Recorded
from tests.stacks import cluster_of

LB, REGIONS = "198.51.100.41", {"region1": "198.51.100.21", "region2": "198.51.100.22"}
BALANCED = f"https://{LB}/MAAS"
API_URLS = (BALANCED, *(f"https://{address}:6443/MAAS" for address in REGIONS.values()))

Cluster = dict[str, object]


@pytest.fixture
def dev(tmp_path: Path) -> Cluster:
    """The dev stack with TLS."""
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    tls: dict[str, object] = {"port": 6443, "names": ["maas.example.com"], "valid_days": 90, "renew_days": 20}
    cast("dict[str, object]", cluster["maas"])["tls"] = tls
    return cluster


def bundles(program: dict[str, Recorded]) -> dict[str, Bundle]:
    """What each command but the bootstraps sends."""
    commands = {name: item for name, item in program.items() if item.type == COMMAND and "bootstrap" not in name}
    return {name: Bundle.from_json(str(recorder.plain(item.inputs["stdin"]))) for name, item in commands.items()}


def names(program: dict[str, Recorded]) -> tuple[object, object]:
    """DNS names and addresses in MAAS's certificate."""
    request = program["cluster-maas-request"].inputs
    return request["dnsNames"], request["ipAddresses"]


def test_the_certificate_is_for_every_name_and_address(dev: Cluster) -> None:
    program = recorder.run(dev, preview=True)
    assert names(program) == (["lb1", *REGIONS, "maas.example.com"], [LB, *REGIONS.values()])
    certificate, key = program["cluster-maas-certificate"].inputs, program["cluster-maas-key"].inputs
    assert (certificate["validityPeriodHours"], certificate["earlyRenewalHours"]) == (90 * 24, 20 * 24)
    assert (key["algorithm"], key["rsaBits"]) == ("RSA", 3072)


def third_region(cluster: Cluster) -> None:
    cast("dict[str, object]", cluster["hosts"])["region3"] = {"address": "198.51.100.23", "also": ["2001:db8::23"]}
    cast("dict[str, object]", cluster["regions"])["region3"] = {"workers": 1}


def no_second_region(cluster: Cluster) -> None:
    del cast("dict[str, object]", cluster["hosts"])["region2"]
    del cast("dict[str, object]", cluster["regions"])["region2"]


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (
            third_region,
            (
                ["lb1", *REGIONS, "region3", "maas.example.com"],
                [LB, *REGIONS.values(), "198.51.100.23", "2001:db8::23"],
            ),
        ),
        (no_second_region, (["lb1", "region1", "maas.example.com"], [LB, "198.51.100.21"])),
    ],
)
def test_other_regions_are_another_certificate(
    dev: Cluster, tmp_path: Path, change: Callable[[Cluster], None], changed: tuple[list[str], list[str]]
) -> None:
    known_hosts = tmp_path / "known_hosts"
    line = known_hosts.read_text().splitlines()[0].split(" ", 1)[1]
    known_hosts.write_text(f"{known_hosts.read_text()}198.51.100.23 {line}\n")
    change(dev)
    assert names(recorder.run(dev, preview=True)) == changed


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_the_key_is_only_in_the_leaders_secret_input(dev: Cluster, preview: bool) -> None:
    program = recorder.run(dev, preview=preview)
    for resource in program.values():
        shown = {name: value for name, value in resource.inputs.items() if not recorder.is_secret(value)}
        assert "private" not in json.dumps(shown), resource.name
    if not preview:
        with_key = {name for name, bundle in bundles(program).items() if "tls_key" in bundle.secrets}
        assert with_key == {"region1-region-apply"}


def test_clients_ask_by_https_and_maas_itself_by_http(dev: Cluster) -> None:
    program = recorder.run(dev, preview=False)
    for name, bundle in bundles(program).items():
        settings = bundle.settings
        if isinstance(settings, RackSettings | DhcpSettings):
            assert settings.api_urls == API_URLS, name
        if isinstance(settings, RackSettings | DhcpSettings | RegionSettings):
            assert settings.ca_certificate.startswith("-----BEGIN CERTIFICATE-----"), name
        if isinstance(settings, RegionSettings):
            assert settings.tls_port == 6443
            assert settings.tls_certificate == "-----BEGIN CERTIFICATE-----\nserver\n"
            assert settings.address == REGIONS[bundle.host]
            assert settings.api_urls[0] == BALANCED
        if isinstance(settings, HaproxySettings):
            assert settings.ports == (80, 443, 6443, 8404, 5237)
        for file in bundle.files:
            assert "https:" not in file.content, (name, file.path)


def test_without_tls_there_is_none(dev: Cluster) -> None:
    del cast("dict[str, object]", dev["maas"])["tls"]
    program = recorder.run(dev, preview=False)
    assert not [name for name in program if name.startswith("cluster-maas")]
    for bundle in bundles(program).values():
        assert "tls_key" not in bundle.secrets
        if isinstance(bundle.settings, RegionSettings):
            assert (bundle.settings.tls_port, bundle.settings.tls_certificate) == (0, "")
        if isinstance(bundle.settings, HaproxySettings):
            assert bundle.settings.ports == (80, 8404, 5237)
