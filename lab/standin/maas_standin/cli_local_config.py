"""`maas-region local_config_set`, `_get` and `_reset` (maas-facts §1.2): regiond.conf, without the database."""

import argparse
import json
from pathlib import Path

import yaml

from .cli_process import CommandError
from .config import Invalid, load, region_keys, store


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """`--KEY VALUE` for every key."""
    for key in region_keys():
        parser.add_argument(f"--{key.option}", dest=key.name, metavar="VALUE")


def add_get_options(parser: argparse.ArgumentParser) -> None:
    """`--KEY` for every key, and the form of the output."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json")
    form.add_argument("--yaml", dest="form", action="store_const", const="yaml")
    form.add_argument("--plain", dest="form", action="store_const", const="plain")
    add_reset_options(parser)


def add_reset_options(parser: argparse.ArgumentParser) -> None:
    """`--KEY` for every key."""
    for key in region_keys():
        parser.add_argument(f"--{key.option}", dest=key.name, action="store_true")


def local_config_set(options: argparse.Namespace, path: Path, group: str) -> int:
    """Set what was given, all or nothing; without an option only make sure that the file exists.

    Raises:
        CommandError: a value that MAAS refuses.
    """
    content = load(path)
    for key in region_keys():
        text = getattr(options, key.name)
        if text is not None:
            try:
                content[key.name] = key.kind.parse(text)
            except Invalid as error:
                raise CommandError(f"{key.option}: {error}") from None
    store(path, content, group)
    return 0


def local_config_get(options: argparse.Namespace, path: Path) -> int:
    """Print the keys that were asked for, defaults included; `{}` if none was (maas-facts §0a).

    Raises:
        Invalid, TypeError: a key that was asked for has a bad value in the file.
    """
    content = load(path)
    asked = [key for key in region_keys() if getattr(options, key.name)]
    values = {key.name: key.kind.read(content[key.name]) if key.name in content else key.default for key in asked}
    if options.form == "json":
        print(json.dumps(values))
    elif options.form == "plain":
        for value in values.values():
            print(json.dumps(value) if isinstance(value, bool) else value)
    else:
        print(yaml.safe_dump(values, default_flow_style=False), end="")
    return 0


def local_config_reset(options: argparse.Namespace, path: Path, group: str) -> int:
    """Take the keys that were named out of the file."""
    content = load(path)
    for key in region_keys():
        if getattr(options, key.name):
            content.pop(key.name, None)
    store(path, content, group)
    return 0
