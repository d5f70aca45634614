"""Every contestant on pristine hosts, in turns: first deployment, nothing to do, one region's workers."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from bench import profile, stacks, unchanged
from bench.contestants import ANSIBLE, FLOOR, MAKE, OURS, TUNED, Contestant
from bench.contestants import Ours as Program
from bench.measure import Measured
from bench.probe import Probe
from bench.processes import Run, shares
from bench.progress import say
from bench.stage import Stage, stage
from bench.wire import Wire
from lab.standin.maas_standin.knobs import Knobs
from tests.engine.poller import Poller

DEPLOY, NOTHING, WORKERS, BUNDLE = "deploy", "nothing", "workers", "bundle"
WHO: Mapping[str, Collection[str]] = {
    DEPLOY: (OURS, FLOOR, ANSIBLE, TUNED),
    NOTHING: (OURS, FLOOR, ANSIBLE, TUNED),
    WORKERS: (OURS, FLOOR, TUNED),
    BUNDLE: (OURS,),
}
"""What is done → who does it."""
CHANGES = (3, 2, 3)
"""Workers of `region1`, one after the other: when a rack looks is luck, and three changes have less of it than one."""
PACE = Knobs().rack_poll_full_s
"""Seconds between two looks of a settled rack for regions."""
SETTLED = 3 * Knobs().rack_settle_s
"""Age of a rack in seconds from which it surely looks for regions at that pace."""
EMPTY, PLUGINS = "an empty program", "a resource of each plugin"
NETWORK = r"(?<=dhcp-)[\d.]+-\d+-"
"""In a pair's name; the lab takes another one each time."""


def first(who: str) -> str:
    return f"first deployment until the end state stands, {who}"


def alone(who: str) -> str:
    return f"first deployment, the command alone, {who}"


def again(who: str) -> str:
    return f"nothing to do, {who}"


def workers(who: str) -> str:
    return f"workers of a region until they serve, {who}"


