"""What MAAS knows of one VLAN's DHCP, changed by the calls that it honours (maas-facts §5, §0a row 5)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from agent.bundle import DhcpSettings
from agent.errors import StepError
from agent.maas_api import IpRange, MaasApi, Subnet, Vlan
from agent.report import Report

MADE_BY = "made by maas-ha"


def mark(host: str) -> str:
    """The comment of a range that is ours: it names the host that answers for it.

    Where another host has taken over, the removal on the old one finds another name and leaves the range alone.
    """
    return f"{MADE_BY} on {host}"


@dataclass
class DynamicRange:
    """The pair's range in MAAS, and how it was before."""

    api: MaasApi
    report: Report
    settings: DhcpSettings
    mark: str
    created: bool = False
    changed: IpRange | None = None
    """The range of ours as it was before this transaction changed it."""

    def ensure(self, subnet: Subnet) -> None:
        """A dynamic range exactly as asked for. Raises `StepError` if another one overlaps it."""
        start, end = self.settings.range_start, self.settings.range_end
        known = self.api.ranges(subnet)
        ours = next((one for one in known if _is_ours(one)), None)
        same = next((one for one in known if one.kind == "dynamic" and (one.start, one.end) == (start, end)), None)
        if same is not None and (same != ours or same.comment == self.mark):
            return
        for other in known:
            if other != ours and _overlap(other, self.settings):
                raise StepError(
                    f"the range {start}–{end} overlaps the {other.kind} range {other.start}–{other.end}"
                    f" (id {other.id}) that MAAS has in {subnet.cidr}"
                )
        if ours is None:
            self.report.step(f"create the dynamic range {start}–{end}")
            self.api.create_range(subnet, start, end, self.mark)
            self.created = True
        else:
            moved = f", which was {ours.start}–{ours.end}" if ours != same else ""
            self.report.step(f"take over the dynamic range {start}–{end}{moved}")
            self.changed = ours
            self.api.update_range(ours.id, start, end, self.mark)

    def restore(self, subnet: Subnet) -> None:
        """The range as it was before `ensure`."""
        if self.changed:
            self.api.update_range(self.changed.id, self.changed.start, self.changed.end, self.changed.comment)
        elif self.created:
            self.delete(subnet)

    def delete(self, subnet: Subnet) -> None:
        """Delete what is marked as this host's."""
        for known in self.api.ranges(subnet):
            if known.comment == self.mark:
                self.api.delete_range(known.id)


def set_vlan(api: MaasApi, now: Vlan, wanted: Vlan) -> None:
    """Bring a VLAN from `now` to `wanted` at once, by as few calls as MAAS honours."""
    if now == wanted:
        return
    if not wanted.dhcp_on and now.dhcp_on:
        api.update_vlan(now.id, {"dhcp_on": "false"})
    if not wanted.secondary and now.secondary:
        api.update_vlan(now.id, {"secondary_rack": ""})
    if not wanted.primary:
        if now.primary:
            api.update_vlan(now.id, {"primary_rack": ""})
        return
    fields = {"primary_rack": wanted.primary}
    if wanted.primary != now.primary and (now.secondary == wanted.primary or now.primary == wanted.secondary):
        # One call would silently lose the secondary, or be refused: it is the primary until the first has been done.
        api.update_vlan(now.id, fields)
        fields = {}
    if wanted.secondary:
        fields["secondary_rack"] = wanted.secondary
    if wanted.dhcp_on:
        fields["dhcp_on"] = "true"
    api.update_vlan(now.id, fields)


def _is_ours(known: IpRange) -> bool:
    return known.kind == "dynamic" and known.comment.startswith(MADE_BY)


def _overlap(known: IpRange, settings: DhcpSettings) -> bool:
    first, last, start, end = map(_order, (known.start, known.end, settings.range_start, settings.range_end))
    return first <= end and start <= last


def _order(address: str) -> tuple[int, int]:
    """Compares addresses, IPv4 apart from IPv6."""
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)
