"""The contract between program and agent: what is written is read back, anything else is refused by name."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bundle import (
    SETTINGS,
    Bundle,
    DhcpSettings,
    Effect,
    File,
    HaproxySettings,
    HostSettings,
    PostgresSettings,
    RackSettings,
    RegionSettings,
    Settings,
    fill_markers,
    secret_marker,
)
from agent.typed import BundleError

texts = st.text(max_size=5)
words = st.tuples(texts, texts)
settings_of_all_roles: st.SearchStrategy[Settings] = st.one_of(
    st.builds(HostSettings, keep_packages=words),
    st.builds(PostgresSettings, version=st.integers(), database=texts, role=texts),
    st.builds(RegionSettings, leader=st.booleans(), workers=st.integers(), database_port=st.integers(), api_urls=words),
    st.builds(RackSettings, api_urls=words),
    st.builds(HaproxySettings, ports=st.tuples(st.integers()), stats_socket=texts),
    st.builds(DhcpSettings, api_urls=words, configures=st.booleans()),
)
files = st.builds(
    File,
    path=texts,
    content=st.text(alphabet="abc <>:\n"),
    mode=st.integers(0, 0o7777),
    check=words,
    effect=st.sampled_from(Effect),
    units=words,
)
bundles = st.builds(
    Bundle,
    host=texts,
    component=texts,
    settings=settings_of_all_roles,
    packages=words,
    files=st.tuples(files),
    units=words,
    state_dirs=words,
    secrets=st.dictionaries(texts, texts, max_size=2),
)


@given(bundles)
def test_round_trip(bundle: Bundle) -> None:
    text = bundle.to_json()
    assert "\n" not in text
    assert Bundle.from_json(text) == bundle
    assert SETTINGS[bundle.role] is type(bundle.settings)


def good() -> dict[str, object]:
    """A bundle as JSON."""
    bundle = Bundle("h", "c", HaproxySettings((80,), "/s"), files=(File("/f", "x"),), secrets={"a": "b"})
    raw = json.loads(bundle.to_json())
    assert isinstance(raw, dict)
    return raw


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "nope"}, "the bundle's role is none of host, postgres, region, rack, haproxy, keepalived, dhcp"),
        ({"surprise": 1}, "bundle: unknown field surprise"),
        ({"host": 1}, "bundle.host: not a str"),
        ({"units": "a.service"}, "bundle.units: not a tuple"),
        ({"units": [1]}, "bundle.units[0]: not a str"),
        ({"secrets": {"a": 1}}, "bundle.secrets.a: not a str"),
        ({"settings": {"ports": [True], "stats_socket": "/s"}}, "settings.ports[0]: not a int"),
        ({"settings": {"ports": [80]}}, "settings: missing field stats_socket"),
        ({"settings": None}, "settings: not a HaproxySettings"),
        ({"files": [{"path": "/f", "content": "x", "effect": "explode"}]}, "bundle.files[0].effect: not a Effect"),
        ({"files": [{"path": "/f", "content": "<<secret:none>>"}]}, "no value for the secret none"),
    ],
)
def test_refuses_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError) as refused:
        Bundle.from_json(json.dumps(good() | change))
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"role": []}'])
def test_refuses_what_is_no_bundle(text: str) -> None:
    with pytest.raises(BundleError):
        Bundle.from_json(text)


def test_markers() -> None:
    text = f"a {secret_marker('x')} b {secret_marker('y')} <<secret:X>>"
    assert fill_markers(text, {"x": r"1\g<0>", "y": "2", "z": "3"}) == r"a 1\g<0> b 2 <<secret:X>>"
    with pytest.raises(BundleError, match="no value for the secret x, y"):
        fill_markers(text, {})


def test_a_value_that_looks_like_a_marker_stays_a_value() -> None:
    assert fill_markers(secret_marker("x"), {"x": secret_marker("y")}) == secret_marker("y")


def test_bundles_are_values() -> None:
    bundle = Bundle.from_json(json.dumps(good()))
    assert dataclasses.replace(bundle, host="h") == bundle
