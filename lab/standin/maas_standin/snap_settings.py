"""The options that `maas init` and `maas config` share, and what they write (maas-facts §1.1, §2)."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import yaml

from . import config
from .cli_process import CommandError
from .paths import Paths
from .snap_database_uri import Settings

DEBUG = ("debug", "debug-queries")


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """`--maas-url`, `--num-workers` and the debug switches: all versions up to 3.7 have them at both commands."""
    parser.add_argument("--maas-url")
    add_region_options(parser)


def add_region_options(parser: argparse.ArgumentParser) -> None:
    """What only regions are told."""
    parser.add_argument("--num-workers", type=int)
    for name in DEBUG:
        key = name.replace("-", "_")
        parser.add_argument(f"--enable-{name}", dest=key, action="store_const", const=True)
        parser.add_argument(f"--disable-{name}", dest=key, action="store_const", const=False)


def given(options: argparse.Namespace) -> Settings:
    """The keys of regiond.conf that stand on the command line."""
    values = {name: getattr(options, name, None) for name in ("maas_url", "num_workers", "debug", "debug_queries")}
    return {name: value for name, value in values.items() if value is not None}


def write(paths: Paths, settings: Mapping[str, object]) -> None:
    """Put `settings` into regiond.conf, and the URL into rackd.conf too, where a list of URLs becomes that one.

    Raises:
        CommandError: a value that MAAS refuses.
    """
    for key in config.region_keys():
        if key.name in settings:
            try:
                key.kind.parse(str(settings[key.name]))
            except config.Invalid as error:
                raise CommandError(f"{key.option}: {error}") from None
    _overwrite(paths.regiond_conf, {**config.load(paths.regiond_conf), **settings})
    if "maas_url" in settings:
        _overwrite(paths.rackd_conf, {**config.load(paths.rackd_conf), "maas_url": settings["maas_url"]})


def install_secret(paths: Paths, secret: str | None) -> None:
    """The rack's secret, as it is given; None deletes the file."""
    if secret is None:
        paths.secret.unlink(missing_ok=True)
        return
    paths.state.mkdir(parents=True, exist_ok=True)
    paths.secret.write_text(secret)
    paths.secret.chmod(0o640)


def _overwrite(path: Path, content: Mapping[str, object]) -> None:
    """In place: a new file has the mode that the umask gives, though it holds a password (maas-facts §2)."""
    with path.open("w", encoding="utf-8") as file:
        yaml.safe_dump(dict(content), file, default_flow_style=False)
