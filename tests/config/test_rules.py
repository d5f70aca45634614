"""Every rule of the stack file fails for what it is there for, by path, and the project's own stacks pass."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from config.finding import StackFileError
from config.stack_file import parse
from tests.stacks import HOST_KEY, cluster_of

Cluster = dict[str, object]

SOURCE = {"uris": "file:/srv/packages", "suites": "./", "signed_by": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n…"}


@pytest.fixture
def dev(tmp_path: Path) -> Cluster:
    return cluster_of("dev", tmp_path / "known_hosts")


def findings(cluster: object) -> dict[str, str]:
    """Path → all that is found there."""
    with pytest.raises(StackFileError) as caught:
        parse(cluster, Path("/"))
    found: dict[str, str] = {}
    for finding in caught.value.findings:
        found[finding.path] = f"{found.get(finding.path, '')}{finding}\n"
    return found


def put(cluster: Cluster, path: str, value: object) -> None:
    *above, last = path.split(".")
    node: object = cluster
    for step in above:
        node = node[int(step)] if isinstance(node, list) else cast("dict[str, object]", node)[step]
    if isinstance(node, list):
        node[int(last) : int(last) + 1] = [value]
    else:
        cast("dict[str, object]", node)[last] = value


def test_dev_passes(dev: Cluster) -> None:
    cluster = parse(dev, Path("/"))
    assert set(cluster.host_keys) == set(cluster.topology.hosts)
    assert set(cluster.host_keys.values()) == {HOST_KEY}


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        ("database.host", "nowhere", "database.host", "there is no host 'nowhere'"),
        ("database", {"cluster": ["db1"], "version": 15}, "database.cluster", "with 1 host none may die"),
        ("database", {"cluster": ["db1", "lb1"], "version": 15}, "database.cluster", "name three hosts"),
        (
            "database",
            {"cluster": ["db1", "lb1", "rack1", "rack2"], "version": 15},
            "database.cluster",
            "name 3 or 5 hosts",
        ),
        ("database", {"cluster": ["db1", "lb1", "db1"], "version": 15}, "database.cluster[2]", "named twice"),
        ("database", {"cluster": ["db1", "lb1", "db9"], "version": 15}, "database.cluster[2]", "no host 'db9'"),
        ("database", {"cluster": ["db1", "lb1", "rack1"]}, "database.version", "is missing"),
        ("load_balancer.host", "nowhere", "load_balancer.host", "name one of db1"),
        ("racks", ["rack1", "rack2", "rack1"], "racks[2]", "named twice"),
        ("racks", ["rack1", "rack2", "region1"], "hosts.region1", "can't be both region and rack"),
        ("load_balancer.host", "region1", "hosts.region1", "region's own ports"),
        ("hosts.spare", {"address": "198.51.100.77"}, "hosts.spare", "no role uses this host"),
        ("hosts.rack2.address", "198.51.100.31", "hosts.rack2.address", "is also rack1's"),
        ("hosts.rack2.also", ["198.51.100.31"], "hosts.rack2.also[0]", "is also rack1's"),
        ("hosts.rack2.also", ["198.51.100.32"], "hosts.rack2.also[0]", "is named twice"),
        ("maas.channel", "3.4/stable", "maas.channel", "packages come from no snap channel"),
        ("maas.tls", {"port": 5242}, "maas.tls.port", "another port of a region"),
        ("maas.tls", {"port": 5250}, "maas.tls.port", "another port of a region"),
        ("maas.tls", {"port": 80}, "maas.tls.port", "another port of the load balancer's host"),
        ("maas.tls", {"port": 22}, "ssh.port", "22 is a port that the region region1 itself wants"),
        ("ssh.port", 5432, "ssh.port", "5432 is a port that the database db1 itself wants"),
        ("hosts.lb1.port", 80, "hosts.lb1.port", "80 is a port that the load balancer lb1 itself wants"),
        ("hosts.region1.port", 5255, "hosts.region1.port", "5255 is a port that the region region1 itself wants"),
        ("hosts.rack1.port", 5248, "hosts.rack1.port", "5248 is a port that the rack rack1 itself wants"),
        ("hosts.rack1.address", "127.0.0.1", "hosts.rack1.address", "is loopback, link-local"),
        ("hosts.rack1.address", "::ffff:198.51.100.31", "hosts.rack1.address", "an IPv4 address inside an IPv6 one"),
        ("hosts.rack1.also", ["fe80::1%eth0"], "hosts.rack1.also[0]", "is loopback, link-local"),
        ("hosts.region1.address", "2001:db8::21", "hosts.region1.address", "pg_hba couldn't let it in"),
        ("hosts.region1.address", "2001:db8::21", "hosts.rack2", "has no IPv6 address"),
        ("hosts.lb1.address", "2001:db8::41", "hosts.lb1", "has no IPv4 address"),
        ("maas.repository", SOURCE | {"uris": "example.com/maas"}, "maas.repository.uris", "is no list of apt's URLs"),
        (
            "maas.repository",
            SOURCE | {"uris": "https://me:pw@h/x"},
            "maas.repository.uris",
            "no password: apt reads it",
        ),
        (
            "maas.repository",
            SOURCE | {"uris": "http://a/\nTrusted: yes"},
            "maas.repository.uris",
            "separated by spaces",
        ),
        ("maas.repository", SOURCE | {"suites": "jammy\nx"}, "maas.repository.suites", "is no list of words"),
        ("maas.repository", SOURCE | {"suites": "./ noble"}, "maas.repository.suites", "write one kind here"),
        ("maas.repository", SOURCE | {"signed_by": "x"}, "maas.repository.signed_by", "is no ASCII-armoured"),
        ("maas.channel", "3.4", "maas.channel", "is no channel of a snap"),
        ("maas.tls", {"valid_days": 20}, "maas.tls.renew_days", "choose less than valid_days"),
        ("maas.tls", {"valid_days": 30, "renew_days": 30}, "maas.tls.renew_days", "choose less than valid_days"),
        ("dhcp.0.secondary", "rack1", "dhcp[0].secondary", "nothing would take over"),
        ("dhcp.0.primary", "region1", "dhcp[0].primary", "is no rack"),
        ("dhcp.0.subnet", "203.0.113.0/24", "dhcp[0].primary", "is not in 203.0.113.0/24"),
        ("dhcp.0.range", {"start": "198.51.100.9", "end": "198.51.100.2"}, "dhcp[0].range", "comes after"),
        ("dhcp.0.range", {"start": "198.51.100.2", "end": "198.51.100.99"}, "dhcp[0].range", "the address of"),
        ("dhcp.0.range", {"start": "198.51.101.2", "end": "198.51.101.9"}, "dhcp[0].range", "not inside"),
        (
            "regions.region1.workers",
            11,
            "regions.region1.workers",
            "has 1 to 10 workers: racks reach each by a port of its own of 5250-5259",
        ),
        ("regions.region1.workers", "4", "regions.region1.workers", "valid integer"),
        ("regions.region1.wrokers", 4, "regions.region1.wrokers", "did you mean 'workers'"),
        ("maas.admin.email", "nobody", "maas.admin.email", "is no e-mail address"),
        ("hosts.rack1.address", "198.51.100.300", "hosts.rack1.address", "is no IP address"),
        ("hosts.rack1.address", 4, "hosts.rack1.address", "is written as text"),
        ("maas.tls", {"names": ["maas_ha.example.com"]}, "maas.tls.names[0]", "no underscore"),
        ("hosts.rack_3", {"address": "198.51.100.77"}, "hosts.rack_3", "no underscore"),
        ("racks", ["Rack1"], "racks[0]", "is no short host name"),
        ("racks", "rack1", "racks", "is no list"),
        ("database", "db1", "database", "is no mapping"),
        ("database", {"external": "x", "port": 5432}, "database.external", "is no IP address"),
        ("database", {"external": "198.51.100.9", "prot": 1}, "database.prot", "did you mean 'port'"),
        ("database.version", 13, "database.version", "write 14, 15, 16 or 17"),
        ("database.hsot", "db1", "database.hsot", "did you mean 'host'"),
        ("dhcp.0.mode", "kea", "dhcp[0].mode", "known: 'maas', 'isc'"),
        ("dhcp.0.primery", "rack1", "dhcp[0].primery", "did you mean 'primary'"),
        ("dhcp.0.range.start", "x", "dhcp[0].range.start", "is no IP address"),
        ("dhcp.0.subnet", "198.51.100.7/24", "dhcp[0].subnet", "is no network"),
        ("maas.version", "3.8", "maas.version", "write '3.4', '3.5', '3.6' or '3.7'"),
    ],
)
def test_a_rule_fails_by_path(dev: Cluster, path: str, value: object, where: str, says: str) -> None:
    put(dev, path, value)
    found = findings(dev)
    assert says in found.get(where, ""), found


@pytest.mark.parametrize(
    ("path", "port", "where", "says"),
    [
        ("ssh.port", 2379, "ssh.port", "2379 is a port that the database db1 itself wants"),
        ("hosts.db2.port", 2380, "hosts.db2.port", "2380 is a port that the database db2 itself wants"),
        ("hosts.db3.port", 8008, "hosts.db3.port", "8008 is a port that the database db3 itself wants"),
        ("hosts.region1.port", 15432, "hosts.region1.port", "15432 is a port that the region region1 itself wants"),
        ("maas.tls", {"port": 15432}, "maas.tls.port", "15432 is another port of a region"),
    ],
)
def test_the_ports_of_a_database_cluster(dev: Cluster, path: str, port: object, where: str, says: str) -> None:
    for number in (2, 3):
        put(dev, f"hosts.db{number}", {"address": f"198.51.100.{10 + number}"})
    put(dev, path, port)
    one = copy.deepcopy(dev)
    put(dev, "database", {"cluster": ["db1", "db2", "db3"], "version": 15})
    assert says in findings(dev).get(where, "")
    assert where not in findings(one)


def test_an_unsupported_postgres_is_the_operators_own_choice(dev: Cluster) -> None:
    put(dev, "maas.version", "3.7")
    assert "MAAS 3.7 is documented for PostgreSQL 16 and newer, not 15" in findings(dev)["database.version"]
    assert "write accept_unsupported: true" in findings(dev)["database.version"]
    put(dev, "database.accept_unsupported", True)
    assert parse(dev, Path("/")).topology.maas.version == "3.7"


def test_a_snap_has_its_own_source(dev: Cluster) -> None:
    put(dev, "maas.packaging", "snap")
    put(dev, "maas.repository", SOURCE)
    put(dev, "maas.channel", "3.5/stable")
    found = findings(dev)
    assert "a snap comes from no apt repository" in found["maas.repository"]
    assert "name one such as 3.4/stable" in found["maas.channel"]


def test_a_problem_is_told_once(dev: Cluster) -> None:
    put(dev, "hosts.rack1.address", "x")
    assert findings(dev)["hosts.rack1.address"].count("hosts.rack1.address:") == 1


def test_all_problems_at_once(dev: Cluster) -> None:
    put(dev, "database.host", "nowhere")
    put(dev, "dhcp.0.secondary", "rack1")
    put(dev, "hosts.rack2.address", "198.51.100.31")
    assert {"database.host", "dhcp[0].secondary", "hosts.rack2.address"} <= findings(dev).keys()


def test_a_value_is_never_repeated(dev: Cluster) -> None:
    put(dev, "maas.admin", {"username": "admin", "email": "hunter2", "password": "hunter3"})
    text = "\n".join(findings(dev).values())
    assert "hunter2" not in text
    assert "hunter3" not in text
    assert "maas.admin.password" in text


def test_nothing_at_all() -> None:
    assert "start from Pulumi.dev.yaml" in findings(None)["maas-ha:cluster"]


@pytest.mark.parametrize("raw", [[], "text", 7, {"hosts": []}, {"hosts": {"": {}}}, {"dhcp": [{"range": 3}]}])
def test_any_shape_is_answered_by_findings(raw: object) -> None:
    assert findings(raw)


class TestHostKeys:
    """known_hosts as OpenSSH writes it."""

    Write = Callable[[str], None]

    @pytest.fixture
    def write(self, dev: Cluster) -> Write:
        path = Path(cast("dict[str, str]", dev["ssh"])["known_hosts"])
        rest = "".join(line for line in path.read_text().splitlines(keepends=True) if "198.51.100.11 " not in line)
        return lambda line: cast("None", path.write_text(f"{rest}{line}\n"))

    def test_missing(self, dev: Cluster, write: Write) -> None:
        write("# nothing")
        assert "no key of 198.51.100.11" in findings(dev)["hosts.db1"]

    def test_no_file(self, dev: Cluster) -> None:
        put(dev, "ssh.known_hosts", "/nowhere")
        assert "can't read /nowhere" in findings(dev)["ssh.known_hosts"]

    def test_best_type_wins(self, dev: Cluster, write: Write) -> None:
        write(f"198.51.100.11 ssh-rsa AAAAB3\n198.51.100.11,db1 {HOST_KEY} comment")
        assert parse(dev, Path("/")).host_keys["db1"] == HOST_KEY

    @pytest.mark.parametrize(
        "key", [HOST_KEY[:-5], HOST_KEY[:40], "ssh-ed25519 no+base64!", "ssh-ed25519 AAAAC3Nza…", "ssh-rsa AAAAB3"]
    )
    def test_a_damaged_key(self, dev: Cluster, write: Write, key: str) -> None:
        write(f"198.51.100.11 {key}")
        assert "key of 198.51.100.11" in findings(dev)["hosts.db1"]
        assert "cut off or damaged" in findings(dev)["hosts.db1"]

    def test_port(self, dev: Cluster, write: Write) -> None:
        put(dev, "hosts.db1.port", 2222)
        write(f"[198.51.100.11]:2222 {HOST_KEY}")
        assert parse(dev, Path("/")).host_keys["db1"] == HOST_KEY

    def test_hashed(self, dev: Cluster, write: Write) -> None:
        path = cast("dict[str, str]", dev["ssh"])["known_hosts"]
        write(f"198.51.100.11 {HOST_KEY}")
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
        assert "198.51.100.11" not in Path(path).read_text()
        assert parse(dev, Path("/")).host_keys["db1"] == HOST_KEY
