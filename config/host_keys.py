"""Host keys from an OpenSSH known_hosts file: the program never talks to a machine whose key it doesn't know."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

from config.finding import Finding
from config.topology import Topology

PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""Key types, best first: the connection pins exactly one (pulumi-practice §2.1)."""


def read(topology: Topology, project: Path) -> tuple[dict[str, str], list[Finding]]:
    """Host name → its key as `TYPE BASE64`, and a finding for each host that has none."""
    path = project / topology.ssh.known_hosts
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:  # ValueError: no text, or no file name
        reason = error.strerror if isinstance(error, OSError) else "no text file"
        remedy = "collect the hosts' keys there, for example with ssh-keyscan, and compare their fingerprints"
        return {}, [Finding("ssh.known_hosts", f"can't read {topology.ssh.known_hosts}: {reason}", remedy)]
    keys: dict[str, str] = {}
    findings: list[Finding] = []
    for name, host in topology.hosts.items():
        port = host.port or topology.ssh.port
        names = {str(host.address)} if port == 22 else {f"[{host.address}]:{port}"}
        found = dict(_keys_of(lines, names))
        best = next((kind for kind in PREFERRED if kind in found), None)
        if best is None:
            problem = f"{topology.ssh.known_hosts} has no key of {' or '.join(names)}"
            findings.append(Finding(f"hosts.{name}", problem, "add the key after comparing its fingerprint"))
        else:
            keys[name] = f"{best} {found[best]}"
    return keys, findings


def _keys_of(lines: list[str], names: set[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        fields = line.split()
        if len(fields) >= 3 and not fields[0].startswith(("#", "@")) and _matches(fields[0], names):
            yield fields[1], fields[2]


def _matches(patterns: str, names: set[str]) -> bool:
    if patterns.startswith("|1|"):
        return any(_hashed(patterns, name) for name in names)
    return not names.isdisjoint(patterns.split(","))


def _hashed(pattern: str, name: str) -> bool:
    """Whether a hashed entry, `|1|SALT|HMAC-SHA1`, is that of `name` (ssh-keygen -H)."""
    parts = pattern.split("|")
    if len(parts) != 4:
        return False
    try:
        salt, digest = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
