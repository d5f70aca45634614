"""A machine as far as its BMC goes, on a host of the lab: OpenIPMI's `ipmi_sim` and a chassis that is a file."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from lab.cluster import Lab

FOLDER = "/srv/bmc"
LAN = """\
name "bmc"
set_working_mc 0x20
  startlan 1
    addr {address} 623
    priv_limit admin
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{folder}/chassis"
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""
CONTROLLER = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n"
CHASSIS = """\
#!/bin/sh
case "$1 $2" in
"get power") printf 'power:%s\\n' "$(cat {folder}/power)" ;;
"set power") echo "$3" >{folder}/power ;;
esac
"""
UNIT = """\
[Service]
ExecStart=/usr/bin/ipmi_sim -c {folder}/lan.conf -f {folder}/controller -s {folder}/state -n
"""


@dataclass(frozen=True)
class Chassis:
    """A chassis behind a BMC on `host`, at `address` and its prefix length."""

    lab: Lab
    host: str
    address: str
    prefix: int
    user: str = "maas"
    password: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    """IPMI takes 16 characters."""

    def start(self) -> None:
        """Bring the BMC up, with the chassis off."""
        values = {"folder": FOLDER, "address": self.address, "user": self.user, "password": self.password}
        self._run("apt-get", "update")
        self._run("apt-get", "install", "--yes", "--no-install-recommends", "openipmi", "ipmitool")
        self._run("ip", "address", "add", f"{self.address}/{self.prefix}", "dev", "host0")
        self._run("mkdir", "-p", f"{FOLDER}/state")
        self._write("lan.conf", LAN.format(**values))
        self._write("controller", CONTROLLER)
        self._write("chassis", CHASSIS.format(**values))
        self._write("power", "0\n")
        self._run("chmod", "+x", f"{FOLDER}/chassis")
        self._run("tee", "/run/systemd/system/bmc.service", text=UNIT.format(**values))
        self._run("systemctl", "daemon-reload")
        self._run("systemctl", "start", "bmc.service")

    def asked(self) -> str:
        """What the BMC says to a client that isn't MAAS: `on` or `off`."""
        client = ("ipmitool", "-I", "lanplus", "-C", "3", "-H", self.address, "-U", self.user, "-f", "/dev/stdin")
        said = self._run(*client, "chassis", "power", "status", text=self.password)
        return said.strip().removeprefix("Chassis Power is ")

    def _write(self, name: str, content: str) -> None:
        self._run("tee", f"{FOLDER}/{name}", text=content)

    def _run(self, *argv: str, text: str | None = None) -> str:
        return self.lab.exec(self.host, *argv, input=text, timeout=120).stdout
