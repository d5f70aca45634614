"""TLS of all regions: stored once, every nginx reads it again, nothing is restarted (maas-facts §8)."""

import argparse
import io
import re
import shutil
import stat

import pytest

from lab.standin.maas_standin import cli_tls
from tests.authority import Authority, key_pem, rsa_key

from .client import Client
from .cluster import Cluster
from .machine import REPOSITORY, Machine, stop
from .polling import eventually

pytestmark = pytest.mark.lab

PACKAGED = REPOSITORY / "lab/standin/packages/maas-region-api/usr/share/maas/http/regiond.nginx.conf"


def with_nginx(cluster: Cluster, name: str) -> Machine:
    """A running region with nginx's configuration, as its package leaves it."""
    region = cluster.region(name)
    for folder in ("usr/share/maas/http", "var/lib/maas/http"):
        (region.paths.root / folder).mkdir(parents=True)
        shutil.copy(PACKAGED, region.paths.root / folder)
    region.regiond()
    cluster.wait_listed(region)
    return region


def front(region: Machine) -> str:
    return (region.paths.state / "http/regiond.nginx.conf").read_text()


def enable(region: Machine, key: str, certificate: str, *, chain: str = "", port: int = 5443) -> None:
    files = {"key": io.StringIO(key), "cert": io.StringIO(certificate), "cacert": io.StringIO(chain)}
    options = argparse.Namespace(verb="enable", yes=True, port=port, **files)
    assert cli_tls.config_tls(options, region.paths.regiond_conf) == 0


def disable(region: Machine) -> None:
    assert cli_tls.config_tls(argparse.Namespace(verb="disable"), region.paths.regiond_conf) == 0


def reloads(region: Machine) -> int:
    return region.systemctl_calls().count("reload maas-http")


def told(region: Machine, times: int) -> None:
    """Wait until nginx has been told so often."""
    eventually(lambda: reloads(region) == times, f"{region.name}'s nginx is told")


def test_every_region_follows(cluster: Cluster) -> None:
    authority, key = Authority(), rsa_key()
    certificate = authority.certificate(key, "rg1")
    regions = [with_nginx(cluster, name) for name in ("rg1", "rg2")]
    loops = Client(regions[0].url).loops()
    plain = front(regions[0])
    assert [reloads(region) for region in regions] == [0, 0]

    enable(regions[0], key_pem(key), certificate, chain=authority.pem)
    for region in regions:
        told(region, 1)
        text = front(region)
        assert re.search(r"listen 5443 ssl;\n    ssl_certificate \S+/http/certs/regiond-proxy.pem;", text)
        assert "return 301 https://$host:5443$request_uri;" in text
        assert re.search(r"listen 5240;\n    location /MAAS/rpc/ {\n        proxy_pass", text)
        certs = region.paths.state / "http/certs"
        assert (certs / "regiond-proxy.pem").read_text() == certificate + authority.pem
        assert stat.S_IMODE((certs / "regiond-proxy-key.pem").stat().st_mode) == 0o600

    renewed = authority.certificate(key, "rg1")
    enable(regions[1], key_pem(key), renewed, port=6443)
    for region in regions:
        told(region, 2)
        assert "listen 6443 ssl;" in front(region)
        assert (region.paths.state / "http/certs/regiond-proxy.pem").read_text() == renewed

    disable(regions[0])
    for region in regions:
        told(region, 3)
        assert front(region) == plain
        assert list((region.paths.state / "http/certs").iterdir()) == []
    assert Client(regions[0].url).loops() == loops


def test_a_region_that_was_away_follows_when_it_starts(cluster: Cluster) -> None:
    key = rsa_key()
    region = with_nginx(cluster, "rg1")
    assert stop(region.processes[-1]) == 0
    enable(region, key_pem(key), Authority().certificate(key, "rg1"))
    region.regiond()
    told(region, 1)
    assert "listen 5443 ssl;" in front(region)
