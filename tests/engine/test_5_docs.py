"""Every command of README and docs, run as a newcomer would: in a clean clone, in the order of the pages."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.deployment import PROJECT

pytestmark = pytest.mark.lab

PAGES = ("README.md", "docs/procedures.md")
SELF = "make test"
"""The one command that isn't run here: it is what runs this."""


def commands(page: str) -> list[str]:
    """The lines of a page's shell blocks, without comments."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)).splitlines()
    found = [line.split(" # ")[0].strip() for line in lines]
    assert found, page
    return [line for line in found if line and line != SELF]


def newcomer() -> dict[str, str]:
    """The environment without anything of this project's."""
    path = [part for part in os.environ["PATH"].split(os.pathsep) if ".venv" not in part and "maas-ha" not in part]
    ours = ("PULUMI_", "VIRTUAL_ENV", "SSH_AUTH_SOCK", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "PATH": os.pathsep.join(path)
    }


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("clone") / "maas-ha"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(folder)], check=True)
    try:
        yield folder
    finally:
        run(folder, ["make lab-down"])


def run(folder: Path, lines: list[str]) -> str:
    """Output of `lines`, run by one shell that stops at the first failure."""
    script = "\n".join(["set -euxo pipefail", *lines])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=newcomer(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_every_command_of_the_pages(clone: Path) -> None:
    output = run(clone, [line for page in PAGES for line in commands(page)])
    assert "http://198.51.100.41/MAAS" in output
    assert "normal/normal" in output
    assert "rack2-bootstrap" in output


def test_make_destroy(clone: Path) -> None:
    assert "deleted" in run(clone, ["make destroy"])


def test_the_picture_and_links_of_the_pages_exist() -> None:
    for page in ("README.md", *(str(path.relative_to(PROJECT)) for path in (PROJECT / "docs").rglob("*.md"))):
        for link in re.findall(r"\]\(([^)#:]+)\)", (PROJECT / page).read_text(encoding="utf-8")):
            assert (PROJECT / page).parent.joinpath(link).exists(), (page, link)
