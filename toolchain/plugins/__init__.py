"""Provider plugins in Python for machines that cannot download the official ones (docs/adr/0003-bundled-plugins.md)."""
