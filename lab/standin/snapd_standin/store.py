"""The store: a folder on the host in place of the network."""

import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass

from .errors import SnapError
from .places import Places

STABLE = "latest/stable"


@dataclass(frozen=True)
class Offer:
    """One snap in the store."""

    name: str
    kind: str
    """`app`, `base` or `snapd`."""
    base: str
    """The base that an app needs; empty for others."""
    publisher: str
    channels: dict[str, int]
    """Channel → revision."""
    versions: dict[str, str]
    """Revision → version."""

    def revision(self, channel: str) -> int:
        """The revision that a channel has now. Raises SnapError."""
        if channel not in self.channels:
            known = "\n".join(f"  snap install --channel={known} {self.name}" for known in self.channels)
            raise SnapError(
                f'snap "{self.name}" is not available on {channel} but is available to install on the following'
                f" channels:\n\n{known}"
            )
        return self.channels[channel]

    def version(self, revision: int) -> str:
        """The version that a revision calls itself."""
        return self.versions[str(revision)]


def offers(places: Places) -> dict[str, Offer]:
    """Everything the store has."""
    raw = json.loads((places.store / "store.json").read_text())
    return {name: Offer(name=name, **fields) for name, fields in raw.items()}


def offer(places: Places, name: str) -> Offer:
    """One snap. Raises SnapError if there is none of that name."""
    found = offers(places).get(name)
    if found is None:
        raise SnapError(f'snap "{name}" not found')
    return found


def full_channel(channel: str) -> str:
    """`3.4` means `3.4/stable`, `edge` means `latest/edge`."""
    if channel in ("stable", "candidate", "beta", "edge"):
        return f"latest/{channel}"
    return channel if "/" in channel else f"{channel}/stable"


def unpack(places: Places, name: str, revision: int) -> None:
    """Put a revision's files where snapd would mount them."""
    target = places.mounted(name, revision)
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(places.store / f"{name}_{revision}.snap") as archive:
        archive.extractall(target)  # noqa: S202 - our own archive
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(target)], check=False, capture_output=True)
