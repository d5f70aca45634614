"""Each bundled plugin answers as the official one was recorded to."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.plugins.harness import REPOSITORY, needed

CONTRACT = REPOSITORY.parent / "shared" / "plugin-contract"
SECONDS = 900  # a deadline, not an expectation: a run takes well under a minute on an idle machine
RUNS = 3
"""The checker looks for an Ed25519 key's bits behind the last byte 03 of what precedes them, and takes 14 bytes of the
key itself for that: one key in 19 looks wrong to it. Only such a complaint is asked again, with new keys."""
FALSE_ALARM = "DER shape"


@pytest.mark.parametrize("name", ["command", "random", "tls"])
def test_the_plugin_passes_every_recorded_case(name: str) -> None:
    recorded = CONTRACT / f"{name}.json"
    if not recorded.is_file():
        pytest.fail(f"the recorded contract is missing: {recorded}", pytrace=False)
    needed("sshd", "openssh-server")
    needed("ssh-agent", "openssh-client")
    cases = len(json.loads(recorded.read_text())["cases"])
    plugin = f"{sys.executable} -m toolchain.plugins.{name}"
    for _ in range(RUNS):
        checked = _check(plugin, recorded.name)
        report = checked.stdout + checked.stderr
        if not _only_ed25519_shapes(checked.stdout):
            break
    assert checked.stdout.endswith(f"{cases} passed, 0 failed\n"), report
    assert checked.returncode == 0, report


def _check(plugin: str, recorded: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "contract.py", "check", plugin, recorded],
        cwd=CONTRACT,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "CONTRACT_WAIT": "0.02"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def _only_ed25519_shapes(complaints: str) -> bool:
    """True if there are complaints, and each is of the shape of something with an Ed25519 key."""
    lines = [line for line in complaints.splitlines()[:-1] if line and not line.startswith("(allowed)")]
    return bool(lines) and all("ed25519" in line.split(":")[0] and FALSE_ALARM in line for line in lines)
