"""Tests of the agent: real files below a temporary root, real processes."""
