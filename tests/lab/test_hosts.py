"""What a host of the lab is like, and what can be done with it."""

from __future__ import annotations

import subprocess
from subprocess import CalledProcessError

import pytest

from lab.cluster import Lab
from lab.errors import LabError
from lab.packages import PACKAGES

pytestmark = pytest.mark.lab

STANDIN = ("maas-common", "maas-cli", "maas-region-api", "maas-rack-controller")


def ssh(lab: Lab, host: str, *command: str) -> str:
    return subprocess.run(lab.ssh_argv(host, *command), capture_output=True, text=True, check=True).stdout.strip()


def test_a_host_is_a_running_server_under_its_own_name(tiny: Lab) -> None:
    assert [(host.name, host.state) for host in tiny.status()] == [("one", "running"), ("two", "running")]
    assert tiny.exec("one", "cat", "/proc/1/comm").stdout.strip() == "systemd"
    assert tiny.exec("one", "hostname").stdout.strip() == "one"
    ids = {tiny.exec(host, "cat", "/etc/machine-id").stdout for host in ("one", "two")}
    assert len(ids) == 2
    assert tiny.exec("one", "python3", "-c", "import json, sqlite3, ssl; print(1)").stdout == "1\n"


def test_hosts_reach_each_other_but_share_no_units(tiny: Lab) -> None:
    address = str(tiny.host("two").address)
    tiny.exec("one", "ping", "-c1", "-W2", address)
    tiny.exec("one", "systemctl", "stop", "ssh")
    try:
        assert ssh(tiny, "two", "hostname") == "two"
    finally:
        tiny.exec("one", "systemctl", "start", "ssh")


def test_the_deploy_user_logs_in_by_key_and_may_use_sudo(tiny: Lab) -> None:
    assert ssh(tiny, "one", "id", "-un") == "deploy"
    assert ssh(tiny, "one", "sudo", "-n", "id", "-un") == "root"
    assert ssh(tiny, "one", "echo", "$LANG") == "C.UTF-8"


def test_the_labs_agent_and_known_hosts_are_enough_for_ssh(tiny: Lab) -> None:
    address = str(tiny.host("one").address)
    options = [f"UserKnownHostsFile={tiny.known_hosts}", "StrictHostKeyChecking=yes", "IdentityFile=none"]
    argv = ["ssh", "-F", "none", *(part for option in options for part in ("-o", option)), f"deploy@{address}", "true"]
    subprocess.run(argv, env=tiny.environment(), check=True, capture_output=True)
    lines = tiny.known_hosts.read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [[str(host.address), "ssh-ed25519"] for host in tiny.hosts]
    assert tiny.place.deploy_key.stat().st_mode & 0o777 == 0o600


def test_no_password_opens_a_host(tiny: Lab) -> None:
    settings = tiny.exec("one", "sshd", "-T").stdout
    assert "passwordauthentication no" in settings
    assert "permitrootlogin no" in settings


def test_exec_passes_input_output_and_exit_code(tiny: Lab) -> None:
    assert tiny.exec("one", "cat", input="täglich\n").stdout == "täglich\n"
    assert tiny.exec("one", "sh", "-c", "exit 7", check=False).returncode == 7
    with pytest.raises(CalledProcessError):
        tiny.exec("one", "false")


def test_every_listed_package_installs_from_the_repository_alone(tiny: Lab) -> None:
    tiny.exec("one", "apt-get", "update")
    for package in (*PACKAGES, *STANDIN):
        tiny.exec("one", "apt-get", "install", "--simulate", "--yes", package)
    sources = tiny.exec("one", "sh", "-c", "cat /etc/apt/sources.list.d/* /etc/apt/sources.list", check=False).stdout
    assert sources == "deb [trusted=yes] file:/srv/packages ./\n"


def test_a_real_package_installs_and_its_service_runs(tiny: Lab) -> None:
    tiny.exec("two", "apt-get", "update")
    tiny.exec("two", "apt-get", "install", "--yes", "haproxy")
    try:
        assert tiny.exec("two", "systemctl", "is-active", "haproxy").stdout.strip() == "active"
    finally:
        tiny.reset("two")


def test_a_snapshot_shows_what_changed_and_only_that(tiny: Lab) -> None:
    before = tiny.snapshot("one")
    assert before == tiny.snapshot("one") == sorted(before)
    tiny.exec("one", "sh", "-c", "echo x > /etc/new; chmod 640 /etc/new; ln -s new /etc/link; chmod 600 /etc/fstab")
    try:
        changed = set(tiny.snapshot("one")) ^ set(before)
    finally:
        tiny.exec("one", "sh", "-c", "rm /etc/new /etc/link; chmod 644 /etc/fstab")
    fields = sorted(tuple(line.split()[:4]) for line in changed)
    assert fields == [
        ("/etc/fstab", "file", "0600", "0:0"),
        ("/etc/fstab", "file", "0644", "0:0"),
        ("/etc/link", "link", "0777", "0:0"),
        ("/etc/new", "file", "0640", "0:0"),
    ]
    assert tiny.snapshot("one") == before


def test_reset_empties_the_disk_and_keeps_the_host_key(tiny: Lab) -> None:
    tiny.exec("two", "touch", "/etc/marker")
    tiny.exec("two", "rm", "/etc/fstab")
    known = tiny.known_hosts.read_text()
    tiny.reset("two")
    tiny.exec("two", "test", "!", "-e", "/etc/marker")
    tiny.exec("two", "test", "-e", "/etc/fstab")
    assert tiny.known_hosts.read_text() == known
    assert ssh(tiny, "two", "hostname") == "two"


def test_a_host_without_power_is_gone_and_comes_back_with_its_disk(tiny: Lab) -> None:
    tiny.exec("two", "sh", "-c", "echo kept > /var/lib/kept")
    tiny.poweroff("two")
    assert {host.name: host.state for host in tiny.status()} == {"one": "running", "two": "off"}
    with pytest.raises(LabError, match="two is off: lab poweron two"):
        tiny.exec("two", "true")
    pinged = tiny.exec("one", "ping", "-c1", "-W1", str(tiny.host("two").address), check=False)
    assert pinged.returncode != 0
    tiny.poweron("two")
    assert tiny.exec("two", "cat", "/var/lib/kept").stdout == "kept\n"
    assert ssh(tiny, "two", "hostname") == "two"


def test_reboot_from_outside_and_from_inside(tiny: Lab) -> None:
    first = tiny.leader_pid("two")
    tiny.reboot("two")
    second = tiny.leader_pid("two")
    assert second != first
    subprocess.run(tiny.ssh_argv("two", "sudo", "systemctl", "reboot"), check=False, capture_output=True)
    host = tiny.host("two")
    host.wait_gone(second)
    host.wait_ready()
    assert ssh(tiny, "two", "hostname") == "two"


def test_an_unknown_host_is_named_with_those_there_are(tiny: Lab) -> None:
    with pytest.raises(LabError, match="has no host 'three': one, two"):
        tiny.exec("three", "true")
