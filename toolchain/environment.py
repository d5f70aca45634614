"""The environment variables under which the engine, its plugins and the program work."""

import os
from collections.abc import Mapping
from pathlib import Path

from toolchain.cache import Cache
from toolchain.checkout import Checkout


def environment(checkout: Checkout | None = None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What to add to `environ` so that `pulumi` and `python` are this project's.

    Raises:
        ToolchainError: the checkout has not been set up.
    """
    checkout = checkout or Checkout.here()
    record = checkout.needed()
    # The old language host has no `virtualenv` option: it takes the first Python on PATH.
    first = [str(checkout.venv / "bin"), record.engine]
    rest = [folder for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder not in first]
    variables = {
        "PATH": os.pathsep.join([*first, *rest]),
        "VIRTUAL_ENV": str(checkout.venv),
        "PULUMI_PYTHON_CMD": str(checkout.python),
        "PULUMI_HOME": record.home,
        "PULUMI_CREDENTIALS_PATH": str(credentials(environ)),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if not record.downloads:
        # Else every command waits some seconds for a network that isn't there.
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return variables


def credentials(environ: Mapping[str, str]) -> Path:
    """Folder of the operator's own `pulumi login`: it holds beyond this project's PULUMI_HOME."""
    told = environ.get("PULUMI_CREDENTIALS_PATH")
    if told:
        return Path(told)
    home = environ.get("PULUMI_HOME")
    if home and Cache.of_user(environ).root not in Path(home).parents:
        return Path(home)
    return Path.home() / ".pulumi"
