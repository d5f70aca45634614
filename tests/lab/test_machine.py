"""What a machine must allow before hosts boot on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import machine


@pytest.mark.parametrize(("before", "after"), [("128", "1024\n"), ("4096", "4096")])
def test_a_small_limit_of_inotify_instances_is_raised(
    before: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text(before)
    monkeypatch.setattr(machine, "INOTIFY", limit)
    machine.allow_watches()
    assert limit.read_text() == after


def test_a_limit_that_cannot_be_raised_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "INOTIFY", tmp_path / "missing")
    machine.allow_watches()
    assert "fs.inotify.max_user_instances stays small" in capsys.readouterr().err
