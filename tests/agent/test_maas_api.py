"""The API client against a server that behaves as MAAS was seen to."""

from __future__ import annotations

import socket

import pytest

from agent.errors import StepError
from agent.maas_api import MaasApi, NobodyAnswersError, RefusedError, Vlan, event_loops, explain
from agent.maas_http import authorization
from agent.vlan import set_vlan
from tests.agent.fake_maas import KEY, FakeMaas


def dead_url() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/MAAS"


def test_reads(maas: FakeMaas) -> None:
    maas.add_rack("ddd", "degraded")
    api = MaasApi([maas.url], KEY)
    assert [rack.system_id for rack in api.racks()] == ["aaa", "bbb", "ccc", "ddd"]
    assert api.racks()[3].services == {"rackd": "degraded (50% connected)"}
    subnet = api.subnet("198.51.100.0/24")
    assert subnet
    assert (subnet.id, subnet.vlan) == (7, 5001)
    assert api.subnet("10.0.0.0/8") is None
    assert api.vlan(5001) == Vlan(5001, 3, "", "", dhcp_on=False)
    assert api.ranges(subnet) == []


def test_changes(maas: FakeMaas) -> None:
    api = MaasApi([maas.url], KEY)
    subnet = api.subnet("198.51.100.0/24")
    assert subnet
    api.create_range(subnet, "198.51.100.10", "198.51.100.20", "why not")
    (made,) = api.ranges(subnet)
    assert (made.kind, made.start, made.end, made.comment) == ("dynamic", "198.51.100.10", "198.51.100.20", "why not")
    with pytest.raises(RefusedError, match="start_ip: Requested dynamic range conflicts") as refused:
        api.create_range(subnet, "198.51.100.20", "198.51.100.30", "")
    assert refused.value.status == 400
    api.delete_range(made.id)
    assert api.ranges(subnet) == []
    api.delete_rack("aaa")
    with pytest.raises(RefusedError) as refused:
        api.delete_rack("aaa")
    assert refused.value.status == 404


def test_first_address_that_answers_is_kept(maas: FakeMaas) -> None:
    other = FakeMaas()
    other.down = 502
    try:
        api = MaasApi([dead_url(), other.url, maas.url + "/"], KEY)
        assert len(api.racks()) == 3
        other.down = 0
        assert len(api.racks()) == 3
    finally:
        other.close()


def test_a_region_without_its_database(maas: FakeMaas) -> None:
    """Who asks goes on to the next or waits; a change may be half done and is refused (maas-facts §0a row 8)."""
    other = FakeMaas()
    other.down = 500
    try:
        assert len(MaasApi([other.url, maas.url], KEY).racks()) == 3
        with pytest.raises(NobodyAnswersError, match="500"):
            MaasApi([other.url], KEY).racks()
        with pytest.raises(RefusedError, match="500"):
            MaasApi([other.url, maas.url], KEY).delete_rack("aaa")
    finally:
        other.close()


def test_nobody_answers(maas: FakeMaas) -> None:
    maas.down = 503
    dead = dead_url()
    with pytest.raises(NobodyAnswersError) as nobody:
        MaasApi([dead, maas.url], KEY).racks()
    assert f"{dead}: [Errno 111] Connection refused; {maas.url}: 503 <html>Bad Gateway</html>" in nobody.value.cause
    with pytest.raises(NobodyAnswersError, match="no address is known"):
        MaasApi([], KEY).racks()


def test_a_refusal_is_an_answer(maas: FakeMaas) -> None:
    with pytest.raises(RefusedError, match=r"MAAS refuses GET rackcontrollers/: 401 .*Invalid API key") as refused:
        MaasApi([maas.url, dead_url()], "a:b:c").racks()
    assert refused.value.status == 401


def test_key_of_another_form() -> None:
    with pytest.raises(StepError, match="consumer:token:secret"):
        MaasApi([], "nonsense")


def test_every_request_has_its_own_nonce() -> None:
    assert authorization("c:t:s%", "n1", 5) == (
        'OAuth oauth_version="1.0", oauth_signature_method="PLAINTEXT", oauth_consumer_key="c", oauth_token="t", '
        'oauth_signature="%26s%25", oauth_nonce="n1", oauth_timestamp="5"'
    )


def test_explain() -> None:
    assert explain('{"__all__": ["A."], "x": ["B.", "C."], "y": "D"}') == "A.; x: B. C.; y: D"
    assert explain("plain\n  text") == "plain text"
    assert explain('["a"]') == "['a']"


def test_event_loops(maas: FakeMaas) -> None:
    maas.event_loops = {"r1:pid=3": [["10.0.0.1", 5250]], "r2:pid=4": []}
    assert event_loops(maas.url) == ["r1:pid=3", "r2:pid=4"]
    maas.down = 502
    with pytest.raises(OSError, match="502"):
        event_loops(maas.url)


RACKS = ("", "aaa", "bbb", "ccc")
STATES = [
    Vlan(5001, 3, primary, secondary, on)
    for primary in RACKS
    for secondary in RACKS
    for on in (False, True)
    if (primary != secondary or not primary) and (primary or not (secondary or on))
]


@pytest.mark.parametrize("now", STATES, ids=str)
def test_every_change_of_a_vlan_arrives(maas: FakeMaas, now: Vlan) -> None:
    """From every state to every other, through all of MAAS's traps."""
    api = MaasApi([maas.url], KEY)
    maas.ranges = [{"id": 1, "type": "dynamic", "start_ip": "198.51.100.1", "end_ip": "198.51.100.2"}]
    for wanted in STATES:
        maas.vlan = maas.vlan | {
            "primary_rack": now.primary or None,
            "secondary_rack": now.secondary or None,
            "dhcp_on": now.dhcp_on,
        }
        maas.requests.clear()
        set_vlan(api, api.vlan(5001), wanted)
        assert api.vlan(5001) == wanted, f"from {now} to {wanted}: {maas.requests}"
        assert bool(maas.requests) == (now != wanted)


def test_the_usual_change_is_one_call_and_a_swap_two(maas: FakeMaas) -> None:
    api = MaasApi([maas.url], KEY)
    maas.ranges = [{"id": 1, "type": "dynamic", "start_ip": "198.51.100.1", "end_ip": "198.51.100.2"}]
    set_vlan(api, api.vlan(5001), Vlan(5001, 3, "aaa", "bbb", dhcp_on=True))
    assert maas.requests == ["PUT vlans/5001/ primary_rack=aaa secondary_rack=bbb dhcp_on=true"]
    maas.requests.clear()
    set_vlan(api, api.vlan(5001), Vlan(5001, 3, "bbb", "aaa", dhcp_on=True))
    assert maas.requests == [
        "PUT vlans/5001/ primary_rack=bbb",
        "PUT vlans/5001/ secondary_rack=aaa dhcp_on=true",
    ]
