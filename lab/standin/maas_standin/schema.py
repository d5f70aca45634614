"""The stand-in's tables, under the names of MAAS's own, and the views and triggers that every migration rebuilds."""

from typing import NamedTuple

from . import version


class Migration(NamedTuple):
    """One Django migration: applied once, in its own transaction."""

    app: str
    name: str
    sql: str
    weight: int = 1
    """Share of the whole run's duration that passes before it."""
    since: tuple[int, int] = (3, 4)
    """The MAAS that it came with."""

    @property
    def title(self) -> str:
        """As `dbupgrade` reports it."""
        return f"{self.app}.{self.name}"


CONTENT_TYPES = """
CREATE TABLE django_content_type (id serial PRIMARY KEY, app_label text NOT NULL, model text NOT NULL);
"""

USERS = """
CREATE TABLE auth_user (
    id serial PRIMARY KEY, username text NOT NULL UNIQUE, email text NOT NULL UNIQUE, password text NOT NULL,
    is_superuser boolean NOT NULL DEFAULT false, date_joined timestamptz NOT NULL DEFAULT now());
CREATE TABLE maasserver_userprofile (id serial PRIMARY KEY, user_id integer NOT NULL UNIQUE REFERENCES auth_user);
CREATE TABLE piston3_consumer (
    id serial PRIMARY KEY, name text NOT NULL, key text NOT NULL UNIQUE, secret text NOT NULL DEFAULT '',
    user_id integer NOT NULL REFERENCES auth_user ON DELETE CASCADE);
CREATE TABLE piston3_token (
    id serial PRIMARY KEY, key text NOT NULL UNIQUE, secret text NOT NULL, created timestamptz NOT NULL DEFAULT now(),
    user_id integer NOT NULL REFERENCES auth_user ON DELETE CASCADE,
    consumer_id integer NOT NULL REFERENCES piston3_consumer ON DELETE CASCADE);
CREATE TABLE piston3_nonce (
    id serial PRIMARY KEY, token_key text NOT NULL, consumer_key text NOT NULL, key text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(), UNIQUE (token_key, consumer_key, key));
"""

SETTINGS = """
CREATE TABLE maasserver_config (id serial PRIMARY KEY, name text NOT NULL UNIQUE, value jsonb);
CREATE TABLE maasserver_secret (
    path text PRIMARY KEY, value jsonb NOT NULL, created timestamptz NOT NULL, updated timestamptz NOT NULL);
"""

# The default fabric and VLAN are there from the start; MAAS numbers fabrics from 0 and VLANs from 5001 (maas-facts §5).
NETWORK = """
CREATE SEQUENCE maasserver_fabric_id_seq MINVALUE 0 START 0;
CREATE TABLE maasserver_fabric (
    id integer PRIMARY KEY DEFAULT nextval('maasserver_fabric_id_seq'), name text, class_type text);
CREATE SEQUENCE maasserver_vlan_id_seq START 5001;
CREATE TABLE maasserver_vlan (
    id integer PRIMARY KEY DEFAULT nextval('maasserver_vlan_id_seq'), vid integer NOT NULL, name text NOT NULL,
    description text NOT NULL DEFAULT '', mtu integer NOT NULL DEFAULT 1500, dhcp_on boolean NOT NULL DEFAULT false,
    external_dhcp inet, fabric_id integer NOT NULL REFERENCES maasserver_fabric ON DELETE CASCADE,
    relay_vlan_id integer REFERENCES maasserver_vlan ON DELETE SET NULL,
    primary_rack_id integer, secondary_rack_id integer, UNIQUE (fabric_id, vid));
CREATE TABLE maasserver_subnet (
    id serial PRIMARY KEY, name text NOT NULL, cidr cidr NOT NULL UNIQUE, gateway_ip inet,
    vlan_id integer NOT NULL REFERENCES maasserver_vlan ON DELETE CASCADE, managed boolean NOT NULL DEFAULT true,
    dns_servers text[] NOT NULL DEFAULT '{}');
CREATE TABLE maasserver_iprange (
    id serial PRIMARY KEY, type text NOT NULL, start_ip inet NOT NULL, end_ip inet NOT NULL,
    subnet_id integer NOT NULL REFERENCES maasserver_subnet ON DELETE CASCADE,
    user_id integer REFERENCES auth_user ON DELETE SET NULL, comment text NOT NULL DEFAULT '');
WITH fabric AS (INSERT INTO maasserver_fabric (name) VALUES ('fabric-0') RETURNING id)
INSERT INTO maasserver_vlan (vid, name, fabric_id) SELECT 0, 'untagged', id FROM fabric;
"""

