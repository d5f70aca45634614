"""The snap maas on a machine whose `snap` is a small script: installed once, held, undone, removed with its bases."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import snaps
from agent.bundle import Bundle, HostSettings
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local

SNAP = r"""#!/bin/sh
# snap on a list of lines "name version revision tracking publisher notes"; maas brings core22.
home='@HOME@'
test "$1" = list || echo "$*" >>"$home/snap.log"
touch "$home/snaps"
case $1 in
    list)
        test -s "$home/snaps" || { echo "No snaps are installed yet." >&2; exit 0; }
        echo "Name  Version  Rev  Tracking  Publisher  Notes"; cat "$home/snaps" ;;
    install)
        test -x "$home/during" && "$home/during"
        if [ -e "$home/busy" ]; then
            rm "$home/busy"; echo 'error: snap "maas" has "install-snap" change in progress' >&2; exit 10
        fi
        grep -q ^core22 "$home/snaps" || echo "core22 20240731 1586 latest/stable canonical** base" >>"$home/snaps"
        if [ -e "$home/install-fails" ]; then echo 'error: snap "maas" is not available on 3.4/stable' >&2; exit 1; fi
        echo "maas 3.4.10 34001 ${3#--channel=} canonical** -" >>"$home/snaps" ;;
    refresh)
        if [ -e "$home/hold-fails" ]; then echo "error: unknown flag 'hold'" >&2; exit 1; fi
        notes=-; test "$2" != --hold || notes=held
        sed -i "/^maas/s/[^ ]*\$/$notes/" "$home/snaps" ;;
    remove)
        if [ "$3" != maas ] && grep -q ^maas "$home/snaps"; then echo "error: it is being used." >&2; exit 1; fi
        sed -i "/^$3 /d" "$home/snaps" ;;
esac
"""
DPKG_QUERY = 'test "$1" = --show || exit 1; while read -r name; do echo "ii  $name 1.0"; done <"@HOME@/installed"'
BUNDLE = Bundle("h1", "host", HostSettings(snap_channel="3.4/stable"))


@pytest.fixture
def home(machine: FakeHost) -> Path:
    """The state of snapd, whose socket isn't active."""
    home = machine.outside
    (home / "installed").write_text("snapd\n")
    machine.program("snap", SNAP.replace("@HOME@", str(home)))
    machine.program("dpkg-query", DPKG_QUERY.replace("@HOME@", str(home)))
    machine.program("dpkg", "exit 0")
    machine.write("/usr/bin/snap", "")
    machine.unit("snapd.socket", "enabled inactive")
    return home


def installed(home: Path) -> dict[str, str]:
    """Snap → what `snap list` notes of it."""
    rows = [line.split() for line in (home / "snaps").read_text().splitlines()]
    return {row[0]: f"{row[3]} {row[5]}" for row in rows}


def log(home: Path) -> list[str]:
    """What snap was told since the last time."""
    path = home / "snap.log"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_installed_held_and_then_left_alone(machine: FakeHost, local: Local, home: Path) -> None:
    local.apply(BUNDLE)
    assert machine.calls() == ["start snapd.socket"]
    assert log(home) == ["wait system seed.loaded", "install maas --channel=3.4/stable", "refresh --hold maas"]
    assert installed(home) == {"core22": "latest/stable base", "maas": "3.4/stable held"}
    assert machine.read("/var/lib/maas-ha/snaps-installed") == "core22\nmaas\n"
    local.apply(BUNDLE)
    assert log(home) == []
    assert machine.calls() == []
    assert local.differences() == []


def test_removed_with_what_came_along(machine: FakeHost, local: Local, home: Path) -> None:
    (home / "snaps").write_text("lxd 5.0 1 latest/stable canonical** -\n")
    local.apply(BUNDLE)
    log(home)
    local.remove(BUNDLE)
    assert log(home) == ["remove --purge maas", "remove --purge core22"]
    assert list(installed(home)) == ["lxd"]


def test_a_snap_that_was_there_keeps_its_channel_and_stays(machine: FakeHost, local: Local, home: Path) -> None:
    (home / "snaps").write_text("maas 3.4.9 1 3.4/candidate canonical** -\n")
    local.apply(BUNDLE)
    assert log(home) == ["refresh --hold maas"]
    assert installed(home) == {"maas": "3.4/candidate held"}
    local.remove(BUNDLE)
    assert log(home) == ["refresh --unhold maas"]
    assert installed(home) == {"maas": "3.4/candidate -"}


