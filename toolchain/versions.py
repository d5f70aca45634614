"""Which versions belong together. One place to change when they move."""

from typing import Final

ENGINE: Final = "3.255.0"
"""Newest engine that the Go module proxy can build (later ones pin a module that it does not serve), and the oldest
that is taken from PATH. The version of the Go module in `toolchain/engine/go.mod`."""

PLUGINS: Final = {"command": "1.2.1", "random": "4.21.4", "tls": "5.6.2"}
"""Provider plugins, as the SDK packages of the same versions in `pyproject.toml` ask for them."""

PYTHON: Final = (3, 11)
"""Oldest Python for the project itself. The toolchain alone also starts on 3.10, to say so."""

RELEASES: Final = "https://github.com/pulumi/pulumi/releases/download"
"""Where the engine's publisher keeps its releases, each with a checksum file."""


def as_numbers(version: str) -> tuple[int, ...]:
    """`v3.255.0-dev.1` as (3, 255, 0), to compare versions by.

    Raises:
        ValueError: the text is no version.
    """
    return tuple(int(part) for part in version.lstrip("v").split("-")[0].split("+")[0].split("."))
