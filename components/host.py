"""A machine: reached, made ready, and given one transaction after the other. The only user of pulumi_command."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

import pulumi
from pulumi_command import remote

from agent.bundle import Bundle, File, HostSettings
from agent.paths import LAUNCHER
from components import agent_archive
from components.agent_archive import ARCHIVE
from components.args import Args
from components.render import settings_in_preview, shown_in_preview

T = TypeVar("T")

APPLY_SECONDS, REMOVE_SECONDS = 1800, 900
"""Longest a transaction may take: packages over a slow line, or two regiond stops of two minutes (maas-facts §0a)."""

GRACE_SECONDS = 480
"""Left for rolling back after a transaction ran out of time: a unit's restart, and a region that serves again."""

DIAL_ATTEMPTS = 10
"""About 11 s of attempts at a port that refuses (pulumi-practice §2.1)."""

PUT = (
    'put() { IFS= read -r line; mkdir -p "${1%/*}"; printf %s "$line" | base64 -d >"$1.new"; '
    'chmod "$2" "$1.new"; mv "$1.new" "$1"; }'
)
"""Shell function: the next line of standard input, decoded, as file $1 with mode $2, in one step."""

INSTALL_AGENT = f"umask 022; {PUT}; put {ARCHIVE} 0644; put {LAUNCHER} 0755"

APPLY = f"exec timeout -k {GRACE_SECONDS} {APPLY_SECONDS} {LAUNCHER} apply"
REMOVE = f"exec timeout -k {GRACE_SECONDS} {REMOVE_SECONDS} {LAUNCHER} remove"

BOOTSTRAP = (
    'sudo -n true || { echo "user $(id -un) may not use sudo without a password: allow it (NOPASSWD)" >&2; exit 1; }; '
    f"exec sudo -n sh -euc '{INSTALL_AGENT}; {APPLY}'"
)
UNDO_BOOTSTRAP = f"exec sudo -n sh -euc 'read -r archive; read -r launcher; test -x {LAUNCHER} || exit 0; {REMOVE}'"
"""A host without the agent has nothing of ours to undo."""


class HostArgs(Args):
    """One machine and what it is for."""

    address: str
    port: int
    user: str
    host_key: str
    """`TYPE BASE64`, as in known_hosts."""
    packages: tuple[str, ...]
    """Packages of every role of this host, installed at once and in parallel with the other hosts."""
    keep_packages: tuple[str, ...] = ()
    """Those of them that hold data and stay when the host is removed."""
    files: tuple[File, ...] = ()
    """Files that must be there before the packages are: package sources, guards of units."""
    snap_channel: str = ""
    """Where the snap `maas` is installed from; "" for none."""
    roles: tuple[str, ...] = ()
    """What the machine is for, which its agent refuses where it can't be."""
    ubuntu: str = ""
    """Release whose packages MAAS's are, where the machine is an Ubuntu; "" for any."""
    cluster: tuple[str, ...] = ()
    """Addresses of load balancer and database, by which a host knows its stack."""
    database: tuple[str, ...] = ()
    """On a region's host: those of the database's hosts, of which one must stay."""
    maas_version: str = ""
    """Of a controller from packages; "" where there is none."""


