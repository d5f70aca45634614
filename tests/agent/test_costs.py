"""What an unchanged bundle costs on a host, in counts that no machine changes; `costs.json` has the limits.

After a wanted change: `MAAS_HA_GOLDEN=write pytest tests/agent/test_costs.py`; the new figures are then reviewed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import cast

from agent.bundle import Bundle, Effect, File, HostSettings
from tests.agent.conftest import REPOSITORY, FakeHost
from tests.costs import check

COUNTED = """
import collections, json, os, pathlib, sys
root, counts = sys.argv[1], sys.argv[2]
seen = collections.Counter()
def count(event, arguments):
    if event == "subprocess.Popen":
        seen["processes"] += 1
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        seen["files opened for writing"] += 1
    elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown"):
        seen["changes of folders and modes"] += 1
sys.addaudithook(count)
from agent.__main__ import main
code = main(["apply"], pathlib.Path(root))
seen["modules of the agent"] = sum(name.startswith("agent.") for name in sys.modules)
pathlib.Path(counts).write_text(json.dumps(seen))
sys.exit(code)
"""
UNIT = "web.service"
BUNDLE = Bundle(
    "h1",
    "web",
    HostSettings(),
    files=tuple(File(f"/etc/web/{name}.conf", name, effect=Effect.RELOAD, units=(UNIT,)) for name in ("a", "b")),
    units=(UNIT,),
)


def counted(machine: FakeHost) -> dict[str, int]:
    """Apply the bundle in a process that counts what it does to the machine."""
    counts = machine.outside / "counts.json"
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, str(machine.root), str(counts)],
        input=BUNDLE.to_json(),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=machine.environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return cast("dict[str, int]", json.loads(counts.read_text()))


def test_an_unchanged_bundle(machine: FakeHost) -> None:
    machine.unit(UNIT, "enabled active")
    first, again = counted(machine), counted(machine)
    assert again["files opened for writing"] < first["files opened for writing"]
    check("agent, an unchanged bundle", again)
