"""`maas init --database-uri` (maas-facts §1.1)."""

from urllib.parse import parse_qsl, unquote, urlsplit

from .cli_process import CommandError

Settings = dict[str, str | int | bool]
"""Keys of regiond.conf."""

START = "postgres://"


def settings_of(uri: str) -> Settings:
    """The database's keys of regiond.conf: only user, password, host, port and name can be said.

    Raises:
        CommandError: it starts otherwise (also with `postgresql://`), or has a parameter such as `sslmode`.
        ValueError: the port is no number, as where several hosts are named; MAAS ends in a traceback there.
    """
    if not uri.startswith(START):
        raise CommandError(f"Database URI needs to be either 'maas-test-db:///' or start with '{START}'")
    parts = urlsplit(uri)
    if unsupported := [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]:
        raise CommandError(f"Unsupported parameters: {', '.join(unsupported)}")
    user, _, rest = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    host, _, port = rest.partition(":") if not rest.startswith("[") else rest[1:].partition("]:")
    settings: Settings = {
        "database_host": unquote(host.rstrip("]")) or "localhost",
        "database_user": unquote(name),
        "database_pass": unquote(password),
        "database_name": unquote(parts.path.lstrip("/")) or unquote(name),
    }
    return settings | {"database_port": int(port)} if port else settings
