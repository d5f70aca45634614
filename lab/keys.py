"""SSH keys of the lab, and the agent that holds the deploy user's."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from lab.errors import LabError
from lab.inventory import Place
from lab.processes import read_record, start_recorded

_SOCKET_PATH_MAX = 107  # sockaddr_un's path without its final zero
_AGENT_SECONDS = 10.0


def ensure_key(path: Path, comment: str, lock: int) -> Path:
    """An ed25519 key pair at `path` (0600) and `path.pub`, made once; what makes it holds the lab's lock to its end."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    for old in (fresh, Path(f"{fresh}.pub")):
        old.unlink(missing_ok=True)
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(fresh)]
    found = subprocess.run(argv, capture_output=True, text=True, check=False, pass_fds=[lock])
    if found.returncode != 0:
        raise LabError(f"ssh-keygen: {(found.stderr or found.stdout).strip()}")
    Path(f"{fresh}.pub").rename(f"{path}.pub")
    fresh.rename(path)  # last: a pair is there when its private half is
    return path


def ensure_agent(place: Place, lock: int) -> bool:
    """Start the lab's ssh-agent with the deploy key in it, or what is missing of that; True if it had to.

    Raises LabError where the folder is too deep for a socket, or the agent doesn't start.
    """
    if len(str(place.agent_socket)) > _SOCKET_PATH_MAX:
        raise LabError(f"the folder {place.folder} is too deep for the agent's socket ({_SOCKET_PATH_MAX} characters)")
    if _listens(place.agent_socket) and _ssh_add(place, "-l").returncode == 0:
        return False
    if not _listens(place.agent_socket):
        _start_agent(place, lock)
    added = _ssh_add(place, "-q", str(place.deploy_key))
    if added.returncode != 0:
        raise LabError(f"ssh-add: {added.stderr.strip()}")
    return True


def _start_agent(place: Place, lock: int) -> None:
    stop_agent(place)
    log = place.folder / "run" / "ssh-agent.log"
    log.parent.mkdir(exist_ok=True)
    start_recorded(["ssh-agent", "-D", "-a", str(place.agent_socket)], _record(place), lock, log)
    deadline = time.monotonic() + _AGENT_SECONDS
    while not _listens(place.agent_socket):
        if time.monotonic() > deadline:
            raise LabError(f"ssh-agent does not listen at {place.agent_socket}; see {log}")
        time.sleep(0.005)  # a socket is there before it is listened at


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def _ssh_add(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SSH_AUTH_SOCK": str(place.agent_socket)}
    return subprocess.run(["ssh-add", *arguments], env=environment, capture_output=True, text=True, check=False)


def stop_agent(place: Place) -> None:
    """End the lab's agent, if it runs."""
    record = read_record(_record(place))
    if record is not None:
        record.kill()
    _record(place).unlink(missing_ok=True)
    place.agent_socket.unlink(missing_ok=True)


def _record(place: Place) -> Path:
    return place.folder / "run" / "ssh-agent.pid"
