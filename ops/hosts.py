"""Questions to the agents of many hosts at once, over SSH, read-only; and one command on one host."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

import asyncssh

from config.stack_file import Cluster

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 20.0

AGENT = "/usr/local/sbin/maas-ha-agent"


@dataclass(frozen=True)
class Answer:
    """What a host's agent printed."""

    stdout: str
    exit_status: int
    stderr: str = ""

    def unreadable(self) -> NoAnswer:
        """It is nothing of the agent's: the host's last word on why, and what to do."""
        last = self.stderr.strip().rpartition("\n")[2]
        why = f"exit {self.exit_status}{': ' if last else ''}{last}"
        return NoAnswer(f"the agent there gave no answer ({why}); where it isn't deployed yet, run `pulumi up`")


@dataclass(frozen=True)
class NoAnswer:
    """Why a host did not answer."""

    reason: str


async def connect(cluster: Cluster, host: str) -> asyncssh.SSHClientConnection:
    """A connection to `host`, whose key is pinned. Raises `OSError` or `asyncssh.Error`: see `explain`."""
    settings = cluster.topology.hosts[host]
    key = asyncssh.import_public_key(cluster.host_keys[host])
    return await asyncssh.connect(
        str(settings.address),
        settings.port or cluster.topology.ssh.port,
        username=cluster.topology.ssh.user,
        known_hosts=([key], [], []),
        config=None,
        connect_timeout=CONNECT_SECONDS,
    )


def explain(error: OSError | asyncssh.Error) -> str:
    """Why there is no connection, and what to look at."""
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return "another machine answers: its host key is not the one in known_hosts"
    if isinstance(error, asyncssh.PermissionDenied):
        return "no key of the SSH agent is accepted (is SSH_AUTH_SOCK set?)"
    if isinstance(error, OSError) and error.errno:
        return f"{os.strerror(error.errno)}: is it on, and does sshd listen at this address?"
    return str(error) or type(error).__name__


async def ask(cluster: Cluster, host: str, command: str) -> Answer | NoAnswer:
    """Run the agent's read-only `command` on `host`."""
    return await run_on(cluster, host, f"sudo -n {AGENT} {command}", ANSWER_SECONDS)


async def run_on(cluster: Cluster, host: str, command: str, seconds: float, *, stdin: str = "") -> Answer | NoAnswer:
    """Run `command` on `host` for at most `seconds`."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit, await connect(cluster, host) as opened:
            done = await opened.run(command, input=stdin)
    except TimeoutError:
        if limit.expired():
            return NoAnswer(f"no answer within {seconds:.0f} s")
        return NoAnswer(f"no connection within {CONNECT_SECONDS:.0f} s: is it on?")
    except (OSError, asyncssh.Error) as error:
        return NoAnswer(explain(error))
    status = done.exit_status if done.exit_status is not None else 255
    return Answer(str(done.stdout), status, str(done.stderr))


async def ask_all(cluster: Cluster, hosts: list[str], command: str) -> dict[str, Answer | NoAnswer]:
    """The same question to every host of `hosts`, side by side."""
    answers = await asyncio.gather(*(ask(cluster, host, command) for host in hosts))
    return dict(zip(hosts, answers, strict=True))