CONTROLLERS = """
CREATE TABLE maasserver_node (
    id serial PRIMARY KEY, system_id text NOT NULL UNIQUE, hostname text NOT NULL UNIQUE, domain text NOT NULL,
    node_type integer NOT NULL, version text, managing_process_id integer,
    created timestamptz NOT NULL DEFAULT now(), updated timestamptz NOT NULL DEFAULT now());
CREATE TABLE maasserver_interface (
    id serial PRIMARY KEY, node_id integer NOT NULL REFERENCES maasserver_node ON DELETE CASCADE,
    name text NOT NULL, mac_address macaddr NOT NULL,
    vlan_id integer REFERENCES maasserver_vlan ON DELETE SET NULL, UNIQUE (node_id, name));
CREATE TABLE maasserver_staticipaddress (
    id serial PRIMARY KEY, ip inet NOT NULL,
    interface_id integer NOT NULL REFERENCES maasserver_interface ON DELETE CASCADE,
    subnet_id integer REFERENCES maasserver_subnet ON DELETE CASCADE, UNIQUE (interface_id, ip));
CREATE TABLE maasserver_service (
    id serial PRIMARY KEY, node_id integer NOT NULL REFERENCES maasserver_node ON DELETE CASCADE,
    name text NOT NULL, status text NOT NULL DEFAULT 'unknown', status_info text NOT NULL DEFAULT '',
    UNIQUE (node_id, name));
ALTER TABLE maasserver_vlan
    ADD FOREIGN KEY (primary_rack_id) REFERENCES maasserver_node,
    ADD FOREIGN KEY (secondary_rack_id) REFERENCES maasserver_node;
"""

PROCESSES = """
CREATE TABLE maasserver_regioncontrollerprocess (
    id serial PRIMARY KEY, region_id integer NOT NULL REFERENCES maasserver_node ON DELETE CASCADE,
    pid integer NOT NULL, updated timestamptz NOT NULL, UNIQUE (region_id, pid));
CREATE TABLE maasserver_regioncontrollerprocessendpoint (
    id serial PRIMARY KEY, address inet NOT NULL, port integer NOT NULL,
    process_id integer NOT NULL REFERENCES maasserver_regioncontrollerprocess ON DELETE CASCADE,
    UNIQUE (process_id, address, port));
CREATE TABLE maasserver_regionrackrpcconnection (
    id serial PRIMARY KEY,
    process_id integer NOT NULL REFERENCES maasserver_regioncontrollerprocess ON DELETE CASCADE,
    rack_controller_id integer NOT NULL REFERENCES maasserver_node ON DELETE CASCADE,
    UNIQUE (process_id, rack_controller_id));
ALTER TABLE maasserver_node ADD FOREIGN KEY (managing_process_id)
    REFERENCES maasserver_regioncontrollerprocess ON DELETE SET NULL;
"""

MACHINES = """
CREATE TABLE maasserver_bmc (
    id serial PRIMARY KEY, node_id integer NOT NULL UNIQUE REFERENCES maasserver_node ON DELETE CASCADE,
    power_type text NOT NULL, power_parameters jsonb NOT NULL, power_state text NOT NULL DEFAULT 'unknown',
    architecture text NOT NULL);
"""

TAGS = """
CREATE TABLE maasserver_tag (id serial PRIMARY KEY, name text NOT NULL UNIQUE, comment text NOT NULL DEFAULT '');
"""

IMAGES = """
ALTER TABLE maasserver_node ADD COLUMN image_sync boolean NOT NULL DEFAULT false;
"""

