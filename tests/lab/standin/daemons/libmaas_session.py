"""What python-libmaas is asked to do; runs in an environment of its own. Arguments: URL, API key."""

import asyncio
import sys

import maas.client  # type: ignore[import-not-found]


async def session(url: str, key: str) -> None:
    """Read everything, then put the rack in charge of the VLAN."""
    client = await maas.client.connect(url, apikey=key)
    say("version", (await client.version.get()).version)
    say("whoami", (await client.users.whoami()).username)
    (region,) = await client.region_controllers.list()
    (rack,) = await client.rack_controllers.list()
    say("controllers", f"{region.hostname} {rack.hostname} {rack.system_id}")
    (subnet,) = await client.subnets.list()
    say("subnet", subnet.cidr)
    prefix = subnet.cidr.rpartition(".")[0]
    made = await client.ip_ranges.create(f"{prefix}.230", f"{prefix}.239", type=maas.client.enum.IPRangeType.DYNAMIC)
    say("range", f"{made.start_ip} {len(await client.ip_ranges.list())}")
    (fabric,) = await client.fabrics.list()
    (vlan,) = fabric.vlans
    vlan.primary_rack = rack
    vlan.dhcp_on = True
    await vlan.save()
    vlan = await client.fabrics.get(fabric.id)
    say("vlan", f"{vlan.vlans[0].dhcp_on} {vlan.vlans[0].primary_rack.system_id}")
    await client.maas.set_name("by libmaas")
    say("name", await client.maas.get_name())


def say(what: str, value: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{what}: {value}\n")


asyncio.run(session(sys.argv[1], sys.argv[2]))
