"""The end state, looked at from outside: MAAS's own answers and the hosts, with nothing of the product's code."""

from __future__ import annotations

import json
import re
import secrets
import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

from lab.cluster import Lab

REGIONS, RACKS, DATABASE, BALANCER = ("region1", "region2"), ("rack1", "rack2"), "db1", "lb1"
SECRET, REGIOND, RACKD = "/var/lib/maas/secret", "/etc/maas/regiond.conf", "/etc/maas/rackd.conf"
LEASES = "/var/lib/maas/dhcp/dhcpd.leases"
PAIR = ("failover my state normal", "failover partner state normal")
"""What a dhcpd last wrote of a pair of which both serve."""
UNITS = {
    DATABASE: ("postgresql@15-main.service",),
    BALANCER: ("haproxy.service",),
    **dict.fromkeys(REGIONS, ("maas-regiond.service", "maas-http.service", "maas-proxy.service", "named.service")),
    **dict.fromkeys(RACKS, ("maas-rackd.service", "maas-http.service", "maas-dhcpd.service")),
}
MODES = {
    **{region: {SECRET: "640 maas", REGIOND: "640 maas"} for region in REGIONS},
    **{rack: {SECRET: "640 maas", RACKD: "640 root"} for rack in RACKS},
}
"""Mode and owner of the files that hold secrets, and of what says whom a rack asks."""

LOOK = f"""
for unit in $UNITS; do echo "unit $unit $(systemctl is-active $unit)"; done
for file in {SECRET} {REGIOND} {RACKD}; do [ ! -e $file ] || echo "mode $file $(stat -c '%a %U' $file)"; done
[ ! -e {SECRET} ] || echo "secret $(sha256sum <{SECRET})"
[ ! -e {REGIOND} ] || grep '^num_workers:' {REGIOND}
[ ! -e {LEASES} ] || sed -nE 's/^ *((my|partner) state [a-z-]+) at .*/failover \\1/p' {LEASES} | tail -n 2
ss -tnH state established | sed 's/^/connection /'
"""
TLS = "select count(*) from pg_stat_ssl s join pg_stat_activity a using (pid) where a.usename = 'maas' and not s.ssl"


@dataclass
class Seen:
    """What was found."""

    version: str = ""
    whoami: str = ""
    eventloops: dict[str, list[list[object]]] = field(default_factory=dict)
    """`REGION:pid=N` → addresses and ports, as the balancer passes it on."""
    regions: list[str] = field(default_factory=list)
    racks: dict[str, str] = field(default_factory=dict)
    """Name of each rack that MAAS knows → what it calls its rackd."""
    dhcp: dict[str, object] = field(default_factory=dict)
    """The VLAN's."""
    ids: dict[str, str] = field(default_factory=dict)
    """Name of a rack → system id."""
    hosts: dict[str, str] = field(default_factory=dict)
    """Host → what `LOOK` printed."""
    without_tls: str = "0"
    """MAAS's connections to the database in the clear."""


def problems(seen: Seen, workers: Mapping[str, int], addresses: Mapping[str, str]) -> list[str]:
    """What is not as it should be; empty for the end state of the dev stack."""
    found = [] if seen.version else ["the API doesn't answer through the balancer"]
    found += [] if seen.whoami == "admin" else [f"the administrator's key is for {seen.whoami or 'nobody'}"]
    for what, known, wanted in (("regions", seen.regions, REGIONS), ("racks", list(seen.racks), RACKS)):
        if sorted(known) != sorted(wanted):
            found.append(f"MAAS knows the {what} {sorted(known)}")
    found += [f"rackd of {rack} is {state}" for rack, state in seen.racks.items() if state != "running"]
    for region, count in workers.items():
        loops = [name for name in seen.eventloops if name.startswith(f"{region}:")]
        if len(loops) != count:
            found.append(f"{region} has {len(loops)} event loops, not {count}")
        if f"num_workers: {count}" not in seen.hosts.get(region, "").splitlines():
            found.append(f"{region}: {REGIOND} doesn't say {count} workers")
    found += _connections(seen, addresses)
    found += _dhcp(seen)
    found += _hosts(seen)
    if seen.without_tls != "0":
        found.append(f"{seen.without_tls} connections to the database in the clear")
    return found


def _connections(seen: Seen, addresses: Mapping[str, str]) -> list[str]:
    """Every rack to every event loop of every region."""
    found = []
    for rack in RACKS:
        lines = [line for line in seen.hosts.get(rack, "").splitlines() if line.startswith("connection ")]
        peers = {line.split()[4] for line in lines}
        for name, ports in seen.eventloops.items():
            region = name.partition(":")[0]
            if not any(f"{addresses[region]}:{port}" in peers for _, port in ports):
                found.append(f"{rack} has no connection to {name}")
    return found


def _dhcp(seen: Seen) -> list[str]:
    """MAAS has it by both racks, and both are done with telling each other of it."""
    serving = {seen.dhcp.get("primary_rack"), seen.dhcp.get("secondary_rack")}
    found = []
    if seen.dhcp.get("dhcp_on") is not True or serving != {seen.ids.get(rack) for rack in RACKS}:
        found.append(f"DHCP is {seen.dhcp.get('dhcp_on')}, by {sorted(map(str, serving))}")
    for rack in RACKS:
        said = [line for line in seen.hosts.get(rack, "").splitlines() if line.startswith("failover ")]
        if tuple(said) != PAIR:
            found.append(f"dhcpd of {rack} says {', '.join(said) or 'nothing of a pair'}")
    return found