def test_a_hold_that_was_there_stays(machine: FakeHost, local: Local, home: Path) -> None:
    (home / "snaps").write_text("maas 3.4.9 1 3.4/stable canonical** held\n")
    local.apply(BUNDLE)
    local.remove(BUNDLE)
    assert log(home) == []


def test_another_version_is_refused_with_the_steps_to_take(machine: FakeHost, local: Local, home: Path) -> None:
    (home / "snaps").write_text("maas 3.5.1 1 3.5/stable canonical** held\n")
    before = machine.snapshot()
    with pytest.raises(ToldError, match=r"3\.5\.1 from 3\.5/stable(.|\n)*racks first, then regions"):
        local.apply(BUNDLE)
    assert machine.snapshot() == before
    assert log(home) == []


@pytest.mark.parametrize("failing", ["install-fails", "hold-fails"])
def test_a_failure_takes_everything_back(machine: FakeHost, local: Local, home: Path, failing: str) -> None:
    before = machine.snapshot()
    (home / failing).touch()
    with pytest.raises(ToldError, match=r"snap (install|refresh)"):
        local.apply(BUNDLE)
    assert installed(home) == {}
    assert machine.snapshot() == before


def test_a_failure_leaves_a_snap_that_was_there(machine: FakeHost, local: Local, home: Path) -> None:
    (home / "snaps").write_text("maas 3.4.9 1 3.4/stable canonical** -\n")
    (home / "hold-fails").touch()
    with pytest.raises(ToldError, match="unknown flag 'hold'"):
        local.apply(BUNDLE)
    assert installed(home) == {"maas": "3.4/stable -"}


def test_another_change_is_waited_for(
    machine: FakeHost, local: Local, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snaps, "CONFLICT_PAUSE", 0.01)
    (home / "busy").touch()
    local.apply(BUNDLE)
    assert log(home).count("install maas --channel=3.4/stable") == 2
    assert installed(home)["maas"] == "3.4/stable held"


def test_killed_while_it_installs(machine: FakeHost, local: Local, home: Path) -> None:
    machine.program("../during", "kill -9 $(ps -o ppid= $PPID)")
    done = machine.agent("apply", bundle=BUNDLE)
    assert done.returncode == -9
    machine.program("../during", "exit 0")
    local.apply(BUNDLE)
    assert machine.read("/var/lib/maas-ha/snaps-installed").split() == ["core22", "maas"]
    local.remove(BUNDLE)
    assert installed(home) == {}


@pytest.mark.parametrize("deb", ["maas-common", "maas-region-api", "maas-rack-controller"])
def test_no_snap_beside_packages(machine: FakeHost, local: Local, home: Path, deb: str) -> None:
    (home / "installed").write_text(f"snapd\n{deb}\n")
    with pytest.raises(ToldError, match=rf"MAAS from packages \({deb}\)(.|\n)*packaging: deb"):
        local.apply(BUNDLE)
    assert log(home) == []


def test_no_packages_beside_a_snap(machine: FakeHost, local: Local, home: Path) -> None:
    link = machine.write("/snap/bin/x", "").with_name("maas")
    link.symlink_to("/usr/bin/snap")
    (home / "installed").write_text("maas-rack-controller\n")
    with pytest.raises(ToldError, match=r"snap maas(.|\n)*packaging: snap"):
        local.apply(Bundle("h1", "host", HostSettings(), packages=("maas-rack-controller",)))
    local.apply(Bundle("h1", "host", HostSettings()))  # a database beside it is no concern


def test_differences(machine: FakeHost, local: Local, home: Path) -> None:
    local.apply(BUNDLE)
    (home / "snaps").write_text("maas 3.5.1 1 3.5/stable canonical** -\n")
    assert local.differences() == [
        "the snap maas follows 3.5/stable",
        "the snap maas isn't held: snapd may refresh it at any time",
    ]
    (home / "snaps").write_text("")
    assert local.differences() == ["the snap maas isn't installed"]