class Host(pulumi.ComponentResource):
    """A machine, ready for its components. Its commands run one after the other, those of other hosts beside them."""

    address: pulumi.Output[str]

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings = HostSettings(
            args.keep_packages,
            args.snap_channel,
            args.roles,
            args.ubuntu,
            args.cluster,
            args.database,
            args.maas_version,
        )
        shown = shown_in_preview(args.files) | {
            "address": args.address,
            "packages": " ".join(sorted(args.packages)),
            "settings": settings_in_preview(settings, in_files=("keep_packages",)) | {"agent": _agent_digest()},
        }
        super().__init__("maas:index:Host", name, shown, opts)
        self.name = name
        self._args = args
        bundle = Bundle(
            host=name,
            component="host",
            settings=settings,
            packages=args.packages,
            files=args.files,
        )
        self._last = self._command(
            f"{name}-bootstrap",
            parent=self,
            create=BOOTSTRAP,
            delete=UNDO_BOOTSTRAP,
            stdin="\n".join((*_agent(), bundle.to_json(), "")),
            after=(),
        )
        self.ready: pulumi.Resource = self._last
        """What others wait for; the component itself would stand for all commands below it."""
        self.address = Applied(self._last).then(args.address)
        self.register_outputs({"address": self.address})

    def apply(
        self,
        name: str,
        bundle: pulumi.Input[Bundle],
        *,
        parent: pulumi.Resource,
        secrets: Mapping[str, pulumi.Input[str]],
        after: Sequence[pulumi.Resource] = (),
    ) -> Applied:
        """Bring `bundle` about, with `secrets` put in, once `after` and this host's earlier commands are done."""
        self._last = self._command(
            name,
            parent=parent,
            create=f"exec sudo -n sh -euc '{APPLY}'",
            delete=f"exec sudo -n sh -euc '{REMOVE}'",
            stdin=pulumi.Output.all(bundle=bundle, secrets=dict(secrets)).apply(
                lambda given: dataclasses.replace(given["bundle"], secrets=dict(given["secrets"])).to_json()
            ),
            after=(self._last, *after),
        )
        return Applied(self._last)

    def _command(
        self,
        name: str,
        *,
        parent: pulumi.Resource,
        create: str,
        delete: str,
        stdin: pulumi.Input[str],
        after: Sequence[pulumi.Resource],
    ) -> remote.Command:
        return remote.Command(
            name,
            connection=remote.ConnectionArgs(
                host=self._args.address,
                port=self._args.port,
                user=self._args.user,
                host_key=self._args.host_key,
                dial_error_limit=DIAL_ATTEMPTS,
            ),
            create=create,
            delete=delete,
            stdin=pulumi.Output.secret(stdin),
            triggers=[
                self.name,
                self._args.host_key,
            ],  # another key is another machine: nothing of the old one is there
            logging=remote.Logging.STDERR,  # standard output carries secrets
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=parent,
                depends_on=list(after),
                delete_before_replace=True,
                hide_diffs=["stdin"],
                additional_secret_outputs=["stdout", "stderr"],
                custom_timeouts=pulumi.CustomTimeouts(
                    create=f"{APPLY_SECONDS + 2 * GRACE_SECONDS}s",
                    update=f"{APPLY_SECONDS + 2 * GRACE_SECONDS}s",
                    delete=f"{REMOVE_SECONDS + 2 * GRACE_SECONDS}s",
                ),
            ),
        )


@dataclasses.dataclass(frozen=True)
class Applied:
    """A transaction on a host, and what came back from it."""

    command: remote.Command

    def then(self, value: T) -> pulumi.Output[T]:
        """`value`, known in a preview already, for whoever must wait until the transaction is done."""
        return self.command.urn.apply(lambda _: value)

    def secret(self, key: str) -> pulumi.Output[str]:
        """The output `key` of the agent; it stays a secret."""
        return self.command.stdout.apply(lambda line: str(json.loads(line)[key]))

    def public(self, key: str) -> pulumi.Output[str]:
        """The output `key` of the agent, which is no secret."""
        return pulumi.Output.unsecret(self.secret(key))


@functools.cache
def _agent() -> tuple[str, str]:
    """The agent's archive and its launcher, each as one line."""
    files = agent_archive.build(), agent_archive.launcher().encode()
    archive, launcher = (base64.b64encode(content).decode() for content in files)
    return archive, launcher


@functools.cache
def _agent_digest() -> str:
    """Twelve hexadecimal digits by which a preview tells one agent from another."""
    return hashlib.sha256("\n".join(_agent()).encode()).hexdigest()[:12]
