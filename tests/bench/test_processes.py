"""A command's time, memory and processor time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.processes import CommandError, run, shares, tree

HUNGRY = """
import subprocess, sys
held = bytearray(50_000_000)
subprocess.run([sys.executable, "-c", "import time; held = bytearray(50_000_000); time.sleep(1.5)"], check=True)
"""


def test_memory_is_that_of_all_processes(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", HUNGRY], tmp_path, os.environ, look_at_memory=True)
    assert done.memory.all > 100_000_000
    assert 50_000_000 < done.memory.biggest < 100_000_000
    assert sum(done.memory.processor.values()) > 0


def test_lines_come_with_their_times(tmp_path: Path) -> None:
    done = run(["sh", "-c", "cat; echo end >&2"], tmp_path, os.environ, stdin="given\n")
    assert done.output == "given\nend"
    assert [line for _, line in done.lines] == ["given", "end"]
    assert 0 <= done.lines[0][0] <= done.lines[1][0] <= done.seconds


def test_a_failure_is_told_with_what_was_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"(?s)exit 3.*the reason"):
        run(["sh", "-c", "echo the reason; exit 3"], tmp_path, os.environ)


def test_a_tree_begins_at_its_root() -> None:
    assert next(tree(os.getpid())) == os.getpid()


def test_processor_time_belongs_to_a_part() -> None:
    used = {
        "pulumi up": 1.0,
        "python pulumi-language-python-exec": 2.0,
        "pulumi-language-python": 0.5,
        "python3 pulumi-resource-tls": 3.0,
        "python pip list": 0.25,
        "": 9.0,
    }
    assert shares(used) == {
        "the list of Python packages": 0.25,
        "the program": 2.5,
        "plugins": 3.0,
        "the engine": 1.0,
    }
