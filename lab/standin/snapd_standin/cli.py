"""`snap`: the command, and what /snap/bin's links lead to."""

import argparse
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from . import apps, changes, store
from .errors import SnapError
from .places import Places
from .state import Installed, State

VERSION = "2.63"
CHANGING = ("install", "refresh", "remove", "start", "stop", "restart")


class Parser(argparse.ArgumentParser):
    """Complains as `snap` does."""

    def error(self, message: str) -> NoReturn:
        """Exit code 1, not argparse's 2."""
        raise SnapError(message)


def main(argv: Sequence[str]) -> int:
    """`argv[0]` is the name under which it was called."""
    places = Places.here()
    called = Path(argv[0]).name
    try:
        if called != "snap":
            apps.run(places, called, list(argv[1:]))
        return run(list(argv[1:]), places)
    except SnapError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code


def run(arguments: list[str], places: Places) -> int:
    """One command of `snap`. Raises SnapError."""
    if arguments[:1] == ["run"]:
        return _run(arguments[1:], places)
    if arguments[:1] in (["version"], ["--version"]):
        print(f"snap    {VERSION}\nsnapd   {VERSION}\nseries  16")
        return 0
    _reach_snapd(places)
    until = [word.partition("=")[2] or "forever" for word in arguments if word.partition("=")[0] == "--hold"]
    options = _parser().parse_args([word for word in arguments if word.partition("=")[0] != "--hold"])
    if options.command in CHANGING and os.geteuid() != 0:
        raise SnapError("access denied (try with sudo)")
    if options.command in ("install", "refresh", "remove") and not places.seeded.exists():
        raise SnapError("too early for operation, device not yet seeded or device model not acknowledged")
    said = _commands()[options.command](options, places, until)
    if said:
        print(said)
    return 0


def _run(arguments: list[str], places: Places) -> int:
    hook = arguments.pop(0).partition("=")[2] if arguments and arguments[0].startswith("--hook=") else ""
    if not arguments:
        raise SnapError("need the application to run as argument")
    apps.run(places, arguments[0], arguments[1:], hook=hook)
    return 0


