"""What the program writes of `maas.repository`, as apt itself reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import cast

import pytest

from tests.contract import recorder
from tests.contract.test_program import bundle_of
from tests.stacks import cluster_of

SOURCE = {"uris": "file:/srv/packages", "signed_by": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEY\n"}


@pytest.mark.parametrize(
    ("suites", "found"),
    [
        ("noble noble-updates", ["dists/noble/InRelease", "dists/noble-updates/InRelease"]),
        ("./", ["./InRelease"]),
        ("a/ b/c/", ["a/InRelease", "b/c/InRelease"]),
    ],
)
def test_apt_takes_it(tmp_path: Path, suites: str, found: list[str]) -> None:
    cluster = cluster_of("dev", tmp_path / "known_hosts")
    cast("dict[str, object]", cluster["maas"])["repository"] = SOURCE | {"suites": suites}
    program = recorder.run(cluster, preview=False)
    (source,) = (file for file in bundle_of(program["region1-bootstrap"]).files if file.path.endswith(".sources"))
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/maas-ha.sources").write_text(source.content, encoding="utf-8")
    options = {"Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": str(tmp_path / "sources")}
    argv = ["apt-get", *(f"-o{name}={value}" for name, value in options.items()), "update", "--print-uris"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for release in found:
        assert f"'file:/srv/packages/{release}'" in done.stdout
