"""The VLANs that a rack serves, and how it leaves them (maas-facts §5, §0a row 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.errors import StepError
from agent.maas_api import MaasApi, RefusedError, Vlan, vlan_of

Say = Callable[[str], None]
STILL_PRIMARY = "currently set as a primary rack controller"


@dataclass(frozen=True)
class Served:
    """A VLAN and the subnets that are on it."""

    vlan: Vlan
    subnets: tuple[str, ...]
    """CIDRs."""

    def role_of(self, system_id: str) -> str:
        """`primary`, `secondary`, or "" for a rack that doesn't serve it."""
        roles = {self.vlan.secondary: "secondary", self.vlan.primary: "primary"}
        return roles.get(system_id, "") if system_id else ""


def served_vlans(api: MaasApi) -> list[Served]:
    """Every VLAN with a subnet and a rack; without a subnet there is no DHCP."""
    subnets: dict[Vlan, list[str]] = {}
    for item in api.read("subnets/"):
        vlan = vlan_of(item.get("vlan"))
        if vlan.primary or vlan.secondary:
            subnets.setdefault(vlan, []).append(str(item.get("cidr")))
    return [Served(vlan, tuple(sorted(cidrs))) for vlan, cidrs in subnets.items()]


def leave_vlans(api: MaasApi, system_id: str, say: Say) -> None:
    """Secondary before primary: a rack that goes leaves each VLAN to the other, or takes DHCP HA with it.

    Where it is alone MAAS chooses another rack when it forgets this one. Raises `StepError`.
    """
    served = served_vlans(api)
    for one in served:
        if one.role_of(system_id) == "secondary":
            say(f"VLAN {one.vlan.id} ({', '.join(one.subnets)}) loses its secondary rack: no DHCP HA any more")
            api.update_vlan(one.vlan.id, {"secondary_rack": ""})
    for one in served:
        if one.role_of(system_id) == "primary" and one.vlan.secondary:
            # The secondary becomes primary and its old place is empty, in one call.
            say(f"VLAN {one.vlan.id} ({', '.join(one.subnets)}) goes to {one.vlan.secondary}: no DHCP HA any more")
            api.update_vlan(one.vlan.id, {"primary_rack": one.vlan.secondary})
    if left := [one for one in served_vlans(api) if one.vlan.secondary and one.role_of(system_id)]:
        numbers = ", ".join(str(one.vlan.id) for one in left)
        raise StepError(f"MAAS keeps {system_id} on VLAN {numbers}: give it other racks in MAAS, then try again")


def retire(api: MaasApi, system_id: str, say: Say) -> None:
    """Have MAAS forget a rack that can't be asked any more. Raises `StepError`.

    Nobody serves a VLAN whose only rack is dead, so its DHCP is turned off where MAAS has no other rack for it.
    """
    leave_vlans(api, system_id, say)
    try:
        api.delete_rack(system_id)
    except RefusedError as error:
        if STILL_PRIMARY not in error.said:
            raise
    else:
        return
    for one in served_vlans(api):
        if one.role_of(system_id) == "primary":
            say(f"VLAN {one.vlan.id} ({', '.join(one.subnets)}) has no other rack: its DHCP is turned off")
            api.update_vlan(one.vlan.id, {"dhcp_on": "false"})
            api.update_vlan(one.vlan.id, {"primary_rack": ""})
    api.delete_rack(system_id)