def _hosts(seen: Seen) -> list[str]:
    found, secrets_ = [], set()
    for host, units in UNITS.items():
        said = seen.hosts.get(host, "").splitlines()
        found += [f"{host}: {unit} is not active" for unit in units if f"unit {unit} active" not in said]
        for file, mode in MODES.get(host, {}).items():
            if f"mode {file} {mode}" not in said:
                found.append(f"{host}: {file} doesn't have the mode {mode}")
        if host in MODES:
            secrets_.add(next((line for line in said if line.startswith("secret ")), f"none on {host}"))
    if len(secrets_) != 1 or "none" in str(secrets_):
        found.append("the shared secret isn't the same on every region and rack")
    return found


class Probe:
    """Looks at one lab's hosts and at the MAAS on them."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.addresses = {host.name: str(host.address) for host in lab.hosts}
        self.url = f"http://{self.addresses[BALANCER]}/MAAS"
        self._key = ""

    def look(self) -> Seen:
        """All of it, as far as it answers."""
        seen = Seen()
        with ThreadPoolExecutor(len(UNITS) + 2) as pool:
            hosts = {host: pool.submit(self._host, host) for host in UNITS}
            tls = pool.submit(self._without_tls)
            self._maas(seen)
            seen.hosts = {host: look.result() for host, look in hosts.items()}
            seen.without_tls = tls.result()
        return seen

    def problems(self, workers: Mapping[str, int] | None = None) -> list[str]:
        return problems(self.look(), workers or dict.fromkeys(REGIONS, 2), self.addresses)

    def wait(self, workers: Mapping[str, int] | None = None, seconds: float = 120) -> float:
        """Seconds until all is as it should be. Raises AssertionError with what isn't, when it takes too long."""
        began = time.perf_counter()
        while found := self.problems(workers):
            if time.perf_counter() - began > seconds:
                raise AssertionError("; ".join(found))
            time.sleep(0.05)
        return time.perf_counter() - began

    def _host(self, host: str) -> str:
        script = f"UNITS='{' '.join(UNITS[host])}'\n{LOOK}"
        return self._lab.exec(host, "sh", input=script, check=False).stdout

    def _without_tls(self) -> str:
        argv = ("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", "maasdb", "-c", TLS)
        return self._lab.exec(DATABASE, *argv, check=False).stdout.strip() or "unknown"

    def _maas(self, seen: Seen) -> None:
        try:
            loops = json.loads(self._get("rpc/"))["eventloops"]
            seen.eventloops = cast("dict[str, list[list[object]]]", loops or {})
            seen.version = str(json.loads(self._get("api/2.0/version/"))["version"])
            seen.whoami = str(self._api("users/?op=whoami")["username"])
            seen.regions = [str(region["hostname"]) for region in self._all("regioncontrollers/")]
            for rack in self._all("rackcontrollers/"):
                services = cast("list[dict[str, str]]", rack["service_set"])
                states = [service["status"] for service in services if service["name"] == "rackd"]
                seen.racks[str(rack["hostname"])] = " ".join(states)
                seen.ids[str(rack["hostname"])] = str(rack["system_id"])
            seen.dhcp = next((cast("dict[str, object]", one["vlan"]) for one in self._all("subnets/")), {})
        except (OSError, ValueError, KeyError, TypeError):
            return  # what wasn't seen is a problem

    def _api(self, path: str) -> dict[str, object]:
        return cast("dict[str, object]", json.loads(self._get(f"api/2.0/{path}", signed=True)))

    def _all(self, path: str) -> list[dict[str, object]]:
        return cast("list[dict[str, object]]", json.loads(self._get(f"api/2.0/{path}", signed=True)))

    def _get(self, path: str, *, signed: bool = False) -> bytes:
        request = urllib.request.Request(f"{self.url}/{path}")  # noqa: S310 - http, to a host of our own
        if signed:
            request.add_header("Authorization", self._signature())
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - the same
            return cast("bytes", answer.read())

    def _signature(self) -> str:
        """OAuth's PLAINTEXT, as MAAS wants it."""
        if not self._key:
            said = self._lab.exec(REGIONS[0], "maas", "apikey", "--username", "admin", check=False).stdout
            found = re.search(r"\S+:\S+:\S+", said)
            if not found:
                raise ValueError("no API key yet")
            self._key = found[0]
        consumer, token, secret = self._key.split(":")
        fields = {
            "oauth_version": "1.0",
            "oauth_signature_method": "PLAINTEXT",
            "oauth_consumer_key": consumer,
            "oauth_token": token,
            "oauth_signature": f"%26{secret}",
            "oauth_nonce": secrets.token_hex(8),
            "oauth_timestamp": str(int(time.time())),
        }
        return "OAuth " + ", ".join(f'{name}="{value}"' for name, value in fields.items())
