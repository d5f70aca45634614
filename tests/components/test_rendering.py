"""The rendered files, to the letter: a changed template shows here as what it changes on hosts.

`MAAS_HA_GOLDEN=write pytest tests/components` writes the files anew; the change is then reviewed like any other.
"""

from __future__ import annotations

import os
from pathlib import Path

import jinja2
import pytest

from components.region_rolling import PROGRAM
from components.render import render
from tests.contract import recorder
from tests.stacks import cluster_of, with_shared_address

GOLDEN = Path(__file__).parent / "golden"


def same_as_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("MAAS_HA_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("version", ["3.4", "3.7"])
def test_dev_stack(version: str, tmp_path: Path) -> None:
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    cluster["maas"] = {"version": version, "admin": {"username": "admin", "email": "admin@example.com"}}
    cluster["database"] = {"host": "db1", "version": 16}
    program = recorder.run(cluster, preview=True)
    for resource in (
        program[name] for name in ("db1-postgres", "region1-region", "rack1-rack", "rack1", "lb1-haproxy")
    ):
        for path, text in resource.inputs.items():
            if path.startswith("/") and path != PROGRAM:  # a module of the agent as it is
                same_as_golden(f"{version}-{Path(path).name}", str(text))


def test_tls_is_passed_through(tmp_path: Path) -> None:
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    cluster["maas"] = {
        "version": "3.7",
        "admin": {"username": "admin", "email": "a@example.com"},
        "tls": {"port": 6443},
    }
    cluster["database"] = {"host": "db1", "version": 16}
    program = recorder.run(cluster, preview=True)
    same_as_golden("tls-haproxy.cfg", str(program["lb1-haproxy"].inputs["/etc/haproxy/haproxy.cfg"]))
    for rack in ("rack1", "rack2"):
        assert "https" not in str(program[f"{rack}-rack"].inputs["/etc/maas/rackd.conf"])
    for region in ("region1", "region2"):
        assert "https" not in str(program[f"{region}-region"].inputs["/etc/maas/regiond.conf"])


def test_ipv6(tmp_path: Path) -> None:
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    numbers = {"db1": 11, "region1": 21, "region2": 22, "rack1": 31, "rack2": 32, "lb1": 41}
    cluster["hosts"] = {name: {"address": f"2001:db8::{number}"} for name, number in numbers.items()}
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(
        known_hosts.read_text(encoding="utf-8").replace("198.51.100.", "2001:db8::"), encoding="utf-8"
    )
    program = recorder.run(cluster | {"dhcp": []}, preview=True)
    folder = "/etc/postgresql/15/main"
    same_as_golden("ipv6-haproxy.cfg", str(program["lb1-haproxy"].inputs["/etc/haproxy/haproxy.cfg"]))
    same_as_golden("ipv6-pg_hba.conf", str(program["db1-postgres"].inputs[f"{folder}/pg_hba.conf"]))
    same_as_golden("ipv6-rackd.conf", str(program["rack1-rack"].inputs["/etc/maas/rackd.conf"]))


def test_a_shared_address(tmp_path: Path) -> None:
    program = recorder.run(with_shared_address(tmp_path, "lb1", "lb2"), preview=True)
    conf = "/etc/keepalived/keepalived.conf"
    same_as_golden("lb2-keepalived.conf", str(program["lb2-keepalived"].inputs[conf]))
    alone = recorder.run(with_shared_address(tmp_path, "lb1"), preview=True)
    same_as_golden("alone-keepalived.conf", str(alone["lb1-keepalived"].inputs[conf]))


def test_a_database_cluster(tmp_path: Path) -> None:
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    program = recorder.run(cluster | {"database": {"cluster": ["db1", "rack1", "lb1"], "version": 15}}, preview=True)
    files = program["postgres-cluster"].inputs["db1"]
    assert isinstance(files, dict)
    for path in ("/etc/default/etcd", "/etc/patroni/config.yml"):
        same_as_golden(f"cluster-{Path(path).name}", str(files[path]))
    for unit in ("etcd", "patroni"):
        same_as_golden(f"cluster-{unit}.service.conf", str(files[f"/etc/systemd/system/{unit}.service.d/maas-ha.conf"]))
    proxy = program["region1-database-proxy"].inputs["/etc/haproxy/haproxy.cfg"]
    same_as_golden("cluster-haproxy.cfg", str(proxy))
    for region in ("region1", "region2"):
        assert "database_host: 127.0.0.1\n" in str(program[f"{region}-region"].inputs["/etc/maas/regiond.conf"])


def test_an_unknown_name_in_a_template_fails() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'workers' is undefined"):
        render(
            "regiond.conf",
            broadcast_address="",
            database_host="h",
            database="d",
            database_password="p",
            database_port=5432,
            role="r",
            maas_url="u",
        )
