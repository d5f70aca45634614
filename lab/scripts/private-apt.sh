# Sourced: apt in a root folder, with the machine's own sources. All of it lies on a tmpfs at /run that only this script's mount
# namespace sees, so neither the image nor the machine keeps a trace of mirrors, proxies or their passwords.

private_apt() { # ROOT CONFIGURATION
    mount -t tmpfs tmpfs "$1/run"
    mountpoint -q "$1/proc" || mount -t proc proc "$1/proc"
    cp -r "$2" "$1/run/lab-apt"
    mkdir -p "$1/run/lab-apt/lists/partial"
    # apt fetches as _apt, which must read the lists and keyrings but owns only the partial folder.
    chmod -R a+rX "$1/run/lab-apt"
}

in_root() { # ROOT COMMAND…
    local root=$1
    shift
    APT_CONFIG=/run/lab-apt/apt.conf DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        chroot "$root" "$@"
}
