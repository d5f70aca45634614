"""`maas-ha drill` before it does anything, its load on a MAAS of the tests' own, and its sweep."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.errors import StepError
from agent.maas_api import MaasApi
from ops import stack as ops_stack
from ops.cli import app
from ops.drill_hosts import Seen, served_by
from ops.drill_load import PREFIX, Load, sweep, tags_of_drills
from ops.engine import EngineError
from ops.stack import Outputs
from tests.agent.fake_maas import KEY, FakeMaas


def test_load_reads_and_writes_and_is_swept_away(maas: FakeMaas) -> None:
    load = Load(maas.url, KEY)
    maas.tags = {"of-somebody-else"}

    async def some() -> None:
        running = asyncio.create_task(load.run())
        async with asyncio.timeout(90):
            while len(load.requests) < 12:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(some())
    assert [request.failed for request in load.requests if request.failed] == []
    written = {request.tag for request in load.requests if request.tag}
    assert len(written) >= 2
    api = MaasApi([maas.url], KEY)
    assert tags_of_drills(api) == written
    sweep(api)
    assert maas.tags == {"of-somebody-else"}


def test_load_counts_what_fails(maas: FakeMaas) -> None:
    maas.down = 502
    load = Load(maas.url, KEY)
    asyncio.run(load._request(None, f"{PREFIX}x-0"))
    maas.close()
    asyncio.run(load._request(None, ""))
    assert load.requests[0].failed == "answered 502"
    assert load.requests[1].failed
    assert maas.tags == set()


def test_a_tag_that_stays_is_told(maas: FakeMaas, monkeypatch: pytest.MonkeyPatch) -> None:
    maas.tags = {f"{PREFIX}x-0"}
    monkeypatch.setattr(MaasApi, "delete_tag", lambda api, name: None)
    with pytest.raises(StepError, match="1 tags named maas-ha-drill"):
        sweep(MaasApi([maas.url], KEY))


def seen(*, serves: bool, **sessions: int) -> Seen:
    return Seen(serves=serves, sessions=sessions, leader="", time=0.0)


def test_the_one_that_serves_is_found() -> None:
    before = {"lb1": seen(serves=False, region1=9), "lb2": seen(serves=True, region1=500)}
    now = {"lb1": before["lb1"], "lb2": seen(serves=True, region1=510, region2=60)}
    assert served_by("balancer", before, now) == "lb2"
    assert served_by("region", before, now) == "region2"


def test_nothing_is_drilled_where_no_balancer_serves() -> None:
    away = {"lb1": seen(serves=False)}
    with pytest.raises(EngineError, match="no balancer has the clients' address"):
        served_by("balancer", away, away)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["region"], "nothing was done: type the stack's name, or give --break-live-stack dev"),
        (["region", "--break-live-stack", "production"], "nothing was done"),
        (["balancer", "--break-live-stack", "dev"], "nothing was done: lb1 is the stack's only balancer"),
        (["database", "--break-live-stack", "dev"], "nothing was done: db1 has the stack's one PostgreSQL"),
        (["region", "lb1"], "lb1 is no region of stack dev; there are region1, region2"),
        (["rack", "region1"], "region1 is no rack of stack dev; there are rack1, rack2"),
    ],
)
def test_refused(arguments: list[str], told: str, outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_outputs(stack: str, project: Path) -> Outputs:
        return outputs

    monkeypatch.setattr(ops_stack, "read_outputs", read_outputs)
    done = CliRunner().invoke(app, ["drill", "dev", *arguments])
    assert done.exit_code == 1
    assert told in done.output
