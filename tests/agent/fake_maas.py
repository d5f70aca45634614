"""MAAS's API on a loopback port, as strict and as treacherous as maas-facts §0a and §5 say."""

from __future__ import annotations

import email
import email.policy
import ipaddress
import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "consumer-1:token-22:secret-333"
Json = dict[str, object]
ADDRESSES = {"aaa": "127.0.0.2", "bbb": "127.0.0.3", "ccc": "127.0.0.4", "ddd": "127.0.0.5"}
"""Of each rack, on the VLAN."""


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """An answer that isn't 200."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class FakeMaas:
    """One subnet on one VLAN, some racks and regions."""

    def __init__(self) -> None:
        self.racks: dict[str, Json] = {}
        self.regions: dict[str, str] = {}
        self.hostnames: dict[str, str] = {}
        """system_id and the text with which its deletion is refused, or ""."""
        self.vlan: Json = {
            "id": 5001,
            "vid": 0,
            "fabric": "fabric-0",
            "fabric_id": 3,
            "dhcp_on": False,
            "primary_rack": None,
            "secondary_rack": None,
        }
        self.ranges: list[Json] = []
        self.tags: set[str] = set()
        self.event_loops: dict[str, object] = {}
        self.requests: list[str] = []
        """Method, path and fields of every change."""
        self.down = 0
        """Status for every answer while it isn't 0."""
        self.ignores_secondary = False
        self.ignores_everything = False
        self.clock_ahead = 0.0
        """Seconds by which its Date header is wrong."""
        self.on_vlan_change: Callable[[], None] = lambda: None
        """Called after each change of the VLAN: what the racks' dhcpd do about it."""
        self.nonces: set[str] = set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"maas": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}/MAAS"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def add_rack(self, system_id: str, status: str = "running") -> None:
        """A rack with the status of its rackd."""
        service = {"name": "rackd", "status": status, "status_info": "50% connected" if status == "degraded" else ""}
        self.racks[system_id] = {
            "system_id": system_id,
            "hostname": f"host-{system_id}",
            "service_set": [service],
            "ip_addresses": [ADDRESSES.get(system_id, "127.0.0.9")],
        }

    @property
    def subnet(self) -> Json:
        """The subnet, with its whole VLAN."""
        return {"id": 7, "cidr": "198.51.100.0/24", "vlan": self.vlan}

    def answer(self, method: str, path: str, fields: dict[str, str]) -> object:
        """What MAAS says. Raises `Refusal`."""
        if method != "GET":
            self.requests.append(f"{method} {path} {' '.join(f'{k}={v}' for k, v in fields.items())}".strip())
        if path == "subnets/":
            return [self.subnet]
        if path == "rackcontrollers/":
            return list(self.racks.values())
        if path == "regioncontrollers/":
            return [
                {"system_id": region, "hostname": self.hostnames.get(region, f"host-{region}")}
                for region in self.regions
            ]
        if match := re.fullmatch(r"(rack|region)controllers/([^/]+)/", path):
            return self._delete(match[1], match[2])
        if path == "users/?op=whoami":
            return {"username": "admin"}
        if path.startswith("tags/"):
            return self._tags(method, path.split("/")[1], fields)
        if path == "vlans/5001/":
            return self._update_vlan(fields) if method == "PUT" else self.vlan
        if path == "ipranges/":
            return self._create_range(fields) if method == "POST" else self.ranges
        if (match := re.fullmatch(r"ipranges/(\d+)/", path)) and method == "PUT":
            return self._update_range(int(match[1]), fields)
        if (match := re.fullmatch(r"ipranges/(\d+)/", path)) and method == "DELETE":
            self.ranges = [known for known in self.ranges if known["id"] != int(match[1])]
            return ""
        raise Refusal(404, "Not Found")

    def _tags(self, method: str, name: str, fields: dict[str, str]) -> object:
        if method == "POST":
            self.tags.add(fields["name"])
            return {"name": fields["name"]}
        if name:
            if name not in self.tags:
                raise Refusal(404, "No Tag matches the given query.")
            self.tags.remove(name)
            return ""
        return [{"name": known} for known in sorted(self.tags)]

    def _delete(self, kind: str, system_id: str) -> object:
        known = self.racks if kind == "rack" else self.regions
        if system_id not in known:
            raise Refusal(404, "Not Found")
        if kind == "region" and self.regions[system_id]:
            raise Refusal(400, self.regions[system_id])
        if kind == "rack" and self.vlan["primary_rack"] == system_id and len(self.racks) == 1:
            raise Refusal(
                400,
                "Unable to delete 'h'; it is currently set as a primary rack controller on VLANs fabric-0.untagged"
                " and no other rack controller can provide DHCP.",
            )
        del known[system_id]
        return ""

    def _create_range(self, fields: dict[str, str]) -> object:
        self._refuse_conflict(fields, but=0)
        made = {**fields, "id": len(self.ranges) + 1, "subnet": self.subnet}
        self.ranges.append(made)
        return made

    def _update_range(self, number: int, fields: dict[str, str]) -> object:
        self._refuse_conflict(fields, but=number)
        self.ranges = [{**known, **fields} if known["id"] == number else known for known in self.ranges]
        self.on_vlan_change()
        return ""

    def _refuse_conflict(self, fields: dict[str, str], but: int) -> None:
        for known in self.ranges:
            if known["id"] == but:
                continue
            if _order(str(known["start_ip"])) <= _order(fields["end_ip"]) and _order(fields["start_ip"]) <= _order(
                str(known["end_ip"])
            ):
                text = ["Requested dynamic range conflicts with an existing IP address or range."]
                raise Refusal(400, {"start_ip": text, "end_ip": text})

    def _update_vlan(self, fields: dict[str, str]) -> object:
        if self.ignores_everything:
            return self.vlan
        vlan = dict(self.vlan)
        for name in ("primary_rack", "secondary_rack"):
            if fields.get(name) and fields[name] not in self.racks:
                text = f"Select a valid choice. {fields[name]} is not one of the available choices."
                raise Refusal(400, {name: [text]})
        primary, secondary = fields.get("primary_rack"), fields.get("secondary_rack")
        swap = primary is not None and primary and primary == vlan["secondary_rack"]
        if primary is None and secondary and secondary == vlan["primary_rack"]:
            raise Refusal(400, {"secondary_rack": [f"{secondary} is already set as the primary rack controller"]})
        if primary and secondary and secondary == vlan["primary_rack"] and not swap:
            raise Refusal(400, {"secondary_rack": [f"{secondary} is already set as the primary rack controller"]})
        if primary and primary == secondary:
            raise Refusal(400, {"__all__": ["The primary and secondary rack must be different"]})
        if primary is not None:
            vlan["primary_rack"] = primary or vlan["secondary_rack"]
            if swap or not primary:
                vlan["secondary_rack"] = None
        if secondary is not None and not swap and not self.ignores_secondary:
            vlan["secondary_rack"] = secondary or None
        if "dhcp_on" in fields:
            vlan["dhcp_on"] = fields["dhcp_on"] == "true"
        if vlan["dhcp_on"] and not any(known["type"] == "dynamic" for known in self.ranges):
            raise Refusal(400, {"dhcp_on": ["dhcp can only be turned on when a dynamic IP range is defined."]})
        if vlan["dhcp_on"] and not vlan["primary_rack"]:
            text = "dhcp can only be turned on when a primary rack controller is set."
            raise Refusal(400, {"__all__": [text]})
        self.vlan = vlan
        self.on_vlan_change()
        return vlan


