"""Other programs: what is shown of them, and that none is left."""

import os
import select
import threading
from pathlib import Path

import pytest

from toolchain.commands import Commands, advice, cause
from toolchain.errors import InterruptedWorkError, ToolchainError
from toolchain.progress import Waiting, duration
from toolchain.python_packages import trusting

PIP = [
    "WARNING: Retrying after connection broken by 'SSLError(certificate verify failed)': /simple/uv/",
    "ERROR: Could not find a version that satisfies the requirement uv",
    "ERROR: No matching distribution found for uv",
]


def test_output_comes_back() -> None:
    assert Commands().run(["sh", "-c", "echo one; echo two >&2"], doing="x", remedy="y") == "one\ntwo"


def test_failure_names_work_cause_and_remedy() -> None:
    with pytest.raises(ToolchainError, match=r"^making it: broken; mend it$"):
        Commands().run(
            ["sh", "-c", "echo starting; echo error: broken; echo bye; exit 3"], doing="making it", remedy="mend it"
        )


def test_silent_failure_has_its_status() -> None:
    with pytest.raises(ToolchainError, match="exit status 3"):
        Commands().run(["sh", "-c", "exit 3"], doing="x", remedy="y")


def test_missing_program_is_named() -> None:
    with pytest.raises(ToolchainError, match="cannot start /no/such: No such file"):
        Commands().run(["/no/such"], doing="x", remedy="y")


def test_cause_is_the_network_rather_than_what_came_of_it() -> None:
    assert cause(PIP, 1) == "'SSLError(certificate verify failed)': /simple/uv/"


def test_cause_is_the_full_disk_before_all_else() -> None:
    lines = ["write x: no space left on device", "error: build failed"]
    assert cause(lines, 1) == "write x: no space left on device"
    assert advice(lines, "other") == "free some disk space and run it again"


def test_stop_ends_what_a_program_started(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    commands = Commands()
    seen: list[BaseException] = []

    def work() -> None:
        try:
            commands.run(["sh", "-c", f"sh -c 'echo $$ > {begun}; sleep 600'"], doing="x", remedy="y")
        except ToolchainError as error:
            seen.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    grandchild = os.pidfd_open(int(begun.read_text()))
    ended = select.poll()
    ended.register(grandchild, select.POLLIN)
    commands.stop()
    thread.join(30)
    assert isinstance(seen[0], InterruptedWorkError)
    # Its output closes a moment before it is gone: a pidfd can be read once it is.
    assert ended.poll(30_000)
    os.close(grandchild)
    with pytest.raises(InterruptedWorkError):
        commands.run(["true"], doing="x", remedy="y")


def test_long_work_is_named_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    said = threading.Event()
    with Waiting("long work", first=0.01, every=0.01) as waiting:
        waiting.detail("3 of 5")
        for _ in range(1000):
            if "3 of 5" in capsys.readouterr().err:
                said.set()
                break
            said.wait(0.01)
    assert said.is_set()
    assert "long work: done in" in capsys.readouterr().err


def test_short_work_is_not_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    with Waiting("short work", first=60):
        pass
    assert capsys.readouterr().err == ""


def test_duration() -> None:
    assert [duration(seconds) for seconds in (0.4, 59, 65)] == ["0 s", "59 s", "1 min 05 s"]


def test_machine_certificates_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.delenv("PIP_CERT", raising=False)
    assert trusting()["PIP_CERT"] == str(bundle)
    monkeypatch.setenv("PIP_CERT", "/own")
    assert trusting()["PIP_CERT"] == "/own"
