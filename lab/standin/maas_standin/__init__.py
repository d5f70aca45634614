"""What the stand-in's packages install on a host, as the Python package `maas_standin`."""