def _reach_snapd(places: Places) -> None:
    """Everything but `run` needs the daemon, which a package installed under a policy against starts hasn't got."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(places.socket))
        except OSError as error:
            said = (error.strerror or "").lower()
            where = f"Get http://localhost/v2/snaps: dial unix {places.socket}"
            raise SnapError(f"cannot communicate with server: {where}: connect: {said}") from None


Command = Callable[[argparse.Namespace, Places, list[str]], str]


def _commands() -> dict[str, Command]:
    return {
        "install": lambda o, places, _: changes.install(places, o.snap, store.full_channel(o.channel or store.STABLE)),
        "refresh": _refresh,
        "remove": lambda o, places, _: changes.remove(places, o.snap),
        "list": lambda o, places, _: _list(o.snap, places),
        "info": lambda o, places, _: _info(o.snap, places),
        "services": lambda o, places, _: _services(o.snap, places),
        "start": lambda o, places, _: _tell("start", o, places),
        "stop": lambda o, places, _: _tell("stop", o, places),
        "restart": lambda o, places, _: _tell("restart", o, places),
        "wait": _wait,
    }


def _wait(options: argparse.Namespace, places: Places, until: list[str]) -> str:
    """`snap wait system seed.loaded`; no other condition is known. Raises SnapError."""
    if options.conditions != ["system", "seed.loaded"]:
        raise SnapError(f"unknown condition {' '.join(options.conditions)}")
    while not places.seeded.exists():
        time.sleep(0.05)
    return ""


def _refresh(options: argparse.Namespace, places: Places, until: list[str]) -> str:
    if until or options.unhold:
        return changes.hold(places, options.snaps, until[0] if until else "", held=bool(until))
    channel = store.full_channel(options.channel) if options.channel else None
    if options.snaps:
        return "\n".join(filter(None, (changes.refresh(places, name, channel) for name in options.snaps)))
    return changes.refresh_all(places)


def _list(name: str | None, places: Places) -> str:
    snaps = State(places).snaps
    shown = [snap for snap in snaps.values() if name in (None, snap.name)]
    if not shown and name:
        raise SnapError("no matching snaps installed")
    if not shown:
        print("No snaps are installed yet. Try 'snap install hello-world'.", file=sys.stderr)
        return ""
    rows = [("Name", "Version", "Rev", "Tracking", "Publisher", "Notes")]
    rows += [(s.name, s.version, str(s.revision), s.tracking, s.publisher, _notes(s)) for s in shown]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _notes(snap: Installed) -> str:
    notes = [snap.kind] if snap.kind != "app" else []
    return ",".join([*notes, *(["held"] if snap.held else [])]) or "-"


def _info(name: str, places: Places) -> str:
    offer = store.offer(places, name)
    lines = [f"name:      {name}", f"publisher: {offer.publisher}"]
    installed = State(places).snaps.get(name)
    if installed:
        lines += [f"tracking:  {installed.tracking}", f"installed: {installed.version} ({installed.revision})"]
    lines += ["channels:"]
    return "\n".join(lines + [f"  {channel}: {offer.version(r)} ({r})" for channel, r in offer.channels.items()])


def _of(target: str, places: Places) -> list[apps.App]:
    """The services of `SNAP`, or the one `SNAP.APP`. Raises SnapError."""
    snap, _, name = target.partition(".")
    installed = State(places).snaps.get(snap)
    if installed is None:
        raise SnapError(f'snap "{snap}" not found')
    found = [a for a in apps.apps(places, snap, installed.revision) if a.daemon and name in ("", a.name)]
    if not found:
        raise SnapError(f'snap "{snap}" has no service "{name}"' if name else f'snap "{snap}" has no services')
    return found


def _tell(verb: str, options: argparse.Namespace, places: Places) -> str:
    for app in _of(options.snap, places):
        if getattr(options, "enable", False) or getattr(options, "disable", False):
            apps.systemctl("enable" if verb == "start" else "disable", app.unit)
        done = apps.systemctl(verb, app.unit)
        if done.returncode:
            raise SnapError(f"cannot perform the following tasks:\n- {verb} of [{app.snap}.{app.name}] ({done.stderr})")
    return {"start": "Started.", "stop": "Stopped.", "restart": "Restarted."}[verb]


def _services(target: str | None, places: Places) -> str:
    names = [target] if target else [s.name for s in State(places).snaps.values() if s.kind == "app"]
    rows = ["Service  Startup  Current  Notes"]
    for app in (app for name in names for app in _of(name, places)):
        startup = "enabled" if apps.systemctl("is-enabled", app.unit).stdout.strip() == "enabled" else "disabled"
        current = "active" if apps.systemctl("is-active", app.unit).stdout.strip() == "active" else "inactive"
        rows.append(f"{app.snap}.{app.name}  {startup}  {current}  -")
    return "\n".join(rows)


def _parser() -> Parser:
    parser = Parser(prog="snap", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    install = commands.add_parser("install", allow_abbrev=False)
    install.add_argument("snap")
    install.add_argument("--channel")
    refresh = commands.add_parser("refresh", allow_abbrev=False)
    refresh.add_argument("snaps", nargs="*")
    refresh.add_argument("--channel")
    refresh.add_argument("--unhold", action="store_true")
    remove = commands.add_parser("remove", allow_abbrev=False)
    remove.add_argument("snap")
    remove.add_argument("--purge", action="store_true", help="no snapshot of the data; the stand-in never makes one")
    for name in ("list", "services"):
        listing = commands.add_parser(name, allow_abbrev=False)
        listing.add_argument("snap", nargs="?")
        listing.add_argument("--unicode", choices=("auto", "never", "always"))
    commands.add_parser("info", allow_abbrev=False).add_argument("snap")
    for verb, option in (("start", "--enable"), ("stop", "--disable"), ("restart", "--reload")):
        tell = commands.add_parser(verb, allow_abbrev=False)
        tell.add_argument("snap")
        tell.add_argument(option, action="store_true")
    commands.add_parser("wait", allow_abbrev=False).add_argument("conditions", nargs="*")
    return parser
