"""Install, refresh, hold and remove."""

import shutil
import subprocess
import sys

from . import apps, store
from .errors import SnapError
from .places import Places
from .state import Installed, State, change

SNAPD = "snapd"


def install(places: Places, name: str, channel: str) -> str:
    """Install a snap and what it needs; what to print."""
    if name in State(places).snaps:
        print(f"snap \"{name}\" is already installed, see 'snap help refresh'", file=sys.stderr)
        return ""  # exit code 0, whatever the channel
    offer = store.offer(places, name)
    revision = offer.revision(channel)
    with change(places, name, "install-snap") as state:
        for needed in (SNAPD, offer.base):
            if needed and needed not in state.snaps and needed != name:
                _put(places, state, store.offer(places, needed), store.STABLE)
        snap = _put(places, state, offer, channel)
        if snap.kind == "app":
            apps.add(places, snap)
            apps.start(places, snap)
            try:
                apps.run_hook(places, snap, "install")
            except SnapError:
                _take(places, state, name)
                raise
    risk = f" ({channel})" if channel != store.STABLE else ""
    return f"{name}{risk} {offer.version(revision)} from {offer.publisher} installed"


def refresh(places: Places, name: str, channel: str | None) -> str:
    """Refresh one snap by name, held or not: a hold is for general refreshes."""
    known = State(places).snaps.get(name)
    if known is None:
        raise SnapError(f'snap "{name}" is not installed')
    offer = store.offer(places, name)
    wanted = channel or known.tracking
    revision = offer.revision(wanted)
    if revision == known.revision and wanted == known.tracking:
        print(f'snap "{name}" has no updates available', file=sys.stderr)
        return ""
    with change(places, name, "refresh-snap") as state:
        snap = state.snaps[name]
        snap.tracking = wanted
        if revision == snap.revision:
            return f'"{name}" switched to the "{wanted}" channel'
        _switch(places, snap, revision, offer.version(revision))
    return f"{name} ({wanted}) {offer.version(revision)} from {offer.publisher} refreshed"


def refresh_all(places: Places) -> str:
    """What the timer does too: every snap that isn't held and whose channel has another revision."""
    state = State(places)
    due = [
        snap
        for snap in state.snaps.values()
        if not (snap.held or state.held_all) and store.offer(places, snap.name).revision(snap.tracking) != snap.revision
    ]
    if not due:
        return "All snaps up to date."
    return "\n".join(refresh(places, snap.name, None) for snap in due)


def hold(places: Places, names: list[str], until: str, *, held: bool) -> str:
    """Hold or release general refreshes of `names`, or of all snaps."""
    with change(places, names[0] if names else SNAPD, "hold-snap") as state:
        for name in names:
            if name not in state.snaps:
                raise SnapError(f'snap "{name}" is not installed')
            state.snaps[name].held = held
        if not names:
            state.held_all = held
    if not held:
        return "\n".join(f'Removed general refresh hold of "{n}"' for n in names) or "Removed auto-refresh hold"
    end = "indefinitely" if until == "forever" else f"for {until}"
    of_each = "\n".join(f'General refreshes of "{name}" held {end}' for name in names)
    return of_each or f"Auto-refresh of all snaps held {end}"


def remove(places: Places, name: str) -> str:
    """Remove a snap with its data."""
    state = State(places)
    if name not in state.snaps:
        print(f'snap "{name}" is not installed', file=sys.stderr)
        return ""  # exit code 0
    users = [snap.name for snap in state.snaps.values() if snap.base == name]
    if name == SNAPD and len(state.snaps) > 1:
        raise SnapError(f'cannot remove "{name}": snap "{name}" is not removable: remove all other snaps first')
    if users:
        by = ", ".join(users)
        raise SnapError(f'cannot remove "{name}": snap "{name}" is not removable: snap is being used by snap {by}.')
    with change(places, name, "remove-snap") as state:
        _take(places, state, name)
    return f"{name} removed"


def _put(places: Places, state: State, offer: store.Offer, channel: str) -> Installed:
    revision = offer.revision(channel)
    store.unpack(places, offer.name, revision)
    apps.relink(places.mounted(offer.name, "current"), str(revision))
    for name in ("common", str(revision)):
        places.data(offer.name, name).mkdir(parents=True, exist_ok=True)
    apps.relink(places.data(offer.name, "current"), str(revision))
    snap = Installed(
        name=offer.name,
        kind=offer.kind,
        base=offer.base,
        revision=revision,
        version=offer.version(revision),
        publisher=offer.publisher,
        tracking=channel,
    )
    state.snaps[offer.name] = snap
    return snap


def _switch(places: Places, snap: Installed, revision: int, version: str) -> None:
    """Another revision with a copy of the data; back to the old one if the hook fails (maas-facts §1.1, §2)."""
    before = Installed(**vars(snap))
    store.unpack(places, snap.name, revision)
    apps.take_away(places, snap)
    old, new = places.data(snap.name, snap.revision), places.data(snap.name, revision)
    shutil.rmtree(new, ignore_errors=True)
    subprocess.run(["cp", "-a", str(old), str(new)], check=True)
    snap.revision, snap.version = revision, version
    _make_current(places, snap)
    try:
        apps.run_hook(places, snap, "post-refresh")
    except SnapError:
        apps.take_away(places, snap)
        snap.revision, snap.version, snap.tracking = before.revision, before.version, before.tracking
        _make_current(places, snap)
        apps.start(places, snap)
        raise
    apps.start(places, snap)


def _make_current(places: Places, snap: Installed) -> None:
    apps.relink(places.mounted(snap.name, "current"), str(snap.revision))
    apps.relink(places.data(snap.name, "current"), str(snap.revision))
    apps.add(places, snap)


def _take(places: Places, state: State, name: str) -> None:
    snap = state.snaps.pop(name)
    if snap.kind == "app":
        apps.take_away(places, snap)
    for folder in (places.mounted(name, "").parent / name, places.data(name, "").parent / name):
        shutil.rmtree(folder, ignore_errors=True)
