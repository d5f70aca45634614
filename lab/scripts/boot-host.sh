#!/bin/bash
# Carries one host: mounts its root where only this process and its children see it, and boots it, again after each reboot.
# It is PID 1 of a namespace: all of it, also the mount, ends with this process. The mount is volatile: nobody waits for the
# machine's disk (a host's power cut loses nothing by that, a power cut of the machine itself would).
# usage: boot-host.sh BASE FOLDER CGROUPS NSPAWN-ARGUMENT…
set -eu
base=$1 folder=$2 cgroups=$3
shift 3

rm -rf "$folder/work/work/incompat" # left by a volatile overlay whose host was cut off
mount -t overlay overlay -o "lowerdir=$base,upperdir=$folder/upper,workdir=$folder/work,volatile" "$folder/root"
# nspawn's own folder of a machine that was cut off would stop the next one of that name, where /run is no tmpfs.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
while :; do
    code=0
    bash -c '
        for cgroup in $1; do
            mkdir -p "$cgroup"
            echo $$ > "$cgroup/cgroup.procs"
        done
        shift
        exec systemd-nspawn "$@"
    ' lab "$cgroups" "$@" < /dev/null || code=$?
    [ "$code" = 133 ] || exit "$code" # 133: the host asked for a reboot
done
