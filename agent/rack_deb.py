"""A rack from packages (maas-facts §1.3, §10)."""

from __future__ import annotations


class DebRack:
    """`maas-rack-controller`: rackd.conf, the secret and a restart are all that it takes.

    Not `maas-rack register`: it stops rackd and drops its identity before it looks at the URLs, shows a secret in its
    arguments to everybody, takes any text for one there, and with the secret on its standard input exits 0 without
    ever starting rackd (maas-facts §1.3).
    """

    unit = "maas-rackd.service"

    def prepare(self) -> None:
        """Packages bring no mode that could be another."""

    def before_units(self) -> None:
        """The unit's start is all that is left to do."""

    def roll_back(self) -> None:
        """Files and units are all there is."""

    def removed(self) -> None:
        """Files and units are all there was."""
