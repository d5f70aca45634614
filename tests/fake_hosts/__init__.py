"""Hosts that only exist as answers: the real engine and program, with a command plugin that dials nobody."""