_OF_EVERY_VERSION = (
    Migration("contenttypes", "0001_initial", CONTENT_TYPES, weight=2),
    Migration("auth", "0001_initial", USERS, weight=2),
    Migration("maasserver", "0001_initial", SETTINGS, weight=2),
    Migration("maasserver", "0002_network", NETWORK, weight=2),
    # The column a second migrator that starts a little later trips over (maas-facts §0a, row 1.2).
    Migration(
        "maasserver",
        "0003_completed_intro",
        "ALTER TABLE maasserver_userprofile ADD COLUMN completed_intro boolean NOT NULL DEFAULT false;",
        weight=8,
    ),
    Migration("maasserver", "0004_controllers", CONTROLLERS, weight=2),
    Migration("maasserver", "0005_processes", PROCESSES, weight=2),
    Migration("maasserver", "0006_machines", MACHINES),
    Migration("maasserver", "0007_tags", TAGS),
    # Images are on each region's own disk from 3.5 on (maas-facts §0); a regiond of that version needs the column.
    Migration("maasserver", "0008_images", IMAGES, since=(3, 5)),
)
MIGRATIONS = tuple(migration for migration in _OF_EVERY_VERSION if migration.since <= version.MINOR)

VIEW = "maasserver_routable_pairs"
"""The view whose absence PostgreSQL reports when `dbupgrade` runs on a live cluster (maas-facts §0a, row 1.2)."""

VIEWS = (
    """CREATE VIEW maasserver_routable_pairs AS
    SELECT l.node_id AS left_node_id, r.node_id AS right_node_id, l.vlan_id
    FROM maasserver_interface l JOIN maasserver_interface r USING (vlan_id) WHERE l.node_id <> r.node_id;""",
)

DHCP_CHANNEL = "sys_dhcp"
"""Notified with the id of each rack whose DHCP configuration may have changed."""
SHUTOFF_CHANNEL = "sys_rack_shutoff"
"""Notified with the system_id of a deleted rack: whoever is connected tells it to wipe its secret."""

TRIGGERS = (
    """CREATE OR REPLACE FUNCTION sys_dhcp_vlan() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE rack integer;
    BEGIN
        FOR rack IN SELECT DISTINCT r FROM unnest(ARRAY[
            OLD.primary_rack_id, OLD.secondary_rack_id, NEW.primary_rack_id, NEW.secondary_rack_id]) r
            WHERE r IS NOT NULL
        LOOP PERFORM pg_notify('sys_dhcp', rack::text); END LOOP;
        RETURN NULL;
    END $body$;
    CREATE TRIGGER sys_dhcp_vlan AFTER UPDATE ON maasserver_vlan FOR EACH ROW EXECUTE FUNCTION sys_dhcp_vlan();""",
    """CREATE OR REPLACE FUNCTION sys_dhcp_subnet() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE rack integer; changed integer;
    BEGIN
        IF TG_TABLE_NAME = 'maasserver_subnet' THEN changed := NEW.vlan_id;
        ELSIF TG_OP = 'DELETE' THEN SELECT vlan_id INTO changed FROM maasserver_subnet WHERE id = OLD.subnet_id;
        ELSE SELECT vlan_id INTO changed FROM maasserver_subnet WHERE id = NEW.subnet_id;
        END IF;
        FOR rack IN SELECT r FROM maasserver_vlan v, unnest(ARRAY[v.primary_rack_id, v.secondary_rack_id]) r
            WHERE v.id = changed AND v.dhcp_on AND r IS NOT NULL
        LOOP PERFORM pg_notify('sys_dhcp', rack::text); END LOOP;
        RETURN NULL;
    END $body$;
    CREATE TRIGGER sys_dhcp_subnet AFTER UPDATE ON maasserver_subnet
        FOR EACH ROW EXECUTE FUNCTION sys_dhcp_subnet();
    CREATE TRIGGER sys_dhcp_iprange AFTER INSERT OR UPDATE OR DELETE ON maasserver_iprange
        FOR EACH ROW EXECUTE FUNCTION sys_dhcp_subnet();""",
)

DROP_TRIGGERS = "SELECT tgname AS name, tgrelid::regclass::text AS relation FROM pg_trigger WHERE tgname LIKE 'sys\\_%'"
