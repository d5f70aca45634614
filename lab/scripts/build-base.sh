#!/bin/bash
# Makes the base image: a plain minimal server of the machine's own release, up to date, with sshd and a deploy user.
# usage: build-base.sh ROOT SUITE MIRROR COMPONENTS PACKAGES KEYRING CONFIGURATION
set -euo pipefail
. "$(dirname "$0")/private-apt.sh"
root=$1 suite=$2 mirror=$3 components=$4 packages=$5 keyring=$6 configuration=$7
umask 022

debootstrap --variant=minbase --components="$components" --include="$packages" ${keyring:+--keyring="$keyring"} \
    "$suite" "$root" "$mirror"

printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
private_apt "$root" "$configuration"
cp --remove-destination /etc/resolv.conf /etc/hosts "$root/etc/"
in_root "$root" apt-get update
in_root "$root" apt-get --yes -o Dpkg::Options::=--force-confdef dist-upgrade
in_root "$root" apt-get clean
rm "$root/usr/sbin/policy-rc.d"
umount "$root/run"

in_root "$root" useradd --create-home --shell /bin/bash --comment "Deploy user" deploy
install -m 440 /dev/stdin "$root/etc/sudoers.d/deploy" <<< 'deploy ALL=(ALL:ALL) NOPASSWD: ALL'
cat > "$root/etc/ssh/sshd_config.d/lab.conf" <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UseDNS no
END
echo 'LANG=C.UTF-8' > "$root/etc/default/locale"

# Nothing of the machine stays, nor anything that must differ from host to host.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/*
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/log/bootstrap.log
: > "$root/etc/machine-id"
: > "$root/etc/hostname"
: > "$root/etc/resolv.conf"
echo '127.0.0.1 localhost' > "$root/etc/hosts"
echo 'deb [trusted=yes] file:/srv/packages ./' > "$root/etc/apt/sources.list.d/lab.list"
mkdir -p "$root/srv/packages"

in_root "$root" systemctl enable systemd-networkd.service ssh.service
# Background upgrades would hold apt's lock at a moment of their own choosing.
in_root "$root" systemctl mask apt-daily.timer apt-daily-upgrade.timer
umount "$root/proc"
