"""Ports of this program's own, beside MAAS's 5239 and up (maas-facts §8)."""

from __future__ import annotations

DRAIN_PORT = 5238
"""On each region: whether it takes new connections, for the balancers."""
VIEW_PORT = 5237
"""On each balancer: what it thinks of the regions, for them alone."""
