"""The machine itself: made ready before any component, and cleared when the last has gone."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import PurePosixPath

from agent import before, disk
from agent.bundle import HostSettings
from agent.deb_versions import refuse_newer
from agent.errors import StepError
from agent.machine import Machine, Work
from agent.packaging import DEB
from agent.paths import LAUNCHER, LIBRARY
from agent.preflight import check_machine
from agent.records import Record, Records
from agent.roles.base import Outputs, Role
from agent.snaps import Snaps, bring_maas, differences_of_maas, refuse_mixture, refuse_other_version
from agent.teardown import take_down
from agent.transaction import Transaction
from agent.units import Units

FREE_SPACE = 512 * 1024 * 1024
"""Bytes that must be free below /var before packages are installed."""
CLOUD_INIT_DEADLINE = 900.0
"""Seconds to wait for cloud-init, which installs packages of its own."""


class Host(Role):
    """Packages for all components of the machine, installed before any of them starts."""

    packages_first = False  # package sources and the guards of units come as files
    cleans_up_without_record = True

    def __init__(self, work: Work, settings: HostSettings) -> None:
        super().__init__(work)
        self.settings = settings
        self._snaps = Snaps(work.paths, work.commands, work.report)

    def prepare(self) -> None:
        """Refuse a machine that can't be made ready, and wait for one that isn't yet."""
        work = self.work
        if os.geteuid() != 0:
            raise StepError("the agent isn't root: give the SSH user sudo without a password")
        if not work.paths.at("/run/systemd/system").is_dir():
            raise StepError("systemd isn't running on this host")
        self._refuse_other_stack()
        self._refuse_other_database()
        self._refuse_downgrade()
        work.packages.configure_pending()  # a package that was cut short counts as installed from here on
        check_machine(work, self.settings)
        refuse_mixture(work, self.settings.snap_channel)
        self._snaps.account()
        if self.settings.snap_channel:
            refuse_other_version(self._snaps, self.settings.snap_channel)
        missing = [name for name in work.bundle.packages if name not in work.packages.installed()]
        if not missing:
            return
        free = shutil.disk_usage(work.paths.at("/var")).free
        if free < FREE_SPACE:
            raise StepError(f"/var has only {free >> 20} MiB free: {FREE_SPACE >> 20} MiB are needed")
        if work.paths.at("/run/cloud-init").is_dir() and work.paths.at("/usr/bin/cloud-init").exists():
            work.report.step("wait for cloud-init")
            work.commands.run("cloud-init", "status", "--wait", check=False, timeout=CLOUD_INIT_DEADLINE)

    def _refuse_other_stack(self) -> None:
        """Two stacks on one host would each undo the other's; a rack moves by leaving first (maas-facts §4.9, §9)."""
        last = self.work.record.settings if self.work.record else None
        known = last.cluster if isinstance(last, HostSettings) else ()
        if known and self.settings.cluster and not set(known) & set(self.settings.cluster):
            raise StepError(
                f"this host is of another stack, whose load balancer and database are at {' and '.join(known)}\n"
                "Take it out of that stack's file and run `pulumi up` there, which cleans it; then it can come here."
                " If it is this stack, and both addresses changed at once: change one after the other"
            )

    def _refuse_other_database(self) -> None:
        """Rows don't move to other hosts by themselves, and a region would make an empty MAAS there."""
        last = self.work.record.settings if self.work.record else None
        known, wanted = last.database if isinstance(last, HostSettings) else (), self.settings.database
        if known and wanted and not set(known) & set(wanted):
            raise StepError(
                f"this region's database is at {' and '.join(known)}, and is to be at {' and '.join(wanted)}, which has"
                " none of its rows; nothing was touched\n"
                "Put the host that has them back into the stack file: as database.host, or first in database.cluster,"
                " whose other hosts copy it"
            )

    def _refuse_downgrade(self) -> None:
        """Every controller says so before any other part of the cluster is changed for an older MAAS."""
        if wanted := self.settings.maas_version:
            for package in DEB.region_packages[:1] + DEB.rack_packages:
                if package in self.work.packages.installed():
                    refuse_newer(self.work.packages.version(package), wanted)

    def before_units(self) -> None:
        """The snap comes once snapd is there."""
        if self.settings.snap_channel:
            bring_maas(self.work, self._snaps, self.settings.snap_channel)

    def finish(self) -> None:
        """No hold is left of an upgrade that was given up."""
        if self.settings.maas_version:
            from agent.region_hold import RegionHold  # it knows all of a region's restart

            RegionHold(self.work, self.settings.maas_version).release_first()

    def roll_back(self) -> None:
        """The snap goes again if it came just now."""
        self._snaps.undo()

    def outputs(self) -> Outputs:
        """Identity of the machine."""
        release = platform.freedesktop_os_release()
        return {
            "machine_id": self.work.paths.at("/etc/machine-id").read_text().strip(),
            "hostname": platform.node(),
            "os": release.get("ID", ""),
            "os_version": release.get("VERSION_ID", ""),
            "python": platform.python_version(),
        }

    def remove(self) -> None:
        """Take down what components left behind, then purge exactly what was installed."""
        work = self.work
        records = Records(work.paths)
        for record in records.all():
            if record.role != "host":
                work.report.say(f"{record.component} was never removed: restoring its files, MAAS isn't told")
                transaction = Transaction(work.paths, work.commands, work.report, record.component, removing=True)
                units = Units(work.commands, work.report, transaction.touch_unit)
                work.units = units
                take_down(work, record, transaction, stays_active=False)
                records.forget(record.component)
                transaction.close()
        self._remove_snaps()
        work.packages.configure_pending()
        folders = self._package_folders(work.packages.ours())
        names = work.packages.removable(self.settings.keep_packages)
        work.report.step(f"remove {len(names)} packages")
        work.packages.purge(names)
        for folder in sorted(folders, reverse=True):
            self._remove_if_left_over(folder)

    def _remove_snaps(self) -> None:
        self._snaps.account()
        if ours := self._snaps.ours():
            self._snaps.remove(ours)
        elif self.work.facts.get("held"):
            self._snaps.release_maas()

    @classmethod
    def differences(cls, machine: Machine, record: Record) -> list[str]:
        """A snap that is gone, follows another channel, or isn't held any more."""
        channel = record.settings.snap_channel if isinstance(record.settings, HostSettings) else ""
        return differences_of_maas(Snaps(machine.paths, machine.commands, machine.report), channel) if channel else []

    def removed(self) -> None:
        """State folders, links and the agent itself go last."""
        work = self.work
        known = before.load(work.paths)
        for path in known.state_dirs if known else ():
            if known and not known.had(path) and not self._has_owner(path):
                disk.remove_tree(work.paths.at(path))
        for path in before.new_entries(work.paths):
            self._remove_if_left_over(path)
        for link in before.dangling_unit_links(work.paths):
            work.paths.at(link).unlink()
            self._remove_if_left_over(str(PurePosixPath(link).parent))
        work.commands.run("systemctl", "daemon-reload", check=False)
        for path in (LAUNCHER, LIBRARY, "/var/lib/maas-ha"):
            disk.remove_tree(work.paths.at(path))

    def _package_folders(self, names: set[str]) -> set[str]:
        """Folders that belong to `names`, some of which dpkg leaves behind."""
        if not names:
            return set()
        listed = self.work.commands.run("dpkg-query", "--listfiles", *sorted(names), check=False).stdout.splitlines()
        return {line for line in listed if line.startswith("/") and self.work.paths.at(line).is_dir()}

    def _remove_if_left_over(self, folder: str) -> None:
        """Remove an empty folder that no package owns."""
        path = self.work.paths.at(folder)
        if not path.is_dir() or path.is_symlink() or any(path.iterdir()):
            return
        if not self._has_owner(folder):
            path.rmdir()

    def _has_owner(self, path: str) -> bool:
        """True if a package that is still there owns `path`."""
        return self.work.commands.run("dpkg-query", "--search", path, check=False).code == 0
