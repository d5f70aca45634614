"""Addresses of both families become URLs that a client can open."""

from __future__ import annotations

import pytest

from config.urls import balanced_url, region_url


@pytest.mark.parametrize(("address", "host"), [("198.51.100.21", "198.51.100.21"), ("2001:db8::21", "[2001:db8::21]")])
def test_urls(address: str, host: str) -> None:
    assert region_url(address) == f"http://{host}:5240/MAAS"
    assert balanced_url(address) == f"http://{host}/MAAS"
