#!/bin/bash
# Downloads what the hosts may install, with all dependencies that the base image lacks, into OUT.
# usage: download-packages.sh BASE SCRATCH CONFIGURATION STANDIN OUT PACKAGE…
set -euo pipefail
. "$(dirname "$0")/private-apt.sh"
base=$1 scratch=$2 configuration=$3 standin=$4 out=$5
shift 5
umask 022

mkdir -p "$scratch/upper" "$scratch/work" "$scratch/root" "$out"
root=$scratch/root
mount -t overlay overlay -o "lowerdir=$base,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
private_apt "$root" "$configuration"
cp --remove-destination /etc/resolv.conf /etc/hosts "$root/etc/"
cp -r "$standin" "$root/run/lab-apt/standin"
(cd "$root/run/lab-apt/standin" && dpkg-scanpackages --multiversion . > Packages)
echo 'deb [trusted=yes] file:/run/lab-apt/standin ./' >> "$root/run/lab-apt/sources.list"
in_root "$root" apt-get update
in_root "$root" apt-get install --yes --download-only --no-install-recommends "$@"
cp "$root"/var/cache/apt/archives/*.deb "$out/"
