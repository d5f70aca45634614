"""A host's files in a temporary folder."""

import grp
import os
from pathlib import Path

import pytest

from lab.standin.maas_standin.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """The folders that the packages make."""
    paths = Paths(tmp_path)
    paths.regiond_conf.parent.mkdir(parents=True)
    paths.state.mkdir(parents=True)
    return paths


@pytest.fixture
def group() -> str:
    """A group that exists on this machine, in place of maas."""
    return grp.getgrgid(os.getegid()).gr_name
