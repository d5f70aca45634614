"""Packages: installed without a start, accounted for, and only ours removed. dpkg and apt are small scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.bundle import Bundle, File, HostSettings
from agent.commands import Commands
from agent.masking import Masker
from agent.packages import NO_START, Packages
from agent.report import Report
from agent.trouble import ToldError
from tests.agent.conftest import FakeHost, Local

APT = r"""#!/bin/sh
# apt-get on a list of installed packages; "lib" comes with "app", "needed" is needed by something that was there.
home='@HOME@'
echo "$*" >>"$home/apt.log"
verb=$1; shift
export AGENT=$PPID
words= simulate=
for word; do case $word in --simulate) simulate=yes ;; -*) ;; *) words="$words $word" ;; esac; done
case $verb in
    install)
        test -x "$home/during" && "$home/during"
        for name in $words; do
            test "$name" != missing || { echo 'E: Unable to locate package missing' >&2; exit 100; }
            echo "$name" >>"$home/installed"
            test "$name" != app || echo lib >>"$home/installed"
        done
        if [ -e "$home/install-fails" ]; then
            echo 'E: Sub-process /usr/bin/dpkg returned an error code (1)' >&2
            exit 100
        fi ;;
    autoremove) for name in $(cat "$home/auto"); do test "$name" = needed || echo "Remv $name [1.0]"; done ;;
    purge)
        for name in $words; do
            if [ $simulate ]; then echo "Purg $name [1.0]"; else
                grep -vx "$name" "$home/installed" >"$home/left"; mv "$home/left" "$home/installed"
            fi
        done
        if [ $simulate ] && [ -e "$home/takes" ]; then echo "Purg $(cat "$home/takes") [1.0]"; fi ;;
