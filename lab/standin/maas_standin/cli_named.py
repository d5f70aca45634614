"""`maas-region edit_named_options` (maas-facts §10): make BIND read what MAAS writes."""

import re
import shutil
import time
from pathlib import Path

from .cli_process import CommandError
from .config import write_private

INCLUDE = 'include "/etc/bind/maas/named.conf.options.inside.maas";'


def edit_named_options(path: Path) -> int:
    """Put the include line at the end of the options block; the file as it was goes to `<path>.maas-<timestamp>`.

    A file that has the line stays as it is. `forwarders` stay where they are: MAAS moves them into its database only
    if it can reach it.

    Raises:
        CommandError: no such file, or no options block in it.
    """
    try:
        before = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CommandError(f"{path} does not exist") from None
    if INCLUDE in before:
        return 0
    block = re.search(r"^options\s*\{.*?^(?=\};)", before, re.MULTILINE | re.DOTALL)
    if block is None:
        raise CommandError(f"no options block in {path}")
    shutil.copy2(path, path.with_name(f"{path.name}.maas-{time.strftime('%Y-%m-%dT%H:%M:%S')}"))
    write_private(path, f"{before[: block.end()]}\t{INCLUDE}\n{before[block.end() :]}", path.group())
    return 0