def _order(address: str) -> int:
    return int(ipaddress.ip_address(address))


class Handler(BaseHTTPRequestHandler):
    """HTTP and OAuth around `FakeMaas.answer`."""

    maas: FakeMaas

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header."""
        return super().date_time_string((timestamp or time.time()) + self.maas.clock_ahead)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        try:
            if self.maas.down:
                raise Refusal(self.maas.down, "<html>Bad Gateway</html>")
            if self.path == "/MAAS/rpc/":
                answer: object = {"eventloops": self.maas.event_loops}
            elif self.path == "/MAAS/api/2.0/version/":  # for anybody
                answer = {"version": "3.4.10"}
            else:
                self._authorize()
                answer = self.maas.answer(self.command, self.path.removeprefix("/MAAS/api/2.0/"), self._form(body))
            self._send(204 if answer == "" else 200, answer)
        except Refusal as refusal:
            self._send(refusal.status, refusal.body)

    def _authorize(self) -> None:
        header = self.headers.get("Authorization") or ""
        given = dict(re.findall(r'(oauth_\w+)="([^"]*)"', header))
        consumer, token, secret = KEY.split(":")
        if not header.startswith("OAuth ") or given.get("oauth_signature_method") != "PLAINTEXT":
            raise Refusal(401, "Unrecognised signature: method=GET op=None")
        shown = (given["oauth_consumer_key"], given["oauth_token"], given["oauth_signature"])
        if shown != (consumer, token, f"%26{secret}"):
            raise Refusal(401, "Authorization Error: Invalid API key.")
        if given["oauth_nonce"] in self.maas.nonces:
            raise Refusal(401, f"Authorization Error: 'Nonce already used: {given['oauth_nonce']}'")
        self.maas.nonces.add(given["oauth_nonce"])

    def _form(self, body: bytes) -> dict[str, str]:
        if not body:
            return {}
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        fields = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            fields[str(name)] = str(part.get_content()).rstrip("\r\n")
        return fields

    def _send(self, status: int, answer: object) -> None:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the library's names
