"""Where the daemons log: a file up to MAAS 3.4, the journal from 3.5 on (maas-facts §10)."""

import logging
import sys
from pathlib import Path

from . import version


class _Lowercase(logging.Formatter):
    """`2026-01-01 12:00:00 maasserver.start_up: [info] text`."""

    def format(self, record: logging.LogRecord) -> str:
        record.levelname = record.levelname.lower()
        return super().format(record)


def configure(path: Path) -> None:
    """Log to `path` up to MAAS 3.4, from 3.5 on to standard error, which is the journal under systemd."""
    old = version.MINOR <= (3, 4)
    handler: logging.Handler = logging.FileHandler(path) if old else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lowercase("%(asctime)s %(name)s: [%(levelname)s] %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
