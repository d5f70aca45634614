"""Which MAAS the packages of a host are, and whether the way from it to the wanted one is open (maas-facts §9)."""

from __future__ import annotations

from agent.controllers import short_version
from agent.errors import StepError
from agent.packages import Packages


def minor(version: str) -> tuple[int, ...]:
    """`MAJOR.MINOR` of it, of a longer form or of a package's version; `()`, which is older than all, else."""
    return tuple(int(part) for part in short_version(version).split(".")[:2] if part)


def is_older(version: str, wanted: str) -> bool:
    """True if `version`, in any form, is of a MAAS before `wanted`."""
    return minor(version) < minor(wanted)


def refuse_newer(version: str, wanted: str) -> None:
    """Raises `StepError` where the host's MAAS is newer than `wanted`: a schema has no way back."""
    if is_older(wanted, version):
        here = short_version(version)
        raise StepError(
            f"MAAS is {here} on this host, and maas.version in the stack file is {wanted}: MAAS can't go back, since no"
            " schema is migrated back; nothing was touched\n"
            f'Write `version: "{".".join(map(str, minor(version)))}"` under maas'
        )


def refuse_other_offer(packages: Packages, package: str, wanted: str) -> None:
    """Raises `StepError` where apt would install another MAAS than `wanted`; package lists are updated before."""
    offered = packages.offered(package)
    if minor(offered) != minor(wanted):
        raise StepError(
            f"maas.version in the stack file is {wanted}, and apt on this host has {package}"
            f" {short_version(offered) or 'nowhere'}; nothing was touched\n"
            f"Let maas.repository, or the host's own sources where there is none, lead to MAAS {wanted}"
        )
