"""`maas config` of the snap: show the configuration, or change what differs (maas-facts §1.1)."""

import argparse

from . import config, snap_settings
from .cli_process import CommandError
from .paths import Paths, read_text
from .snap_control import follow_mode
from .snap_programs import current_mode

HIDDEN = "(hidden)"
SHOWN = ("maas_url", "database_host", "database_port", "database_name", "database_user", "database_pass")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    for name in ("show", "show-database-password", "show-secret", "parsable"):
        parser.add_argument(f"--{name}", action="store_true")
    snap_settings.add_common_options(parser)
    parser.add_argument("--secret")


def configure(options: argparse.Namespace, paths: Paths) -> int:
    """Change and restart only where something differs; without anything to change, show.

    Raises:
        CommandError: the host has no mode, an option is for another mode, or a value is refused.
    """
    mode = current_mode(paths)
    wanted = snap_settings.given(options)
    if options.show or not (wanted or options.secret):
        _show(options, paths, mode)
        return 0
    _refuse_of_other_modes(options, mode)
    if options.secret and options.secret != read_text(paths.secret):
        # Nothing is restarted for it (maas-facts §1.1): rackd goes on with the old one.
        snap_settings.install_secret(paths, options.secret)
    present = config.load(paths.regiond_conf)
    changed = {name: value for name, value in wanted.items() if present.get(name) != value}
    if changed:
        snap_settings.write(paths, changed)
        follow_mode(paths)
    return 0


def _refuse_of_other_modes(options: argparse.Namespace, mode: str) -> None:
    if mode == "none":
        raise CommandError("MAAS is not configured")
    foreign = [] if mode == "rack" or not options.secret else ["--secret"]
    if mode == "rack":
        foreign = [f"--{name.replace('_', '-')}" for name in snap_settings.given(options) if name != "maas_url"]
    if foreign:
        raise CommandError(f"Following flags are not supported in '{mode}' mode: {', '.join(foreign)}")


def _show(options: argparse.Namespace, paths: Paths, mode: str) -> None:
    lines = {"mode": mode}
    if mode != "none":
        present = config.load(paths.regiond_conf)
        names = SHOWN[:1] if mode == "rack" else SHOWN
        lines |= {name: str(present[name]) for name in names if name in present}
        if "database_pass" in lines and not options.show_database_password:
            lines["database_pass"] = HIDDEN
        if mode == "rack":
            lines["secret"] = (read_text(paths.secret) or "") if options.show_secret else HIDDEN
    if not options.parsable:
        print(f"Mode: {lines.pop('mode')}")
        if lines:
            print("Settings:")
    for name, value in lines.items():
        print(f"{name}={value}")
