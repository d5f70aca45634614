"""The MAAS stand-in: real .deb packages that behave as `maas-facts` says MAAS does."""
