"""Debian packages: installed without starting anything, accounted for, and removed exactly as they came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from agent import before, disk
from agent.commands import Commands
from agent.errors import StepError
from agent.paths import Paths
from agent.report import Report
from agent.transaction import put_back

TIMEOUT = 1800.0
"""Seconds for one call of apt-get."""
LOCK_TIMEOUT = 600
"""Seconds that apt waits for another apt."""
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
    "UCF_FORCE_CONFFOLD": "1",
}
OPTIONS = (
    "--quiet",
    "--yes",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
    f"--option=DPkg::Lock::Timeout={LOCK_TIMEOUT}",
    "--option=Acquire::Retries=3",
)
POLICY = "/usr/sbin/policy-rc.d"
NO_START = "#!/bin/sh\n# maas-ha: no service starts with its package's configuration\nexit 101\n"


class Packages:
    """The packages of this host and which of them came with maas-ha."""

    def __init__(self, paths: Paths, commands: Commands, report: Report) -> None:
        self._paths = paths
        self._commands = commands
        self._report = report
        self._new: set[str] = set()
        self._listing: dict[str, str] = {}
        """Each package on the host and its version; empty until it is asked for, and once packages change here."""

    def install(self, wanted: Iterable[str]) -> None:
        """Install those of `wanted` that are missing; none that is there is removed for it, no service starts."""
        wanted = tuple(wanted)
        if not wanted:
            return
        present = self.installed()
        missing = [name for name in wanted if name not in present]
        if not missing:
            return
        self._note_present()
        self._forbid_starts()
        try:
            self._report.step("update package lists")
            updated = self._apt("update", check=False)
            self._report.step(f"install {len(missing)} packages: {' '.join(missing)}")
            self._apt("install", "--no-install-recommends", "--no-remove", "--", *missing, hint=updated)
        finally:
            self.allow_starts()
            self._new |= self.account()

    def version(self, name: str) -> str:
        """Version of an installed package, "" of one that isn't."""
        return self._listed().get(name, "")

    def offered(self, name: str) -> str:
        """The version that apt would install by now, "" for none."""
        self._report.step("update package lists")
        self._apt("update", check=False)
        lines = self._commands.run("apt-cache", "policy", name).stdout.splitlines()
        found = [line.partition(":")[2].strip() for line in lines if line.strip().startswith("Candidate:")]
        return found[0] if found and found[0] != "(none)" else ""

    def download(self, name: str) -> None:
        """Have here what `upgrade` needs, while all goes on as before."""
        self._report.step(f"download {name}")
        self._apt("install", "--download-only", "--no-install-recommends", "--no-remove", "--", name)

    def upgrade(self, name: str) -> None:
        """The newest of an installed package and of what it needs; no service starts. There is no way back."""
        self._note_present()
        self._forbid_starts()
        try:
            self._report.step(f"upgrade {name}")
            self._apt("install", "--no-install-recommends", "--no-remove", "--", name)
        finally:
            self.allow_starts()
            self.account()

    def undo(self) -> None:
        """Purge what this object installed."""
        if self._new:
            self._report.say(f"removing the {len(self._new)} packages that were installed")
            try:
                self.configure_pending()
                self.purge(self._new)
            except StepError as error:
                self._report.say(f"not removed: {error.cause}")
            self._new = set()

    def _note_present(self) -> None:
        """What is on the host by now isn't ours, whatever was known before."""
        self._listing.clear()
        disk.write_private(self._paths.packages_before, "".join(f"{name}\n" for name in sorted(self.installed())))

    def recover(self) -> None:
        """After a crash: services may start again, and what was installed meanwhile is remembered as ours."""
        self.allow_starts()
        self.account()

    def account(self) -> set[str]:
        """Add to ours what came since the list of packages was taken; what was added."""
        try:
            present = set(self._paths.packages_before.read_text().split())
        except FileNotFoundError:
            return set()
        new = self.installed() - present
        self._save_ours(self.ours() | new)
        self._paths.packages_before.unlink()
        return new

    def ours(self) -> set[str]:
        """Packages that came with maas-ha."""
        try:
            return set(self._paths.packages_installed.read_text().split())
        except FileNotFoundError:
            return set()

    def installed(self) -> set[str]:
        """Packages on the host that are installed, or half so."""
        return set(self._listed())

    def _listed(self) -> dict[str, str]:
        if not self._listing:
            form = "${db:Status-Abbrev} ${Package} ${Version}\n"  # a package that is half there may have none
            listing = self._commands.run("dpkg-query", "--show", f"--showformat={form}").stdout
            lines = (line.split() for line in listing.splitlines())
            self._listing = {name: "".join(version) for status, name, *version in lines if status[1] not in "nc"}
        return self._listing

    def is_whole(self) -> bool:
        """True if dpkg left nothing half-done."""
        return not self._commands.run("dpkg", "--audit", check=False).stdout.strip()

    def configure_pending(self) -> None:
        """Finish what an interrupted dpkg left half-done; no service starts by it."""
        if self.is_whole():
            return
        self._report.step("finish an interrupted dpkg")
        self._forbid_starts()
        try:
            self._commands.run("dpkg", "--configure", "-a", "--force-confold", timeout=TIMEOUT, env=ENVIRONMENT)
        finally:
            self._listing.clear()
            self.allow_starts()

    def removable(self, keep: Iterable[str]) -> set[str]:
        """Of ours, what nothing else on the host needs, nor a package in `keep`."""
        keep = set(keep)
        ours = (self.ours() & self.installed()) - keep
        if not ours:
            return set()
        if kept := sorted(keep & self.installed()):
            self._commands.run("apt-mark", "manual", *kept)
        self._commands.run("apt-mark", "auto", *sorted(ours))
        return _removed(self._simulated_autoremove()) & ours

    def _simulated_autoremove(self) -> str:
        """What apt would remove if only what is really needed counted.

        A recommended or suggested package doesn't stay for that, nor one that its own package protects, as
        postgresql-common does with `APT::NeverAutoRemove`: those settings come from a folder that isn't read here.
        """
        config = self._paths.state / "apt.conf"
        disk.write_private(config, 'Dir::Etc::Parts "/nonexistent";\n')
        try:
            return self._apt(
                "autoremove",
                "--simulate",
                "--option=APT::AutoRemove::RecommendsImportant=false",
                "--option=APT::AutoRemove::SuggestsImportant=false",
                env={"APT_CONFIG": str(config)},
            )
        finally:
            config.unlink()

    def purge(self, names: Iterable[str]) -> None:
        """Purge exactly `names`. Raises `StepError` if that would take another package with it."""
        names = sorted(set(names) & self.installed())
        if not names:
            return
        if others := sorted(_removed(self._apt("purge", "--simulate", "--", *names)) - set(names)):
            raise StepError(
                f"removing the packages would also remove {', '.join(others)}, which didn't come with maas-ha"
            )
        # A package that was interrupted while it was unpacked can't be removed otherwise.
        with before.etc_kept(self._paths):
            self._apt("purge", "--option=Dpkg::Options::=--force-remove-reinstreq", "--", *names)
        self._save_ours(self.ours() - set(names))

    def allow_starts(self) -> None:
        """Put back the policy that was there before `install`."""
        if not self._policy_note.exists():
            return
        put_back(self._paths.at(POLICY), self._policy_note.read_text() == "existed")
        self._policy_note.unlink()

    def _forbid_starts(self) -> None:
        target = self._paths.at(POLICY)
        existed = disk.exists(target)
        disk.write_private(self._policy_note, "existed" if existed else "absent")
        disk.write_new(disk.staged(target), NO_START.encode(), 0, 0, 0o755)
        if existed:
            disk.kept(target).unlink(missing_ok=True)
            disk.kept(target).hardlink_to(target)
        disk.staged(target).rename(target)

    @property
    def _policy_note(self) -> Path:
        """Says, while starts are forbidden, whether the host had a policy of its own."""
        return self._paths.state / "policy"

    def _save_ours(self, names: set[str]) -> None:
        disk.write_private(self._paths.packages_installed, "".join(f"{name}\n" for name in sorted(names)))

    def _apt(self, *words: str, check: bool = True, hint: str = "", env: Mapping[str, str] | None = None) -> str:
        argv = ("apt-get", words[0], *OPTIONS, *words[1:])
        environment = {**ENVIRONMENT, **(env or {})}
        try:
            done = self._commands.run(*argv, timeout=TIMEOUT, check=False, hold_lock=True, env=environment)
        finally:
            self._listing.clear()
        said = done.stderr.splitlines() + done.stdout.splitlines()
        complaints = "\n".join([line for line in said if line.startswith(("E:", "W:", "dpkg: error"))][:6])
        if done.code == 0:
            return done.stdout if check else complaints
        if not check:
            self._report.say(f"apt-get {words[0]}: {done.complaint}")
            return complaints
        raise StepError("\n".join(filter(None, (f"apt-get {words[0]}: {complaints or done.complaint}", hint))))


def _removed(simulation: str) -> set[str]:
    """Names of the packages that a simulated apt-get would remove."""
    lines = (line.split() for line in simulation.splitlines())
    return {words[1].partition(":")[0] for words in lines if len(words) > 1 and words[0] in ("Remv", "Purg")}
