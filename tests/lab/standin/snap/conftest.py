"""The snap's files in a temporary folder, without a supervisor."""

from pathlib import Path

import pytest

from lab.standin.maas_standin.paths import Paths


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The folders that `snap install` makes, and the nginx texts that the snap brings."""
    paths = Paths(tmp_path, snap=True)
    for folder in (paths.current, paths.state):
        folder.mkdir(parents=True)
    http = tmp_path / "mounted/usr/share/maas/http"
    http.mkdir(parents=True)
    for name in ("nginx.conf", "regiond.nginx.conf", "rackd.nginx.conf"):
        (http / name).write_text(f"{name} in /var/lib/maas/http\n")
    monkeypatch.setenv("SNAP", str(tmp_path / "mounted"))
    return paths
