"""Stand-in for snapd: `snap` with a store on the host itself, for the lab only."""