esac
"""


@pytest.fixture
def home(machine: FakeHost) -> Path:
    """The state of the package manager."""
    home = machine.outside
    (home / "installed").write_text("base\nold-auto\n")
    (home / "auto").write_text("old-auto\n")
    machine.program("apt-get", APT.replace("@HOME@", str(home)))
    machine.program("apt-mark", f'test "$1" = auto || exit 0; shift; for name; do echo "$name" >>"{home}/auto"; done')
    listing = f'while read -r name; do echo "ii  $name 1.0"; done <"{home}/installed"'
    machine.program("dpkg-query", f"case $1 in --show) {listing} ;; --search) exit 1 ;; esac")
    machine.program("dpkg", "exit 0")
    return home


def bundle(*packages: str, keep: tuple[str, ...] = ()) -> Bundle:
    """A machine with these packages."""
    files = (File("/etc/apt/sources.list.d/x.list", "deb x\n"),)
    return Bundle("h1", "host", HostSettings(keep), packages=packages, files=files)


def installed(home: Path) -> set[str]:
    """What is on the machine."""
    return set((home / "installed").read_text().split())


def test_files_first_no_service_starts_and_what_came_is_known(machine: FakeHost, local: Local, home: Path) -> None:
    root = machine.root
    read = f'"{root}/etc/apt/sources.list.d/x.list" "{root}/usr/sbin/policy-rc.d"'
    machine.program("../during", f'cat {read} >"{home}/seen"')
    local.apply(bundle("app", "base"))
    assert (home / "seen").read_text() == f"deb x\n{NO_START}"
    assert not (machine.root / "usr/sbin/policy-rc.d").exists()
    assert machine.read("/var/lib/maas-ha/packages-installed") == "app\nlib\n"
    assert not (machine.root / "var/lib/maas-ha/packages-before").exists()
    calls = (home / "apt.log").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["update", "install"]
    assert all(option in calls[1] for option in ("--no-install-recommends", "--no-remove", "DPkg::Lock::Timeout=600"))
    local.apply(bundle("app", "base"))
    assert len((home / "apt.log").read_text().splitlines()) == 2


@pytest.mark.parametrize("come", [lambda it: it.install(["app"]), lambda it: it.upgrade("app")], ids=["new", "newer"])
def test_what_came_meanwhile_is_not_ours(local: Local, home: Path, come: Callable[[Packages], None]) -> None:
    report = Report("h1", Masker())
    packages = Packages(local.paths, Commands(report), report)
    local.paths.state.mkdir()
    assert packages.version("base") == "1.0"
    (home / "installed").write_text("base\nold-auto\nof-somebody-else\n")
    come(packages)
    assert packages.ours() == {"app", "lib"}
    assert packages.version("app") == "1.0"


def test_policy_of_the_machine_comes_back(machine: FakeHost, local: Local, home: Path) -> None:
    machine.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n", 0o711)
    before = machine.snapshot()["/usr/sbin/policy-rc.d"]
    machine.program("../during", f'cat "{machine.root}/usr/sbin/policy-rc.d" >"{home}/seen"')
    local.apply(bundle("app"))
    assert (home / "seen").read_text() == NO_START
    assert machine.snapshot()["/usr/sbin/policy-rc.d"] == before


@pytest.mark.parametrize("policy", ["", "#!/bin/sh\nexit 0\n"])
def test_failed_install_is_undone(machine: FakeHost, local: Local, home: Path, policy: str) -> None:
    if policy:
        machine.write("/usr/sbin/policy-rc.d", policy)
    before = machine.snapshot()
    (home / "install-fails").touch()
    with pytest.raises(ToldError, match=r"install 1 packages: app: apt-get install: E: Sub-process"):
        local.apply(bundle("app"))
    assert installed(home) == {"base", "old-auto"}
    assert machine.snapshot() == before
    with pytest.raises(ToldError, match="E: Unable to locate package missing"):
        local.apply(bundle("missing"))


def test_killed_while_it_installs(machine: FakeHost, local: Local, home: Path) -> None:
    before = machine.snapshot()
    machine.program("../during", "kill -9 $AGENT")
    done = machine.agent("apply", bundle=bundle("app"))
    assert done.returncode == -9
    machine.program("../during", "exit 0")
    assert machine.agent("verify").returncode == 0
    assert machine.snapshot() == before
    assert machine.read("/var/lib/maas-ha/packages-installed").split() == ["app", "lib"]
    local.apply(bundle("app"))
    local.remove(bundle("app"))
    assert installed(home) == {"base", "old-auto"}


def test_remove_takes_ours_alone(machine: FakeHost, local: Local, home: Path) -> None:
    local.apply(bundle("app", "needed", "database", keep=("database",)))
    machine.write("/usr/local/sbin/maas-ha-agent", "")
    machine.write("/usr/local/lib/maas-ha/agent.pyz", "")
    local.remove(bundle("app", "needed", "database", keep=("database",)))
    assert installed(home) == {"base", "old-auto", "needed", "database"}
    for path in (
        "/var/lib/maas-ha",
        "/usr/local/sbin/maas-ha-agent",
        "/usr/local/lib/maas-ha",
        "/etc/apt/sources.list.d",
    ):
        assert not (machine.root / path.lstrip("/")).exists()


def test_remove_never_takes_another_package_along(machine: FakeHost, local: Local, home: Path) -> None:
    local.apply(bundle("app"))
    (home / "takes").write_text("precious")
    with pytest.raises(ToldError, match="would also remove precious, which didn't come with maas-ha"):
        local.remove(bundle("app"))
    assert installed(home) == {"base", "old-auto", "app", "lib"}


def test_state_folders_and_links_that_came_since_go(machine: FakeHost, local: Local, home: Path) -> None:
    machine.write("/var/lib/given/data", "kept")
    before = machine.snapshot()
    full = bundle("app")
    named = Bundle(
        "h1", "host", HostSettings(), full.packages, full.files, state_dirs=("/var/lib/maas", "/var/lib/given")
    )
    local.apply(named)
    machine.write("/var/lib/maas/image", "big")
    (machine.root / "var/lib/empty").mkdir()
    link = machine.root / "etc/systemd/system/multi-user.target.wants"
    link.mkdir()
    (link / "gone.service").symlink_to("/lib/systemd/system/gone.service")
    local.remove(named)
    assert machine.snapshot() == before


def test_machine_without_systemd_is_refused(machine: FakeHost, local: Local) -> None:
    (machine.root / "run/systemd/system").rmdir()
    with pytest.raises(ToldError, match="h1: prepare: systemd isn't running on this host"):
        local.apply(bundle())


def test_a_region_whose_database_would_be_on_other_hosts_alone_is_refused(machine: FakeHost, local: Local) -> None:
    def of(*database: str) -> Bundle:
        return Bundle("h1", "host", HostSettings(database=database))

    local.apply(of("198.51.100.11"))
    before = machine.snapshot()
    with pytest.raises(ToldError, match=r"database is at 198\.51\.100\.11, and is to be at 198\.51\.100\.12 and"):
        local.apply(of("198.51.100.12", "198.51.100.13"))
    assert machine.snapshot() == before
    local.apply(of("198.51.100.11", "198.51.100.12", "198.51.100.13"))
    local.apply(of())  # an external one, which the operator filled


def test_a_host_of_another_stack_is_refused(machine: FakeHost, local: Local) -> None:
    def of(*cluster: str) -> Bundle:
        return Bundle("h1", "host", HostSettings(cluster=cluster))

    local.apply(of("198.51.100.41", "198.51.100.11"))
    local.apply(of("198.51.100.42", "198.51.100.11"))  # the load balancer moved
    before = machine.snapshot()
    with pytest.raises(ToldError, match=r"of another stack, whose .* at 198\.51\.100\.42 and 198\.51\.100\.11"):
        local.apply(of("203.0.113.41", "203.0.113.11"))
    assert machine.snapshot() == before
    local.apply(of("198.51.100.42", "198.51.100.12"))
