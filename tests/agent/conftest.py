"""A host below a temporary root: its `systemctl`, `dpkg-query` … are small real programs on PATH."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent import handover
from agent.apply import apply
from agent.bundle import Bundle
from agent.commands import Commands
from agent.lock import locked
from agent.machine import Machine
from agent.masking import Masker
from agent.packages import Packages
from agent.paths import Paths
from agent.records import Records
from agent.remove import remove
from agent.report import Report
from agent.roles import dhcp
from agent.units import Units
from agent.verify import verify
from tests.agent.dhcpd import RackDhcpd
from tests.agent.fake_maas import FakeMaas

REPOSITORY = Path(__file__).parents[2]

SYSTEMCTL = r"""#!/bin/sh
# A tiny systemd: units are files with "enabled|disabled active|inactive"; every call is logged.
host='@HOST@'
words=
for word; do case $word in -*) ;; *) words="$words $word" ;; esac; done
echo "${words# }" >>"$host/systemctl.log"
set -- $words
verb=$1; shift
if [ "$verb" = show ]; then
    first=yes
    for name; do
        [ $first ] || echo
        first=
        if [ -e "$host/units/$name" ]; then
            read -r enabled active <"$host/units/$name"
            printf 'LoadState=loaded\nActiveState=%s\nUnitFileState=%s\n' "$active" "$enabled"
        else
            printf 'LoadState=not-found\nActiveState=inactive\nUnitFileState=\n'
        fi
    done
    exit
fi
for name; do
    read -r enabled active <"$host/units/$name"
    case $verb in
        start | restart) # a condition that isn't met is no failure
            if [ -x "$host/hooks/condition-$name" ] && ! "$host/hooks/condition-$name"; then
                echo "$enabled inactive" >"$host/units/$name"
                continue
            fi ;;
    esac
    if [ -x "$host/hooks/$verb-$name" ] && ! "$host/hooks/$verb-$name"; then
        case $verb in start | restart) echo "$enabled inactive" >"$host/units/$name" ;; esac
        echo "Job for $name failed." >&2
        exit 1
    fi
    case $verb in
        enable) enabled=enabled ;;
        disable) enabled=disabled ;;
        start | restart | reload-or-restart) active=active ;;
        stop) active=inactive ;;
        reload) [ "$active" = active ] || exit 1 ;;
    esac
    echo "$enabled $active" >"$host/units/$name"
done
"""


@dataclass
class FakeHost:
    """A machine for the agent."""

    root: Path
    outside: Path
    """What isn't part of the machine's file system: its programs and their state."""

    def program(self, name: str, text: str) -> Path:
        """Put a program on the machine's PATH."""
        path = self.outside / "bin" / name
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def hook(self, verb: str, unit: str, text: str) -> None:
        """Shell text that runs when systemd is told VERB for UNIT; its failure is the verb's."""
        path = self.outside / "hooks" / f"{verb}-{unit}"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def unhook(self, verb: str, unit: str) -> None:
        """Take a hook away."""
        (self.outside / "hooks" / f"{verb}-{unit}").unlink()

    def unit(self, name: str, state: str | None = None) -> str:
        """Set or read "enabled active" of a unit."""
        path = self.outside / "units" / name
        if state is not None:
            path.write_text(f"{state}\n")
        return path.read_text().strip()

    def calls(self) -> list[str]:
        """What systemd was told since the last time, without questions."""
        log = self.outside / "systemctl.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if not line.startswith(("show", "reset-failed"))]

    def write(self, path: str, content: str, mode: int = 0o644) -> Path:
        """A file on the machine."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)
        return target

    def read(self, path: str) -> str:
        """Content of a file on the machine."""
        return (self.root / path.lstrip("/")).read_text()

    def snapshot(self) -> dict[str, tuple[str, int, int, int, str]]:
        """Every file, folder and link outside the agent's own folder, with content, owner and mode; and the units."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = "/" + str(path.relative_to(self.root))
            if name.startswith("/var/lib/maas-ha"):
                continue
            status = path.lstat()
            kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "file" if path.is_file() else "other"
            content = path.read_text() if kind == "file" else str(path.readlink()) if kind == "link" else ""
            found[name] = (kind, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), content)
        for unit in sorted((self.outside / "units").iterdir()):
            found[f"unit {unit.name}"] = ("unit", 0, 0, 0, unit.read_text().strip())
        return found

    @property
    def environment(self) -> dict[str, str]:
        """Environment for a process on this machine."""
        return {**os.environ, "PATH": f"{self.outside / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"}

    def agent(self, *arguments: str, bundle: Bundle | None = None) -> subprocess.CompletedProcess[str]:
        """Run the agent as a process of its own."""
        start = "import pathlib, sys; from agent.__main__ import main; "
        start += "sys.exit(main(sys.argv[2:], pathlib.Path(sys.argv[1])))"
        return subprocess.run(
            [sys.executable, "-c", start, str(self.root), *arguments],
            input=bundle.to_json() if bundle else "",
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env=self.environment,
            timeout=120,
            check=False,
        )

    def outputs(self, bundle: Bundle) -> dict[str, object]:
        """Apply `bundle`, which must succeed; what the role says."""
        done = self.agent("apply", bundle=bundle)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return answer


