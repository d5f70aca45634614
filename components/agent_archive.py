"""The agent as one file, and the launcher that starts it, for the program to put on a host."""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import agent
from agent.paths import LIBRARY

ARCHIVE = f"{LIBRARY}/agent.pyz"
"""Where the archive goes (0644)."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same for every file, so that equal sources give equal bytes."""
SOURCES = "agent.json.bz2"
"""In the archive: path → text. All sources compressed as one take half the room, which is a host's in the state file,
twice; and bzip2 gives the same bytes whatever the version of its library."""
DOCSTRING = re.compile(r'^( *)"""(?:[^"]|"(?!""))*"""$', re.MULTILINE)
COMMENT = re.compile(r"(?:^ *|  )# .*$", re.MULTILINE)
START = """\
import gc, os, sys
# The agent lives briefly: looking for garbage among what it imports took a twentieth of its time.
gc.set_threshold(100_000)
# Unpacked once, so that Python keeps it compiled.
home = os.path.join({library!r}, {digest!r})
if not os.path.isdir(home):
    import bz2, json, shutil, zipfile
    for old in os.listdir({library!r}):
        if os.path.isdir(os.path.join({library!r}, old)):
            shutil.rmtree(os.path.join({library!r}, old), ignore_errors=True)
    new = f"{{home}}.{{os.getpid()}}"
    sources = json.loads(bz2.decompress(zipfile.ZipFile({archive!r}).read({sources!r})))
    for name, text in sources.items():
        path = os.path.join(new, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as source:
            source.write(text)
    os.sync()
    try:
        os.rename(new, home)
    except OSError:
        if not os.path.isdir(home):
            raise
sys.path.insert(0, home)
from agent.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def build() -> bytes:
    """The archive: the package `agent` and what unpacks it; the same bytes for the same sources on every machine."""
    package = Path(agent.__path__[0])
    sources = {
        f"agent/{source.relative_to(package).as_posix()}": code(source.read_text(encoding="utf-8"))
        for source in sorted(package.rglob("*.py"))
    }
    packed = json.dumps(sources, sort_keys=True)
    digest = hashlib.sha256(packed.encode()).hexdigest()[:16]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        start = START.format(library=LIBRARY, archive=ARCHIVE, digest=digest, sources=SOURCES)
        archive.writestr(_entry("__main__.py"), start)
        archive.writestr(_entry(SOURCES), bz2.compress(packed.encode(), 9))
    return buffer.getvalue()


def code(source: str) -> str:
    """A module's text without its comments and docstrings: a quarter less for a host to be sent and its state to keep.

    Every line keeps its number, so that a traceback on a host is read beside the repository. By pattern, for parsing
    takes longer than all else of an update with nothing to do; a test holds that no module loses a statement by it.
    """
    without_docstrings = DOCSTRING.sub(lambda found: found[1] + '""' + "\n" * found[0].count("\n"), source)
    return COMMENT.sub("", without_docstrings)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # Unix, whatever the builder runs on
    return entry


def launcher() -> str:
    """The shell script for `LAUNCHER` (0755).

    A minimal Debian has a Python without its standard library. The script then installs it, after noting for the agent
    which packages were there before, so that the removal of the host takes it away again.
    """
    return f"""#!/bin/sh
# Starts the agent of maas-ha; installs Python's standard library where it is missing.
set -eu
usable() {{ python3 -I -c 'import bz2, dataclasses, json, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }}
if [ ! -e {LIBRARY}/python-is-complete ] && ! usable; then
    state=/var/lib/maas-ha
    mkdir -p -m 0700 "$state"
    if [ ! -e "$state/packages-before" ]; then
        dpkg-query --show --showformat='${{db:Status-Abbrev}} ${{Package}}\\n' |
            sed -n 's/^.[^nc][^ ]* *//p' >"$state/packages-before.new"
        mv "$state/packages-before.new" "$state/packages-before"
    fi
    echo "maas-ha-agent: installing python3" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt="apt-get --quiet --yes --option=DPkg::Lock::Timeout=600"
    $apt install --no-install-recommends --no-remove python3 </dev/null >&2 ||
        {{ $apt update </dev/null >&2 && $apt install --no-install-recommends --no-remove python3 </dev/null >&2; }}
    usable || {{ echo "maas-ha-agent: Python 3.10 or newer is needed on this host" >&2; exit 1; }}
fi
: >{LIBRARY}/python-is-complete
exec python3 -I {ARCHIVE} "$@"
"""
