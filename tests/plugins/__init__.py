"""Tests of the bundled provider plugins."""
