"""The cluster as a package for other Pulumi programs: `maas-ha:index:MaasCluster`."""
