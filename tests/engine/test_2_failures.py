"""What fails on a host leaves it as it was, says so by name, and is no obstacle once the cause is gone."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest

from agent.bundle import Bundle, File
from lab.cluster import Lab
from tests.engine.deployment import Deployment
from tests.engine.hosts import unit_starts

pytestmark = pytest.mark.lab

AGENT = "/usr/local/sbin/maas-ha-agent"
OWN_STATE = ("/var/lib/maas-ha/", "/usr/share/", "/var/lib/dpkg/", "/etc/ld.so.cache")
"""What a transaction may touch besides what it is about."""


@pytest.fixture(scope="module")
def haproxy(deployment: Deployment) -> Bundle:
    """The balancer's bundle as the engine last sent it."""
    deployment.up()
    return Bundle.from_json(deployment.bundle("lb1-haproxy-apply"))


def apply(lab: Lab, bundle: Bundle) -> subprocess.CompletedProcess[str]:
    return lab.exec("lb1", AGENT, "apply", input=bundle.to_json(), check=False)


def files(lab: Lab) -> list[str]:
    return [line for line in lab.snapshot("lb1") if not line.startswith(OWN_STATE)]


def refused(lab: Lab, bundle: Bundle, *words: str) -> None:
    """Applying `bundle` fails with `words`, in few lines, and leaves files and units as they were."""
    before, starts = files(lab), unit_starts(lab)
    done = apply(lab, bundle)
    assert done.returncode == 1, done.stderr
    for word in ("lb1", *words):
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert files(lab) == before
    assert unit_starts(lab) == starts


def with_content(bundle: Bundle, extra: str) -> Bundle:
    [file] = bundle.files
    return dataclasses.replace(bundle, files=(dataclasses.replace(file, content=file.content + extra),))


def test_a_file_that_haproxy_refuses(lab: Lab, haproxy: Bundle) -> None:
    refused(lab, with_content(haproxy, "\nlisten broken\n    nonsense here\n"), "haproxy.cfg", "nonsense")


def test_a_package_that_does_not_exist(lab: Lab, haproxy: Bundle) -> None:
    refused(lab, dataclasses.replace(haproxy, packages=("haproxy", "no-such-package")), "no-such-package")


def test_a_port_that_is_taken(lab: Lab, haproxy: Bundle) -> None:
    lab.exec("lb1", "systemd-run", "--unit=squatter", "--collect", "python3", "-m", "http.server", "9090")
    try:
        lab.exec("lb1", "sh", "-c", "until ss -ltn | grep -q :9090; do :; done", timeout=30)
        refused(lab, with_content(haproxy, "\nlisten taken\n    bind :9090\n"), "haproxy.service", "9090")
    finally:
        lab.exec("lb1", "systemctl", "stop", "squatter")


def test_a_full_disk(lab: Lab, haproxy: Bundle) -> None:
    folder = "/etc/haproxy-full"
    lab.exec("lb1", "sh", "-c", f"mkdir {folder} && mount -t tmpfs -o size=64k tmpfs {folder}")
    try:
        big = File(f"{folder}/big", "x" * 200_000)
        refused(lab, dataclasses.replace(haproxy, files=(*haproxy.files, big)), f"{folder}/big", "No space left")
    finally:
        lab.exec("lb1", "sh", "-c", f"umount {folder} && rmdir {folder}")


def test_the_same_bundle_again_changes_nothing(lab: Lab, haproxy: Bundle) -> None:
    before, starts = files(lab), unit_starts(lab)
    done = apply(lab, haproxy)
    assert done.returncode == 0, done.stderr
    assert files(lab) == before
    assert unit_starts(lab) == starts


def test_the_engine_has_nothing_to_repair(deployment: Deployment) -> None:
    deployment.up("--expect-no-changes")
