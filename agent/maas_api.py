"""MAAS's HTTP API as far as roles need it: OAuth 1.0 PLAINTEXT, several addresses of one MAAS (maas-facts §5)."""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.errors import StepError
from agent.maas_http import MOVED, authorization, multipart, read_json, secured, text_of

AWAY = {502, 503, 504}
"""Answers of an nginx or balancer whose region is down (maas-facts §0a row 8)."""
BROKEN = 500
"""A region's while its database is away (same row): who only asks may ask the next, a change may be half done."""


class NobodyAnswersError(StepError):
    """No address of MAAS answers."""

    def __init__(self, cause: str, *, broken: bool) -> None:
        super().__init__(cause)
        self.broken = broken
        """True if a region does that can't, for one, reach its database."""


class RefusedError(StepError):
    """MAAS answered, with an error."""

    def __init__(self, cause: str, status: int, said: str) -> None:
        super().__init__(cause)
        self.status = status
        """HTTP status."""
        self.said = said
        """MAAS's own text."""


@dataclass(frozen=True)
class Rack:
    """A rack controller as MAAS sees it."""

    system_id: str
    hostname: str
    version: str
    services: dict[str, str]
    """Name of each service and its status, with MAAS's remark in brackets."""
    addresses: tuple[str, ...] = ()

    @property
    def rackd(self) -> str:
        """MAAS's bare word for rackd: `running`, `degraded`, `dead`, `off` or `unknown`."""
        return self.services.get("rackd", "unknown").partition(" ")[0]


@dataclass(frozen=True)
class Region:
    """A region controller as MAAS sees it; whether it runs isn't in the API."""

    system_id: str
    hostname: str
    version: str


@dataclass(frozen=True)
class Vlan:
    """A VLAN's DHCP."""

    id: int
    fabric: int
    primary: str
    """system_id of the primary rack, "" for none."""
    secondary: str
    dhcp_on: bool

    @property
    def is_served(self) -> bool:
        """True if MAAS has a rack give addresses on it."""
        return self.dhcp_on and bool(self.primary)

    def __str__(self) -> str:
        on = "on" if self.dhcp_on else "off"
        return f"primary {self.primary or 'none'}, secondary {self.secondary or 'none'}, DHCP {on}"


@dataclass(frozen=True)
class Subnet:
    """A subnet and the VLAN that it is on."""

    id: int
    cidr: str
    vlan: int


@dataclass(frozen=True)
class IpRange:
    """A range of addresses within a subnet."""

    id: int
    kind: str
    """`dynamic` or `reserved`."""
    start: str
    end: str
    comment: str


class MaasApi:
    """One MAAS at several addresses; the first that answers is used and kept."""

    def __init__(self, urls: Sequence[str], api_key: str, ca_certificate: str = "") -> None:
        """`urls` are addresses as in `maas_url`: `http://198.51.100.10/MAAS`; the key has three parts with colons.

        `ca_certificate` is the PEM of the authority that https is verified by.
        """
        if len(api_key.split(":")) != 3:
            raise StepError("the API key isn't of the form consumer:token:secret")
        self._urls = [url.rstrip("/") for url in urls]
        self._key = api_key
        self._ca_certificate = ca_certificate

    def read(self, path: str) -> list[dict[str, object]]:
        """The items of a list, as MAAS has them."""
        return _items(self._call("GET", path))

    def user(self) -> str:
        """Whose key it is."""
        return str(_object(self._call("GET", "users/?op=whoami")).get("username"))

    def racks(self) -> list[Rack]:
        """All rack controllers."""
        return [_rack(item) for item in _items(self._call("GET", "rackcontrollers/"))]

    def regions(self) -> list[Region]:
        """All region controllers."""
        items = _items(self._call("GET", "regioncontrollers/"))
        return [Region(str(i.get("system_id")), str(i.get("hostname")), str(i.get("version") or "")) for i in items]

    def delete_rack(self, system_id: str) -> None:
        """Forget a rack controller; DHCP moves to another one."""
        self._call("DELETE", f"rackcontrollers/{system_id}/")

    def delete_region(self, system_id: str) -> None:
        """Forget a region controller."""
        self._call("DELETE", f"regioncontrollers/{system_id}/")

    def subnet(self, cidr: str) -> Subnet | None:
        """The subnet with this CIDR, or None."""
        for item in _items(self._call("GET", "subnets/")):
            if item.get("cidr") == cidr:
                return Subnet(_number(item, "id"), cidr, _number(_object(item.get("vlan")), "id"))
        return None

    def vlan(self, number: int) -> Vlan:
        """A VLAN by its id."""
        return vlan_of(self._call("GET", f"vlans/{number}/"))

    def update_vlan(self, number: int, fields: Mapping[str, str]) -> None:
        """Change a VLAN; fields not named keep their value, and MAAS may keep others too: read it back."""
        self._call("PUT", f"vlans/{number}/", fields)

    def ranges(self, subnet: Subnet) -> list[IpRange]:
        """The ranges of one subnet."""
        items = _items(self._call("GET", "ipranges/"))
        return [_range(item) for item in items if _number(_object(item.get("subnet")), "id") == subnet.id]

    def create_range(self, subnet: Subnet, start: str, end: str, comment: str) -> None:
        """Make a dynamic range."""
        fields = {"type": "dynamic", "subnet": str(subnet.id), "start_ip": start, "end_ip": end, "comment": comment}
        self._call("POST", "ipranges/", fields)

    def update_range(self, number: int, start: str, end: str, comment: str) -> None:
        """Move a range, in one step, so that DHCP stays on."""
        self._call("PUT", f"ipranges/{number}/", {"start_ip": start, "end_ip": end, "comment": comment})

    def delete_range(self, number: int) -> None:
        """Delete a range."""
        self._call("DELETE", f"ipranges/{number}/")

    def delete_tag(self, name: str) -> None:
        """Delete a tag."""
        self._call("DELETE", f"tags/{name}/")

    def power_state(self, machine: str) -> str:
        """`on`, `off` or MAAS's other word: a rack asks the machine's BMC."""
        return str(_object(self._call("GET", f"machines/{machine}/?op=query_power_state")).get("state"))

    def _call(self, method: str, path: str, fields: Mapping[str, str] | None = None) -> object:
        """The answer, as JSON gave it. Raises `RefusedError` or `NobodyAnswersError`."""
        reasons, broken = [], False
        for url in list(self._urls):
            try:
                answer = self._followed(method, f"{url}/api/2.0/{path}", fields)
            except urllib.error.HTTPError as error:
                said = explain(text_of(error))
                if error.code not in AWAY and not (error.code == BROKEN and method == "GET"):
                    raise RefusedError(f"MAAS refuses {method} {path}: {error.code} {said}", error.code, said) from None
                reasons.append(f"{url}: {error.code} {said}")
                broken = broken or error.code == BROKEN
            except OSError as error:
                reasons.append(f"{url}: {getattr(error, 'reason', error)}")
            else:
                self._urls.remove(url)
                self._urls.insert(0, url)
                return answer
        raise NobodyAnswersError("MAAS doesn't answer: " + "; ".join(reasons or ["no address is known"]), broken=broken)

    def _followed(self, method: str, url: str, fields: Mapping[str, str] | None) -> object:
        """The answer, over TLS where `url` is http and MAAS has meanwhile got TLS (maas-facts §8)."""
        try:
            return self._request(method, url, fields)
        except urllib.error.HTTPError as error:
            if error.code != MOVED:
                raise
            location = error.headers.get("Location", "")
        target = secured(url, location) if self._ca_certificate else ""
        if not target:
            said = f"MAAS has TLS and sends {url} to {location}"
            raise RefusedError(f"MAAS refuses {method}: {said}", MOVED, said)
        return self._request(method, target, fields)

    def _request(self, method: str, url: str, fields: Mapping[str, str] | None) -> object:
        headers = {"Authorization": authorization(self._key, secrets.token_hex(16), int(time.time()))}
        data = None
        if fields is not None:
            boundary = secrets.token_hex(16)
            headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
            data = multipart(fields, boundary)
        request = urllib.request.Request(url, data=data, method=method, headers=headers)  # noqa: S310 - from the stack file
        return read_json(request, self._ca_certificate)


