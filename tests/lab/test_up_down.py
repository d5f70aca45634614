"""`lab up` and `lab down`: from nothing, again, killed, halfway, side by side; and nothing left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lab.cluster import Lab
from lab.errors import LabError
from lab.inventory import Place
from tests.lab.conftest import HOSTS
from tests.lab.traces import free_network, link_names, links_of, network_namespaces, traces

pytestmark = pytest.mark.lab

DEADLINE = 60.0
ROOT = Path(__file__).parents[2]


def start_cli(lab: Lab, *arguments: str) -> subprocess.Popen[str]:
    """`lab …` in a process of its own, in the lab's folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab.cli", *arguments, "--name", lab.place.name],
        cwd=lab.place.folder.parent.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_when(process: subprocess.Popen[str], moment: Callable[[], bool]) -> None:
    """SIGKILL as soon as `moment` is true."""
    deadline = time.monotonic() + DEADLINE
    while not moment():
        assert process.poll() is None, f"ended before the moment came: {process.communicate()}"
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.001)
    process.kill()
    process.communicate()


def up_options() -> list[str]:
    hosts = ",".join(f"{name}:{octet}" for name, octet in HOSTS)
    return ["up", "--network", str(free_network()), "--hosts", hosts]


def test_down_leaves_nothing_and_up_makes_new_host_keys(own: Lab) -> None:
    links = link_names()
    own.up(free_network(), HOSTS)
    made = set(links_of(own.place)) - links
    assert len(made) == 1 + len(HOSTS)
    with Path(f"/proc/{own.leader_pid('one')}/ns/net").open("rb") as held:  # so that no other gets its number
        assert traces(own.place)
        keys = own.known_hosts.read_text()
        own.down()
        assert traces(own.place) == []
        assert not made & link_names()
        assert os.fstat(held.fileno()).st_ino not in network_namespaces()
    assert not own.place.folder.parent.exists()
    own.down()  # of nothing

    own.up(free_network(), HOSTS)
    assert not set(keys.split()) & set(own.known_hosts.read_text().split()) - {"ssh-ed25519", *keys.split()[::3]}


def test_up_again_touches_nothing_that_runs_and_repairs_what_is_missing(own: Lab) -> None:
    own.up(free_network(), HOSTS)
    leaders = {host.name: host.leader_pid for host in own.status()}
    own.up()
    assert {host.name: host.leader_pid for host in own.status()} == leaders

    own.poweroff("one")
    subprocess.run(["ip", "link", "delete", "dev", own.place.bridge], check=True)
    subprocess.run(["ssh-add", "-q", "-D"], env=own.environment(), check=True, capture_output=True)
    own.up()
    listed = subprocess.run(["ssh-add", "-l"], env=own.environment(), check=True, capture_output=True, text=True)
    assert "deploy@lab-own" in listed.stdout
    own.place.agent_socket.unlink()
    own.up()
    assert {host.state for host in own.status()} == {"running"}
    assert own.leader_pid("two") == leaders["two"]
    for host, _ in HOSTS:
        subprocess.run(own.ssh_argv(host, "true"), check=True)
    subprocess.run(["ssh-add", "-l"], env=own.environment(), check=True, capture_output=True)


def moments(place: Place) -> dict[str, Callable[[], bool]]:
    return {
        "folder": place.folder.exists,
        "inventory": place.file.exists,
        "bridge": (Path("/sys/class/net") / place.bridge).exists,
        "agent": place.agent_socket.exists,
        "first disk": (place.folder / "hosts").exists,
        "first host": (place.folder / "run/one.pid").exists,
        "second host": (place.folder / "run/two.pid").exists,
        "known hosts": place.known_hosts.exists,
    }


@pytest.mark.parametrize("moment", list(moments(Place("any", Path("/any")))))
def test_up_killed_at_any_moment_then_down_leaves_nothing(own: Lab, moment: str) -> None:
    kill_when(start_cli(own, *up_options()), moments(own.place)[moment])
    own.down()
    assert traces(own.place) == []


