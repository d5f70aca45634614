"""`maas init` of the snap: give the host its run mode (maas-facts §1.1).

It isn't idempotent: each run stops all services, deletes certificates and, with a region, the secret's file, and writes
both configuration files.
"""

import argparse
import shutil
import socket

import psycopg2

from . import cli_region, config, db, snap_database_uri, snap_http, snap_settings, version
from .cli_process import CommandError
from .paths import Paths
from .snap_control import follow_mode
from .snap_programs import current_mode
from .snap_prompts import choose, required

MODES = ("region+rack", "region", "rack")
VAULT = ("vault-uri", "vault-approle-id", "vault-wrapped-token", "vault-secrets-path")
DONE = """MAAS has been set up.

If you want to configure external authentication or use MAAS with Canonical RBAC, please run

  sudo maas configauth

To create admins when not using external authentication, run

  sudo maas createadmin"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """`init MODE` with the options of each mode."""
    modes = parser.add_subparsers(dest="mode", required=True, metavar="MODE")
    for name in MODES:
        mode = modes.add_parser(name, allow_abbrev=False)
        mode.add_argument("--maas-url")
        mode.add_argument("--force", action="store_true", help="skip the confirmation")
        if name == "rack":
            mode.add_argument("--secret")
            continue
        mode.add_argument("--database-uri")
        snap_settings.add_region_options(mode)
        if version.MINOR >= (3, 3):
            for option in VAULT:
                mode.add_argument(f"--{option}")
            mode.add_argument("--vault-secrets-mount", default="secret")


def init(options: argparse.Namespace, paths: Paths) -> int:
    """Settings, then the schema, then the mode, then the services, so that a failed migration leaves no mode.

    Raises:
        CommandError: a URI or value that MAAS refuses.
        psycopg2.Error: the migration fails.
    """
    mode: str = options.mode
    if current_mode(paths) != "none" and not options.force:
        question = "Controller has already been initialized. Are you sure you want to initialize again"
        if choose(question, ("yes", "no"), "no") == "no":
            return 0
    settings = _settings(options)
    secret = _secret(options)
    paths.snap_mode.unlink(missing_ok=True)
    follow_mode(paths)
    shutil.rmtree(paths.certificates, ignore_errors=True)
    snap_settings.install_secret(paths, secret)
    snap_settings.write(paths, settings)
    if mode != "rack" and needs_schema(paths):
        cli_region.dbupgrade(paths.regiond_conf)
    paths.snap_mode.write_text(mode)
    snap_http.render(paths, mode)
    follow_mode(paths)
    if mode != "rack":
        print(DONE)
    return 0


def needs_schema(paths: Paths) -> bool:
    """Whether the database has no table at all. Any error counts as that too, and no lock is around it."""
    try:
        connection = db.connect(config.read_region(paths.regiond_conf), "maas-init")
        try:
            with connection, db.cursor(connection) as cur:
                cur.execute("SELECT count(*) AS tables FROM pg_tables WHERE schemaname = 'public'")
                return not db.one(cur)["tables"]
        finally:
            connection.close()
    except (psycopg2.Error, config.Invalid, TypeError, OSError):
        return True


def _settings(options: argparse.Namespace) -> snap_database_uri.Settings:
    url = options.maas_url or required("MAAS URL", f"http://{_address()}:5240/MAAS")
    settings = snap_settings.given(options) | {"maas_url": url}
    if options.mode == "rack":
        return settings
    uri = options.database_uri
    if not uri:
        uri = required("Database URI", accept=lambda answer: answer.startswith(snap_database_uri.START))
    vault = [name for name in VAULT if getattr(options, name.replace("-", "_"))]
    if vault:
        missing = [f"--{name}" for name in VAULT if name not in vault]
        raise CommandError(f"Missing parameters: {', '.join(missing)}" if missing else "Vault can't be reached")
    return settings | snap_database_uri.settings_of(uri)


def _secret(options: argparse.Namespace) -> str | None:
    if options.mode != "rack":
        return None
    return options.secret or required("Secret")


def _address() -> str:
    """The host's own address, as the default of the URL has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
