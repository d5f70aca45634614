"""SSH keys of the lab, and the agent that holds the deploy user's."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from lab.errors import LabError
from lab.inventory import Place
from lab.processes import read_record, start_recorded

_SOCKET_PATH_MAX = 107  # sockaddr_un's path without its final zero


def ensure_key(path: Path, comment: str) -> Path:
    """An ed25519 key pair at `path` (0600) and `path.pub`, made once."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    for old in (fresh, Path(f"{fresh}.pub")):
        old.unlink(missing_ok=True)
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(fresh)]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise LabError(f"ssh-keygen: {(found.stderr or found.stdout).strip()}")
    Path(f"{fresh}.pub").rename(f"{path}.pub")
    fresh.rename(path)  # last: a pair is there when its private half is
    return path


def agent_runs(place: Place) -> bool:
    """Whether the lab's own agent lives and listens."""
    record = read_record(_record(place))
    return record is not None and record.alive() and place.agent_socket.exists()


def ensure_agent(place: Place, lock: int) -> bool:
    """Start the lab's ssh-agent with the deploy key in it; True if it had to. Raises LabError."""
    if len(str(place.agent_socket)) > _SOCKET_PATH_MAX:
        raise LabError(f"the folder {place.folder} is too deep for the agent's socket ({_SOCKET_PATH_MAX} characters)")
    if agent_runs(place):
        return False
    stop_agent(place)
    log = place.folder / "run" / "ssh-agent.log"
    log.parent.mkdir(exist_ok=True)
    argv = ["ssh-agent", "-D", "-a", str(place.agent_socket)]
    start_recorded(argv, _record(place), lock, log)
    deadline = time.monotonic() + 10
    while not place.agent_socket.exists():
        if time.monotonic() > deadline:
            raise LabError(f"ssh-agent did not make its socket; see {log}")
        time.sleep(0.005)
    environment = os.environ | {"SSH_AUTH_SOCK": str(place.agent_socket)}
    found = subprocess.run(
        ["ssh-add", "-q", str(place.deploy_key)], env=environment, capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        raise LabError(f"ssh-add: {found.stderr.strip()}")
    return True


def stop_agent(place: Place) -> None:
    """End the lab's agent, if it runs."""
    record = read_record(_record(place))
    if record is not None:
        record.kill()
    _record(place).unlink(missing_ok=True)
    place.agent_socket.unlink(missing_ok=True)


def _record(place: Place) -> Path:
    return place.folder / "run" / "ssh-agent.pid"