def new_host(folder: Path) -> FakeHost:
    """A host with systemd, journal and an almost empty file system, below `folder`."""
    outside = folder / "outside"
    for name in ("bin", "units", "hooks"):
        (outside / name).mkdir(parents=True)
    root = folder / "root"
    for name in ("etc/systemd/system", "run/systemd/system", "usr/sbin", "var/lib"):
        (root / name).mkdir(parents=True)
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "proc/sys/kernel/hostname").write_text("h1\n")
    host = FakeHost(root, outside)
    host.program("systemctl", SYSTEMCTL.replace("@HOST@", str(outside)))
    host.program("journalctl", 'echo "log of $2"')
    return host


@pytest.fixture
def machine(tmp_path: Path) -> FakeHost:
    """A host of this test's own."""
    return new_host(tmp_path)


class Local:
    """The agent inside the test's own process, for roles whose deadlines or addresses a test replaces."""

    def __init__(self, machine: FakeHost) -> None:
        self.machine = machine
        self.paths = Paths(machine.root)

    def apply(self, bundle: Bundle) -> dict[str, object]:
        """Apply; raises what the command line would print."""
        with self._ready(bundle) as (report, commands):
            return apply(self.paths, report, commands, bundle)

    def remove(self, bundle: Bundle) -> None:
        """Remove; raises what the command line would print."""
        with self._ready(bundle) as (report, commands):
            remove(self.paths, report, commands, bundle)

    def differences(self) -> list[str]:
        """What `verify` finds."""
        report = Report("h1", Masker())
        commands = Commands(report)
        units = Units(commands, report, lambda name, before, verb: None)
        machine = Machine(self.paths, report, commands, units, Packages(self.paths, commands, report))
        return [difference.text for difference in verify(machine, Records(self.paths).all())]

    @contextmanager
    def _ready(self, bundle: Bundle) -> Iterator[tuple[Report, Commands]]:
        report = Report(bundle.host, Masker(bundle.secrets.values()))
        with locked(self.paths, report) as descriptor:
            yield report, Commands(report, descriptor)


@pytest.fixture
def local(machine: FakeHost, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Local]:
    """The agent in this process, on `machine`; what it says is kept from the test's output."""
    monkeypatch.setenv("PATH", machine.environment["PATH"])
    yield Local(machine)
    capfd.readouterr()


@pytest.fixture
def maas() -> Iterator[FakeMaas]:
    """MAAS with three racks."""
    fake = FakeMaas()
    for rack in ("aaa", "bbb", "ccc"):
        fake.add_rack(rack)
    yield fake
    fake.close()


@pytest.fixture
def dhcpd(machine: FakeHost, maas: FakeMaas, monkeypatch: pytest.MonkeyPatch) -> RackDhcpd:
    """The dhcpd of the rack aaa, whose host this is; nobody waits long for it."""
    monkeypatch.setattr(dhcp, "OFF_DEADLINE", 0.3)
    monkeypatch.setattr(dhcp, "RANGE_DEADLINE", 0.3)
    monkeypatch.setattr(handover, "ALONE_DEADLINE", 0.3)
    monkeypatch.setattr(handover, "SETTLED_DEADLINE", 0.3)
    return RackDhcpd(machine, maas).follow()
