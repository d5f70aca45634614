"""A snap's commands, services and hooks: run as `snap run` runs them, with units as snapd writes them."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from .errors import SnapError
from .places import Places
from .state import Installed

SNAP = "/usr/bin/snap"
UNIT = """\
[Unit]
# Auto-generated, DO NOT EDIT
Description=Service for snap application {snap}.{app}
Wants=network.target
After=network.target
X-Snappy=yes

[Service]
EnvironmentFile=-/etc/environment
ExecStart={command} run {snap}.{app}
SyslogIdentifier={snap}.{app}
Restart=always
WorkingDirectory={data}
Type=simple

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class App:
    """One of a snap's programs."""

    snap: str
    name: str
    command: str
    daemon: bool

    @property
    def unit(self) -> str:
        """The unit of a service."""
        return f"snap.{self.snap}.{self.name}.service"


def apps(places: Places, snap: str, revision: int | str) -> list[App]:
    """What `meta/snap.yaml` of a revision declares."""
    meta = yaml.safe_load((places.mounted(snap, revision) / "meta/snap.yaml").read_text())
    declared = meta.get("apps", {})
    return [App(snap, name, fields["command"], "daemon" in fields) for name, fields in declared.items()]


def run(places: Places, called: str, arguments: list[str], *, hook: str = "") -> None:
    """Become the program `SNAP` or `SNAP.APP`, or a snap's hook. Raises SnapError if there is none."""
    snap, _, name = called.partition(".")
    current = places.mounted(snap, "current")
    if not current.exists():
        raise SnapError(f'snap "{snap}" is not installed')
    revision = current.resolve().name
    environment = _environment(places, snap, revision)
    if hook:
        program = current.resolve() / "meta/hooks" / hook
    else:
        found = [app for app in apps(places, snap, "current") if app.name == (name or snap)]
        if not found:
            raise SnapError(f'cannot find app "{name or snap}" in "{snap}"')
        program = current.resolve() / found[0].command
    os.execve(program, [str(program), *arguments], environment)  # noqa: S606


def run_hook(places: Places, snap: Installed, hook: str) -> None:
    """Run a hook of the revision that is current. Raises SnapError with what it said last."""
    if not (places.mounted(snap.name, "current") / "meta/hooks" / hook).exists():
        return
    done = subprocess.run([SNAP, "run", f"--hook={hook}", snap.name], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "failed").splitlines()[-1]
        raise SnapError(
            "cannot perform the following tasks:\n"
            f'- Run {hook} hook of "{snap.name}" snap if present (run hook "{hook}": {said})'
        )


def add(places: Places, snap: Installed) -> None:
    """Links and units of the current revision; services are enabled and started."""
    places.commands.mkdir(parents=True, exist_ok=True)
    for app in apps(places, snap.name, snap.revision):
        if app.daemon:
            data = places.data(snap.name, snap.revision)
            text = UNIT.format(snap=snap.name, app=app.name, command=SNAP, data=data)
            (places.units / app.unit).write_text(text)
            systemctl("daemon-reload")
            systemctl("enable", app.unit)
        else:
            link = places.commands / (app.name if app.name == snap.name else f"{snap.name}.{app.name}")
            link.unlink(missing_ok=True)
            link.symlink_to(SNAP)


def start(places: Places, snap: Installed) -> None:
    """Start the services of the current revision."""
    for app in apps(places, snap.name, snap.revision):
        if app.daemon:
            systemctl("start", app.unit)


def take_away(places: Places, snap: Installed) -> None:
    """Stop the services of the current revision, and remove its units and links."""
    for app in apps(places, snap.name, snap.revision):
        if app.daemon:
            systemctl("stop", app.unit)
            systemctl("disable", app.unit)
            (places.units / app.unit).unlink(missing_ok=True)
            systemctl("daemon-reload")
            systemctl("reset-failed", app.unit)
        else:
            (places.commands / app.name).unlink(missing_ok=True)


def systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    """What systemctl answers; nothing that fails here stops snapd."""
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)


def _environment(places: Places, snap: str, revision: str) -> Mapping[str, str]:
    mounted, data = places.mounted(snap, revision), places.data(snap, revision)
    home = data / "root"
    if os.geteuid() == 0:
        home.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TERM") if name in os.environ}
    return {
        **kept,
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),  # root's home is bound there (maas-facts §1.5)
        "PYTHONPATH": str(mounted / "lib"),
        "PYTHONUNBUFFERED": "1",
        "SNAP": str(mounted),
        "SNAP_NAME": snap,
        "SNAP_REVISION": revision,
        "SNAP_DATA": str(data),
        "SNAP_COMMON": str(places.data(snap, "common")),
    }


def relink(link: Path, target: str) -> None:
    """Point a link elsewhere in one step."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)
