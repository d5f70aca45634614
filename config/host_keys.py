"""Host keys from an OpenSSH known_hosts file: the program never talks to a machine whose key it doesn't know."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

from config.finding import Finding
from config.topology import StackFile

PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""Key types, best first: the connection pins exactly one (pulumi-practice §2.1)."""


def read(topology: StackFile, project: Path) -> tuple[dict[str, str], list[Finding]]:
    """Host name → its key as `TYPE BASE64`, and a finding for each host that has none."""
    path = project / topology.ssh.known_hosts
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:  # ValueError: no text, or no file name
        reason = error.strerror if isinstance(error, OSError) else "no text file"
        remedy = "collect the hosts' keys there, for example with ssh-keyscan, and compare their fingerprints"
        return {}, [Finding("ssh.known_hosts", f"can't read {topology.ssh.known_hosts}: {reason}", remedy)]
    entries = _Entries(lines)
    keys: dict[str, str] = {}
    findings: list[Finding] = []
    for name, host in topology.hosts.items():
        port = host.port or topology.ssh.port
        known_as = str(host.address) if port == 22 else f"[{host.address}]:{port}"
        found = entries.of(known_as)
        best = next((kind for kind in PREFERRED if kind in found), None)
        if best is None:
            problem = f"{topology.ssh.known_hosts} has no key of {known_as}"
            findings.append(Finding(f"hosts.{name}", problem, "add the key after comparing its fingerprint"))
        elif not _is_whole(best, found[best]):
            problem = f"the {best} key of {known_as} in {topology.ssh.known_hosts} is cut off or damaged"
            findings.append(Finding(f"hosts.{name}", problem, "add it anew after comparing its fingerprint"))
        else:
            keys[name] = f"{best} {found[best]}"
    return keys, findings


class _Entries:
    """A known_hosts file, read once for all hosts."""

    def __init__(self, lines: list[str]) -> None:
        self._named: dict[str, dict[str, str]] = {}
        self._hashed: list[tuple[str, str, str]] = []
        for line in lines:
            fields = line.split()
            if len(fields) < 3 or fields[0].startswith(("#", "@")):
                continue
            names, kind, key = fields[:3]
            if names.startswith("|1|"):
                self._hashed.append((names, kind, key))
            else:
                for name in names.split(","):
                    self._named.setdefault(name, {})[kind] = key

    def of(self, name: str) -> dict[str, str]:
        """Type → key of one host, as the last line has it."""
        found = {kind: key for pattern, kind, key in self._hashed if _hashed(pattern, name)}
        return found | self._named.get(name, {})


def _is_whole(kind: str, key: str) -> bool:
    """Whether a key's base64 is its type and further strings, each after its length, to the very end (RFC 4253)."""
    try:
        rest = base64.b64decode(key, validate=True)
    except ValueError:  # no base64, or no ASCII
        return False
    strings = []
    while len(rest) >= 4:
        end = 4 + int.from_bytes(rest[:4], "big")
        if end > len(rest):
            return False
        strings.append(rest[4:end])
        rest = rest[end:]
    return not rest and len(strings) > 1 and strings[0] == kind.encode()


def _hashed(pattern: str, name: str) -> bool:
    """Whether a hashed entry, `|1|SALT|HMAC-SHA1`, is that of `name` (ssh-keygen -H)."""
    parts = pattern.split("|")
    if len(parts) != 4:
        return False
    try:
        salt, digest = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