@dataclass
class Play:
    """The measurements of one run of it, by what was done."""

    wanted: Collection[str]
    stage: Stage
    measured: dict[str, Measured] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.measured = {what: Measured() for what in self.wanted}

    def repeat(self, number: int) -> None:
        """Everybody once, another one first each time."""
        everybody = [who for who in MAKE if any(who in WHO[what] for what in self.wanted)]
        begin = number % len(everybody)
        for who in everybody[begin:] + everybody[:begin]:
            self.stage.pristine()
            one = MAKE[who](self.stage)
            self._deploy(who, one)
            acts: Mapping[str, Callable[[str, Contestant], None]] = {
                NOTHING: self._nothing,
                BUNDLE: self._bundle,
                WORKERS: self._workers,
            }
            for what, act in acts.items():
                if what in self.wanted and who in WHO[what]:
                    say(f"{number + 1}: {what}, {who}")
                    act(who, one)
        if NOTHING in self.wanted:
            for what, made in ((EMPTY, stacks.nothing), (PLUGINS, stacks.plugins)):
                stack = made(self.stage.room("bare") / "stack")
                self.measured[NOTHING].add(again(what), stack.pulumi(*stacks.UP).seconds, "s")

    def _deploy(self, who: str, one: Contestant) -> None:
        say(f"deploy, {who}")
        before = self.stage.connections()
        with Wire(self.stage.lab.place.bridge, self.stage.addresses()) as wire:
            done = one.deploy()
        after = self.stage.connections()
        waited = Probe(self.stage.lab).wait()
        if DEPLOY not in self.wanted:
            return
        measured, hosts = self.measured[DEPLOY], len(after)
        measured.add(first(who), done.seconds + waited, "s")
        measured.add(alone(who), done.seconds, "s")
        sent, received = sum(wire.sent.values()), sum(wire.received.values())
        measured.add(f"sent to a host, {who}", sent / hosts / 1000, "kB")
        measured.add(f"received from a host, {who}", received / hosts / 1000, "kB")
        measured.add(f"SSH logins, {who}", sum(after.values()) - sum(before.values()), "")
        if who == OURS:
            self._profile(DEPLOY, done)

    def _profile(self, what: str, done: Run) -> None:
        """Where the time of ours went."""
        found = profile.parts(done.lines)
        measured = self.measured[what]
        for kind, seconds in profile.chain(found, done.seconds).items():
            measured.add(f"on the way that decides: {kind}", seconds, "s")
        measured.timeline = [
            (re.sub(NETWORK, "", part.command), part.kind, round(part.begin, 2), round(part.end, 2)) for part in found
        ]

    def _nothing(self, who: str, one: Contestant) -> None:
        measured, probe = self.measured[NOTHING], Probe(self.stage.lab)
        logins = self.stage.connections()
        measured.add(again(who), one.deploy().seconds, "s")
        after = self.stage.connections()
        measured.add(f"SSH logins with nothing to do, {who}", sum(after.values()) - sum(logins.values()), "")
        probe.wait()
        starts = self.stage.starts()
        with Poller(probe.url) as poller:
            one.deploy()
            probe.wait()
        later = self.stage.starts()
        measured.add(f"requests that failed in a second run, {who}", len(poller.failed), "")
        measured.add(f"requests in a second run, {who}", poller.tried, "")
        if isinstance(one, Program):
            self._shares(one)
        changed = sum(later.get(unit) != begun for unit, begun in starts.items())
        measured.add(f"units that a second run restarted, {who}", changed, "")

    def _shares(self, one: Program) -> None:
        """Whose processor time it is, seen in a run of its own: looking takes some."""
        measured, seen = self.measured[NOTHING], one.project.up(look_at_memory=True).memory
        for part, seconds in shares(seen.processor).items():
            measured.add(f"processor time of {part} with nothing to do", seconds, "s")
        measured.add("memory of all processes with nothing to do", seen.all / 1e6, "MB")

    def _workers(self, who: str, one: Contestant) -> None:
        for count in CHANGES:
            self._change(who, one, count)

    def _change(self, who: str, one: Contestant, count: int) -> None:
        measured, probe = self.measured[WORKERS], Probe(self.stage.lab)
        self._settle()
        logins, starts = self.stage.connections(), self.stage.starts()
        with Poller(probe.url) as poller:
            done = one.workers(count)
            waited = probe.wait({"region1": count, "region2": 2})
        touched = {host: after - logins[host] for host, after in self.stage.connections().items()}
        later = self.stage.starts()
        restarted = {unit for unit, begun in starts.items() if later.get(unit) != begun}
        measured.add(workers(who), done.seconds + waited, "s")
        measured.add(f"workers of a region, the command alone, {who}", done.seconds, "s")
        if who == OURS:
            self._profile(WORKERS, done)
        measured.add(f"SSH logins to the region, {who}", touched.pop("region1"), "")
        measured.add(f"SSH logins to other hosts, {who}", sum(touched.values()), "")
        others = sum(not unit.startswith("region1 ") for unit in restarted)
        measured.add(f"units restarted on other hosts, {who}", others, "")
        measured.add(f"requests that failed while the workers changed, {who}", len(poller.failed), "")

    def _settle(self) -> None:
        """Wait until no rack is young, which looks for regions more often; then for any moment between two looks."""
        begun = [one.split()[1] for unit, one in self.stage.starts().items() if unit.endswith(" maas-rackd.service")]
        time.sleep(max(0.0, max(map(int, begun)) / 1e6 + SETTLED - time.monotonic()) + random.uniform(0, PACE))  # noqa: S311

    def _bundle(self, _: str, one: Contestant) -> None:
        assert isinstance(one, Program)  # noqa: S101 - only ours has an agent
        unchanged.measure(self.stage, one.project, self.measured[BUNDLE])


def play(wanted: Collection[str], repeats: int) -> Iterator[tuple[int, dict[str, Measured]]]:
    """Set up the hosts, play `repeats` times, take them down; what was measured so far, after each repeat.

    Raises CommandError, and AssertionError where an end state isn't reached.
    """
    with stage() as made:
        playing = Play(wanted, made)
        for number in range(repeats):
            playing.repeat(number)
            yield number + 1, playing.measured