def event_loops(url: str, ca_certificate: str = "") -> list[str]:
    """Names `host:pid=N` of all event loops that `url` (an address of MAAS) lists. Raises `OSError`.

    `ca_certificate` is the PEM of the authority that https is verified by.
    """
    return list(event_loop_addresses(url, ca_certificate))


def event_loop_addresses(url: str, ca_certificate: str = "") -> dict[str, list[str]]:
    """The same names, each with its addresses (maas-facts §4.2). Raises `OSError`."""
    request = urllib.request.Request(f"{url.rstrip('/')}/rpc/")  # noqa: S310 - a fixed address
    loops = _object(_object(read_json(request, ca_certificate)).get("eventloops"))
    return {name: [str(end[0]) for end in ends] if isinstance(ends, list) else [] for name, ends in loops.items()}


def vlan_of(answer: object) -> Vlan:
    """A VLAN as MAAS writes it, alone or within its subnets. Raises `StepError` for anything else."""
    item = _object(answer)
    return Vlan(
        id=_number(item, "id"),
        fabric=_number(item, "fabric_id"),
        primary=str(item.get("primary_rack") or ""),
        secondary=str(item.get("secondary_rack") or ""),
        dhcp_on=item.get("dhcp_on") is True,
    )


def explain(text: str) -> str:
    """MAAS's error text in one line: forms answer JSON, everything else plain text."""
    try:
        answer = json.loads(text)
    except json.JSONDecodeError:
        return " ".join(text.split())[:500]
    if not isinstance(answer, dict):
        return str(answer)
    told = []
    for name, texts in answer.items():
        joined = " ".join(map(str, texts)) if isinstance(texts, list) else str(texts)
        told.append(joined if name == "__all__" else f"{name}: {joined}")
    return "; ".join(told)


def _items(answer: object) -> list[dict[str, object]]:
    if not isinstance(answer, list):
        raise StepError(f"MAAS answered something unexpected: {str(answer)[:200]}")
    return [_object(item) for item in answer]


def _object(answer: object) -> dict[str, object]:
    if not isinstance(answer, dict):
        raise StepError(f"MAAS answered something unexpected: {str(answer)[:200]}")
    return answer


def _number(item: dict[str, object], name: str) -> int:
    value = item.get(name)
    if not isinstance(value, int):
        raise StepError(f"MAAS answered without {name}: {str(item)[:200]}")
    return value


def _rack(item: dict[str, object]) -> Rack:
    services = {}
    for service in _items(item.get("service_set") or []):
        remark = service.get("status_info")
        services[str(service.get("name"))] = f"{service.get('status')}{f' ({remark})' if remark else ''}"
    found = item.get("ip_addresses")
    return Rack(
        system_id=str(item.get("system_id")),
        hostname=str(item.get("hostname")),
        version=str(item.get("version") or ""),
        services=services,
        addresses=tuple(map(str, found)) if isinstance(found, list) else (),
    )


def _range(item: dict[str, object]) -> IpRange:
    return IpRange(
        id=_number(item, "id"),
        kind=str(item.get("type")),
        start=str(item.get("start_ip")),
        end=str(item.get("end_ip")),
        comment=str(item.get("comment") or ""),
    )
