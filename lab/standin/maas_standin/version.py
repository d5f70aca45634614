"""Which MAAS this installation claims to be; `lab.standin.build` rewrites this file for each package."""

LONG: str = "3.4.10-14366-g.518bf2c80"
"""As the controllers' `version` and the package have it (maas-facts §0a, §5)."""
SHORT: str = "3.4.10"
"""As `GET /MAAS/api/2.0/version/` has it (maas-facts §0a, §5)."""
MINOR: tuple[int, int] = (3, 4)
"""For comparisons such as `MINOR >= (3, 5)`."""
