"""Whatever is in a stack file: either it can work, or every problem is named. Never anything else."""

from __future__ import annotations

import contextlib
import copy
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml

from config import stack_file
from config.finding import Finding, StackFileError
from tests.stacks import HOST_KEY, cluster_of

MUTATIONS = 20_000
TEXTS = 2_000
SEED = 20261124
SECRET = "Hunter2/never to be seen"
NAMELESS = Finding("", "", "")
PATH = re.compile(r"[a-zA-Z_]|maas-ha:cluster|Pulumi\.")

VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 11, 65536, 10**30, 1.5, float("nan"), float("inf")),
    *("", " ", "x", "\x00", "ä" * 300, "198.51.100.999", "198.51.100.7", "fe80::1%eth0", "::1", "0.0.0.0/0", "_"),
    *([], {}, [[]], [None], {"": ""}, {1: 2}, [{}], {"external": 5}, {"mode": "isc"}, SECRET),
    *("1e400", "!!python/object", "2026-11-24", b"bytes", {"host": {}}, ["rack1", "rack1"]),
)


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The path of everything inside `value`."""
    items: Iterator[tuple[object, object]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def mutate(value: object, chance: random.Random) -> object:
    """`value` with one to three things set, taken out, renamed, doubled or moved."""
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        known = list(places(value))
        if not known:
            return chance.choice(VALUES)
        *above, last = chance.choice(known)
        holder = value
        for part in above:
            holder = holder[part]  # type: ignore[index]  # the path is from `places`
        _change(holder, last, chance)
    return value


def _change(holder: object, key: object, chance: random.Random) -> None:
    match chance.randint(0, 4):
        case 0 if isinstance(holder, dict):
            holder[f"{key}{chance.choice(['s', '_', '-', ' '])}"] = holder.pop(key)
        case 1 if isinstance(holder, dict):
            del holder[key]
        case 2 if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[0]) if holder else None)
        case 3:
            others = list(holder.values() if isinstance(holder, dict) else cast("list[object]", holder))
            holder[key] = copy.deepcopy(chance.choice(others))  # type: ignore[index]
        case _:
            holder[key] = copy.deepcopy(chance.choice(VALUES))  # type: ignore[index]


def judged(content: object, project: Path) -> bool:
    """True if it can work. Anything but named problems fails the test."""
    findings: tuple[Finding, ...] = ()
    try:
        stack_file.parse(content, project)
    except StackFileError as error:
        findings = error.findings or (NAMELESS,)
    for finding in findings:
        assert PATH.match(finding.path), finding
        assert finding.problem, finding
        assert finding.remedy, finding
        if finding.path != "ssh.known_hosts":  # which file is missing may be said
            assert SECRET not in str(finding)
    return not findings


@pytest.mark.parametrize("part", range(4))
def test_no_content_ends_in_anything_but_named_problems(part: int, tmp_path: Path) -> None:
    chance = random.Random(SEED + part)  # noqa: S311 - the same on every run
    start = cluster_of("dev", tmp_path / "known_hosts")
    fine = sum(judged(mutate(start, chance), tmp_path) for _ in range(MUTATIONS // 4))
    assert 0 < fine < MUTATIONS / 4 / 2, "the mutations should mostly break something"


def test_no_text_does_either(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same on every run
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    text = yaml.safe_dump({"config": {"maas-ha:cluster": cluster}}, sort_keys=False)
    path = tmp_path / "Pulumi.dev.yaml"
    for _ in range(TEXTS):
        letters = list(text)
        for _ in range(chance.randint(1, 4)):
            letters[chance.randrange(len(letters))] = chance.choice("{}[]:-&*!|>%@`'\"#\t\n ä,0\x07")
        path.write_bytes("".join(letters).encode("utf-8" if chance.random() < 0.9 else "utf-16"))
        with contextlib.suppress(StackFileError):
            stack_file.read("dev", tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config:\n  maas-ha:cluster: {hosts: {a: {}, a: {}}}\n", "Pulumi.dev.yaml, line 2: 'a' is there twice"),
        ("config:\n  - [\n", "Pulumi.dev.yaml, line 3: is no YAML"),
        ("config:\n  maas-ha:cluster: {racks: {{ racks }}}\n", "Pulumi.dev.yaml, line 2: is no YAML"),
        ("config: {maas-ha:cluster: 2026-13-45}", "Pulumi.dev.yaml: holds what YAML can't read"),
        ("- 1", "maas-ha:cluster: is missing"),
    ],
)
def test_what_is_wrong_with_the_text_is_said(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StackFileError) as refused:
        stack_file.read("dev", tmp_path)
    assert said in str(refused.value)


def test_the_start_itself_can_work(tmp_path: Path) -> None:
    assert judged(cluster_of("dev", tmp_path / "known_hosts"), tmp_path)
    assert HOST_KEY in (tmp_path / "known_hosts").read_text(encoding="utf-8")
