"""The daemons of the MAAS stand-in, against a real PostgreSQL, each host in its own network namespace."""
