"""Migration, users and keys (maas-facts §1.2, §1.5, §0a rows 1.2 and 1.5)."""

import threading
import time
from collections.abc import Callable

import psycopg2
import psycopg2.errors
import pytest

from lab.standin.maas_standin import config, db
from lab.standin.maas_standin.schema import MIGRATIONS, Migration

from .cluster import Cluster
from .polling import eventually

pytestmark = pytest.mark.lab


@pytest.fixture
def settings(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> config.RegionConfig:
    """A region's configuration on an empty database; the commands run as on its host."""
    machine = cluster.machine("rg1")
    machine.region(cluster.postgres, cluster.database)
    monkeypatch.setenv("MAAS_ROOT", str(machine.paths.root))
    return cluster.config(machine)


def migrate_twice(
    cluster: Cluster, settings: config.RegionConfig, duration: float, until: Callable[[], bool]
) -> list[list[str] | Exception]:
    """Two migrations at once, the second as soon as `until` says so; what each returned or raised."""
    cluster.machine("rg1").configure(migrate_s=duration)
    results: list[list[str] | Exception] = []

    def run() -> None:
        try:
            results.append(db.migrate(settings))
        except psycopg2.Error as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    threads[0].start()
    eventually(until, "time for the second migration")
    threads[1].start()
    for thread in threads:
        thread.join()
    return results


def test_migrate_applies_everything_once(cluster: Cluster, settings: config.RegionConfig) -> None:
    """§0a row 1.2: afterwards there is nothing to apply."""
    assert db.migrate(settings) == [m.title for m in MIGRATIONS]
    assert db.migrate(settings) == []


def test_two_migrations_race(cluster: Cluster, settings: config.RegionConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """§0a row 1.2: one of two at once fails, the schema is complete, and a run after that succeeds."""
    plan, both = db._pending, threading.Barrier(2, timeout=60)

    def plan_before_either_begins(connection: db.Connection) -> list[Migration]:
        found = plan(connection)
        both.wait()
        return found

    with monkeypatch.context() as racing:
        racing.setattr(db, "_pending", plan_before_either_begins)
        results = migrate_twice(cluster, settings, 2.0, lambda: True)
    failed = [r for r in results if isinstance(r, Exception)]
    assert [r for r in results if not isinstance(r, Exception)] == [[m.title for m in MIGRATIONS]]
    assert len(failed) == 1
    assert isinstance(failed[0], psycopg2.errors.DuplicateTable | psycopg2.errors.UniqueViolation)
    assert "django_content_type" in str(failed[0]) or "pg_type" in str(failed[0])
    assert db.migrate(settings) == []


def test_a_later_migration_trips_over_completed_intro(cluster: Cluster, settings: config.RegionConfig) -> None:
    """§0a row 1.2: the second one of two, started some seconds later, fails over a column."""

    def network_is_there() -> bool:
        return cluster.sql("SELECT to_regclass('maasserver_vlan') IS NOT NULL") == [(True,)]

    results = migrate_twice(cluster, settings, 6.0, network_is_there)
    failed = [r for r in results if isinstance(r, Exception)]
    assert len(failed) == 1
    assert 'column "completed_intro"' in str(failed[0])
    assert "already exists" in str(failed[0])
    assert db.migrate(settings) == []


def test_every_run_drops_views_and_triggers_first(cluster: Cluster, settings: config.RegionConfig) -> None:
    """§0a row 1.2: on a live cluster the views are gone for a while, and the triggers too."""
    db.migrate(settings)
    derived = (
        "SELECT (SELECT count(*) FROM pg_views WHERE schemaname = 'public'),"
        " (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'sys\\_%')"
    )
    before = cluster.sql(derived)
    assert before == [(1, 3)]
    cluster.machine("rg1").configure(views_gone_s=2.0)
    again = threading.Thread(target=db.migrate, args=(settings,))
    again.start()
    eventually(lambda: cluster.sql(derived) == [(0, 0)], "views and triggers are gone")
    again.join()
    assert cluster.sql(derived) == before


def test_a_live_cluster_misses_its_views_during_dbupgrade(cluster: Cluster) -> None:
    """§0a row 1.2: PostgreSQL logs the relation that isn't there; regiond goes on."""
    region = cluster.started_region("rg1")
    cluster.started_rack("rk1", region)
    for view in ("maasserver_routable_pairs",):
        cluster.sql(f"DROP VIEW {view}")
    missing = 'relation "maasserver_routable_pairs" does not exist'
    eventually(lambda: missing in cluster.postgres.log.read_text(), "PostgreSQL logs the missing view")
    db.migrate(cluster.config(region))
    assert len(cluster.admin(region).racks()) == 1


def test_an_administrator_comes_with_one_key(cluster: Cluster, settings: config.RegionConfig) -> None:
    """§0a row 1.5: works before regiond ever ran; a second one under the same name or address is refused."""
    db.migrate(settings)
    connection = db.connect(settings, "tests")
    db.create_admin(connection, "admin", "secret", "a@example.com")
    first = db.api_keys(connection, "admin")
    assert len(first) == 1
    assert len(first[0].split(":")) == 3
    for username, email in (("admin", "b@example.com"), ("other", "a@example.com")):
        with pytest.raises(db.AlreadyExistingUser, match=f"A user with the email {email} already exists"):
            db.create_admin(connection, username, "secret", email)
    second = db.generate_api_key(connection, "admin")
    assert db.api_keys(connection, "admin") == [*first, second]
    with pytest.raises(db.UnknownUser, match=r"User does not exist\."):
        db.api_keys(connection, "nobody")
    connection.close()


def test_newer_maas_needs_to_create_schemas(
    cluster: Cluster, settings: config.RegionConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§7: from 3.5 on a role that doesn't own the database can't migrate it."""
    cluster.sql(f"ALTER DATABASE {cluster.database} OWNER TO postgres")
    cluster.sql(f"GRANT CREATE ON SCHEMA public TO {cluster.database}")
    db.migrate(settings)
    monkeypatch.setattr("lab.standin.maas_standin.version.MINOR", (3, 5))
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        db.migrate(settings)
    cluster.sql(f"ALTER DATABASE {cluster.database} OWNER TO {cluster.database}")
    db.migrate(settings)


def test_migration_takes_the_time_it_is_told(cluster: Cluster, settings: config.RegionConfig) -> None:
    """The knob works: an empty database takes at least `migrate_s`."""
    cluster.machine("rg1").configure(migrate_s=1.0)
    began = time.monotonic()
    db.migrate(settings)
    assert time.monotonic() - began >= 1.0
