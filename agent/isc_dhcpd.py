"""Where Debian's isc-dhcp-server lives. Program and agent both import this."""

from __future__ import annotations

CONF = "/etc/dhcp/dhcpd.conf"
DEFAULTS = "/etc/default/isc-dhcp-server"
LEASES = "/var/lib/dhcp/dhcpd.leases"
UNIT = "isc-dhcp-server.service"
