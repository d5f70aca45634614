"""The profile of an update, from its output."""

from __future__ import annotations

import pytest

from bench import profile

OUTPUT = [
    (0.4, "Updating (dev):"),
    (1.5, " +  maas:index:Host db1 creating (0s) "),
    (2.0, " +  command:remote:Command db1-bootstrap creating (0s) "),
    (2.1, " +  command:remote:Command lb1-bootstrap creating (0s) "),
    (2.5, "@ updating...."),
    (3.0, " +  command:remote:Command db1-bootstrap creating (1s) db1: prepare"),
    (3.2, " +  command:remote:Command db1-bootstrap creating (1s) db1: install 1 packages: postgresql-15"),
    (4.0, " +  command:remote:Command lb1-bootstrap created (2s) "),
    (9.2, " +  command:remote:Command db1-bootstrap creating (7s) db1: health"),
    (9.4, " +  command:remote:Command db1-bootstrap created (7s) db1: health"),
    (9.9, " +  command:remote:Command db1-postgres-apply creating (0s) "),
    (10.4, " +  command:remote:Command db1-postgres-apply creating (1s) db1: start postgresql@15-main.service"),
    (11.4, " +  command:remote:Command db1-postgres-apply created (2s) db1: start postgresql@15-main.service"),
    (12.0, "Resources:"),
]


def test_a_command_is_taken_apart() -> None:
    found = [part for part in profile.parts(OUTPUT) if part.command == "db1-bootstrap"]
    assert [(part.kind, part.begin, part.end) for part in found] == [
        (profile.SSH, 2.0, 3.0),
        (profile.AGENT, 3.0, 3.2),
        (profile.PACKAGES, 3.2, 9.2),
        (profile.HEALTH, 9.2, 9.4),
    ]


def test_the_way_that_decides_is_all_of_the_time() -> None:
    """lb1 is ready long before db1, so it decides nothing."""
    found = profile.chain(profile.parts(OUTPUT), 12.0)
    assert found == pytest.approx(
        {
            profile.ENGINE: 0.6 + 0.5 + 2.0,
            profile.SSH: 1.0 + 0.5,
            profile.AGENT: 0.2,
            profile.PACKAGES: 6.0,
            profile.HEALTH: 0.2,
            profile.UNITS: 1.0,
            profile.COMMANDS: 0.0,
        }
    )
    assert sum(found.values()) == pytest.approx(12.0)


def test_an_update_without_a_command_is_the_engines() -> None:
    assert profile.chain([], 3.0)[profile.ENGINE] == 3.0


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("update package lists", profile.PACKAGES),
        ("start haproxy.service", profile.UNITS),
        ("maas-region dbupgrade", profile.COMMANDS),
        ("wait for failover-vlan-5001", profile.HEALTH),
        ("swap files", profile.AGENT),
    ],
)
def test_a_step_has_a_kind(step: str, kind: str) -> None:
    assert profile.kind_of(step) == kind
