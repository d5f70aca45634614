#!/bin/bash
# The floor: the steps to the dev stack and nothing else, as parallel as they can be. Nothing is checked, undone or
# reported, and a second run does all of it again.
#
#   floor.sh deploy ROOM            ROOM: ssh_config, addresses (shell), database_password, admin_password
#   floor.sh workers ROOM COUNT     COUNT workers for region1
set -eu
room=$2
# shellcheck disable=SC1091
. "$room/addresses"
# shellcheck disable=SC2154
: "$db1 $region1 $region2 $lb1 $range_start $range_end" # all of them are there
on() { ssh -F "$room/ssh_config" "$1" sudo -n bash -eu; } # the host's script on standard input
install="export DEBIAN_FRONTEND=noninteractive; apt-get -qq update >/dev/null; apt-get -qq install -y --no-install-recommends >/dev/null"

database() {
    on db1 <<SCRIPT
$install postgresql-15
cd /etc/postgresql/15/main
[ -e floor.key ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=$db1" \
    -keyout floor.key -out floor.crt 2>/dev/null
chown postgres: floor.key floor.crt
chmod 600 floor.key
cat >pg_hba.conf <<EOF
local all postgres peer
local all all peer
hostssl maasdb maas $region1/32 scram-sha-256
hostssl maasdb maas $region2/32 scram-sha-256
EOF
cat >conf.d/floor.conf <<EOF
listen_addresses = 'localhost,$db1'
max_connections = 100
password_encryption = 'scram-sha-256'
ssl = on
ssl_cert_file = '/etc/postgresql/15/main/floor.crt'
ssl_key_file = '/etc/postgresql/15/main/floor.key'
EOF
systemctl restart postgresql@15-main
runuser -u postgres -- psql -qX <<SQL 2>/dev/null
CREATE ROLE maas LOGIN PASSWORD '$(cat "$room/database_password")';
CREATE DATABASE maasdb OWNER maas;
SQL
SCRIPT
}

balancer() {
    on lb1 <<SCRIPT
$install haproxy
cat >/etc/haproxy/haproxy.cfg <<EOF
global
    user haproxy
    group haproxy
defaults
    mode http
    timeout connect 5s
    timeout client 900s
    timeout server 900s
listen maas
    bind :80
    balance leastconn
    option httpchk GET /MAAS/rpc/
    server region1 $region1:5240 check inter 2s fall 3 rise 2
    server region2 $region2:5240 check inter 2s fall 3 rise 2
EOF
systemctl restart haproxy
SCRIPT
}

region_packages() { on "$1" <<<"$install maas-region-api postgresql-client"; }

region_conf() { # printed for a host's script
    cat <<SCRIPT
cat >/etc/maas/regiond.conf <<EOF
database_host: $db1
database_name: maasdb
database_pass: $(cat "$room/database_password")
database_port: 5432
database_user: maas
maas_url: http://$lb1/MAAS
num_workers: 2
EOF
chown maas: /etc/maas/regiond.conf
chmod 640 /etc/maas/regiond.conf
systemctl restart named
SCRIPT
}

first_region() { # the schema, then the first regiond, which makes the secret
    on region1 <<SCRIPT
$(region_conf)
maas-region dbupgrade >/dev/null
systemctl restart maas-regiond
SCRIPT
}

administrator() {
    on region1 <<SCRIPT
password=$(cat "$room/admin_password")
printf '%s\n' "\$password" "\$password" '' | maas-region createadmin --username admin --email admin@example.com >/dev/null 2>&1 || :
maas apikey --username admin
SCRIPT
}

shared_secret() { on region1 <<<'until [ -s /var/lib/maas/secret ]; do sleep 0.05; done; cat /var/lib/maas/secret'; }

second_region() {
    on region2 <<SCRIPT
$(region_conf)
systemctl restart maas-regiond
SCRIPT
}

rack_packages() { on "$1" <<<"$install maas-rack-controller"; }

rack() { # NAME SECRET; prints its system id
    on "$1" <<SCRIPT
cat >/etc/maas/rackd.conf <<EOF
maas_url:
- http://$lb1/MAAS
- http://$region1:5240/MAAS
- http://$region2:5240/MAAS
EOF
printf %s '$2' >/var/lib/maas/secret
chown root:maas /etc/maas/rackd.conf
chown maas: /var/lib/maas/secret
chmod 640 /etc/maas/rackd.conf /var/lib/maas/secret
systemctl restart maas-rackd
until [ -s /var/lib/maas/maas_id ]; do sleep 0.05; done
cat /var/lib/maas/maas_id
SCRIPT
}

dhcp() { # PRIMARY SECONDARY
    on region1 <<SCRIPT
until maas apikey --username admin | head -n 1 | maas login floor http://localhost:5240/MAAS/api/2.0/ - >/dev/null 2>&1; do
    sleep 0.05
done
maas floor ipranges create type=dynamic start_ip=$range_start end_ip=$range_end >/dev/null 2>&1 || :
until maas floor vlan update 0 0 primary_rack=$1 secondary_rack=$2 dhcp_on=true >/dev/null 2>&1; do sleep 0.05; done
SCRIPT
}

deploy() {
    local jobs=()
    balancer & jobs+=($!)
    rack_packages rack1 & local first_rack=$!
    rack_packages rack2 & local second_rack=$!
    region_packages region2 & local second=$!
    region_packages region1 & local first=$!
    database
    wait "$first"
    first_region
    administrator >"$room/api_key" & local admin=$!
    wait "$second"
    second_region & jobs+=($!)
    secret=$(shared_secret)
    wait "$first_rack" "$second_rack"
    rack rack1 "$secret" >"$room/rack1" & first_rack=$!
    rack rack2 "$secret" >"$room/rack2" & second_rack=$!
    wait "$first_rack" "$second_rack" "$admin"
    dhcp "$(cat "$room/rack1")" "$(cat "$room/rack2")"
    wait "${jobs[@]}"
}

workers() {
    on region1 <<<"sed -i 's/^num_workers: .*/num_workers: $1/' /etc/maas/regiond.conf; systemctl restart maas-regiond"
}

case $1 in
deploy) deploy ;;
workers) workers "$3" ;;
esac
