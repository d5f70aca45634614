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


@pytest.mark.parametrize("name", ["command", "random", "tls"])
def test_the_plugin_passes_every_recorded_case(name: str) -> None:
    recorded = CONTRACT / f"{name}.json"
    if not recorded.is_file():
        pytest.fail(f"the recorded contract is missing: {recorded}", pytrace=False)
    needed("sshd", "openssh-server")
    needed("ssh-agent", "openssh-client")
    cases = len(json.loads(recorded.read_text())["cases"])
    plugin = f"{sys.executable} -m toolchain.plugins.{name}"
    checked = subprocess.run(
        [sys.executable, "contract.py", "check", plugin, recorded.name],
        cwd=CONTRACT,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "CONTRACT_WAIT": "0.02"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    report = checked.stdout + checked.stderr
    assert checked.stdout.endswith(f"{cases} passed, 0 failed\n"), report
    assert checked.returncode == 0, report