def test_up_goes_on_after_it_was_killed(own: Lab) -> None:
    for moment in ("bridge", "first host", "known hosts"):
        arguments = ["up"] if own.place.file.exists() else up_options()
        if not moments(own.place)[moment]():
            kill_when(start_cli(own, *arguments), moments(own.place)[moment])
    own.up()
    assert {host.state for host in own.status()} == {"running"}


def test_down_killed_halfway_then_down_leaves_nothing(own: Lab) -> None:
    own.up(free_network(), HOSTS)
    one = own.place.folder / "run/one.pid"
    kill_when(start_cli(own, "down"), lambda: not one.exists())
    own.down()
    assert traces(own.place) == []


def test_up_after_a_removal_that_was_cut_short_makes_new_disks(own: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    own.up(free_network(), HOSTS)
    own.exec("one", "touch", "/etc/marker")
    whole = shutil.rmtree

    def cut_short(folder: Path, *, ignore_errors: bool = False) -> None:
        if folder == own.place.folder:
            raise KeyboardInterrupt
        whole(folder, ignore_errors=ignore_errors)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(shutil, "rmtree", cut_short)
        with pytest.raises(KeyboardInterrupt):
            own.down()
    own.up(free_network(), HOSTS)
    own.exec("one", "test", "!", "-e", "/etc/marker")


def test_a_recycled_pid_is_never_ended(own: Lab) -> None:
    own.up(free_network(), HOSTS)
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        record = own.host("one").record_file
        _, start, boot = record.read_text().split()
        own.poweroff("one")
        record.write_text(f"{bystander.pid} {start} {boot}\n")
        own.down()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_two_labs_side_by_side(tiny: Lab, own: Lab, tmp_path: Path) -> None:
    own.up(free_network(), HOSTS)
    assert own.exec("one", "hostname").stdout == tiny.exec("one", "hostname").stdout
    assert own.leader_pid("one") != tiny.leader_pid("one")
    own.exec("one", "touch", "/etc/marker")
    tiny.exec("one", "test", "!", "-e", "/etc/marker")
    own.down()
    assert {host.state for host in tiny.status()} == {"running"}
    subprocess.run(tiny.ssh_argv("one", "true"), check=True)


def test_the_same_name_in_another_folder_is_another_lab(tiny: Lab, tmp_path: Path) -> None:
    other = Lab(tiny.place.name, tmp_path)
    try:
        other.up(free_network(), HOSTS)
    finally:
        other.down()
    assert {host.state for host in tiny.status()} == {"running"}
    subprocess.run(tiny.ssh_argv("one", "true"), check=True)


def test_a_network_of_the_machine_is_refused(own: Lab, tiny: Lab) -> None:
    with pytest.raises(LabError, match=r"overlaps .* on this machine's .*: choose another with --network"):
        own.up(tiny.inventory.shape.network, HOSTS)
    with pytest.raises(LabError, match=r"overlaps 127\.0\.0\.1/8 on this machine's lo"):
        own.up(IPv4Network("127.0.0.0/24"), HOSTS)


def test_another_shape_of_an_existing_lab_is_refused(tiny: Lab) -> None:
    with pytest.raises(LabError, match="the lab exists with other hosts"):
        tiny.up(hosts=(("three", 13),))


def test_a_folder_that_cannot_hold_an_overlay_is_said(tmp_path: Path) -> None:
    """On an overlay, as in a container's root: overlays don't stack their upper layers."""
    for part in ("lower", "upper", "work", "root"):
        (tmp_path / part).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    script = (
        f"mount -t overlay overlay -o {options} {tmp_path}/root && cd {tmp_path}/root && "
        f"{sys.executable} -m lab.cli up --name x --network {free_network()}"
    )
    found = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert "can't be the upper layer of an overlay; run the lab in a folder on ext4, xfs or btrfs" in found.stderr
    assert "Traceback" not in found.stderr
    shutil.rmtree(tmp_path / "upper")
