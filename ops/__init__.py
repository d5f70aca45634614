"""The operator's day: what a running cluster looks like, and the way out when a host is gone."""
