"""`make bench`: how fast it is, measured side by side with rivals that reach the same end state."""
