"""The workflows: linted, and their steps run from the files with the state in a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.plugins.harness import needed
from tests.workflows.runner import WORKFLOWS, Runner, runner_environment
from toolchain.cache import Cache
from toolchain.checkout import Checkout
from toolchain.commands import Commands
from toolchain.golang import go_on_path
from toolchain.python_packages import PythonPackages

PROJECT = Path(__file__).parents[2]
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"
GH = """#!/bin/sh
printf '%s\\n' "$*" >> "$(dirname "$0")/calls"
case "$*" in *--paginate*) cat "$(dirname "$0")/known" 2>/dev/null || true;; esac
"""


@pytest.fixture(scope="session")
def actionlint() -> Path:
    """Built once from its Go module."""
    cache = Cache.of_user(os.environ)
    go = go_on_path((1, 22)) or PythonPackages(Checkout.here(), cache, Commands()).go()

    def build(folder: Path) -> None:
        environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
        subprocess.run([go, "install", ACTIONLINT], env=environment, check=True, capture_output=True)

    with cache.locked():  # a setup of another lane would sweep it away
        return cache.make("actionlint", ACTIONLINT.rpartition("@v")[2], build) / "actionlint"


def test_actionlint_and_shellcheck_accept_every_workflow(actionlint: Path) -> None:
    files = sorted(str(path) for path in WORKFLOWS.glob("*.yml"))
    assert len(files) >= 4
    shellcheck = needed("shellcheck", "shellcheck")
    done = subprocess.run([actionlint, "-shellcheck", shellcheck, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_actionlint_and_shellcheck_would_complain(actionlint: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n"
        "      - run: echo ${{ github.nothing }}\n      - run: echo $1 `date`\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [actionlint, "-shellcheck", needed("shellcheck", "shellcheck"), str(bad)], capture_output=True, text=True
    )
    assert 'property "nothing" is not defined' in done.stdout
    assert "shellcheck" in done.stdout


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A checkout with all that a clone of this one has, set up before, and `gh` that writes down what it is told."""
    project = tmp_path / "project"
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, project / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(GH, encoding="utf-8")
    (tools / "gh").chmod(0o755)
    environment = runner_environment()
    environment["PATH"] = f"{tools}{os.pathsep}{environment['PATH']}"
    context = {"matrix.stack": "staging", "github.repository": "owner/name", "github.event.pull_request.number": "7"}
    return Runner(project, tmp_path / "runner", environment, context)


def calls(runner: Runner) -> list[str]:
    return (runner.project.parent / "tools" / "calls").read_text(encoding="utf-8").splitlines()


def test_a_pull_request_gets_one_comment_that_is_updated(runner: Runner) -> None:
    """Without secrets, as on a fork: the plan is that of an empty state."""
    runner.run("preview", "plan")
    text = (runner.folder / "plan.md").read_text(encoding="utf-8")
    assert text.startswith("<!-- maas-ha plan staging -->\n### staging: 7 hosts, ")
    assert (runner.folder / "summary.md").read_text(encoding="utf-8") == text
    assert [call.split()[2] for call in calls(runner) if "--method" in call] == ["POST"]
    (runner.project.parent / "tools" / "known").write_text("4711\n", encoding="utf-8")
    runner.run("preview", "plan")
    assert calls(runner)[-1].startswith("api --method PATCH repos/owner/name/issues/comments/4711 ")


def test_a_bad_stack_file_stops_before_the_engine(runner: Runner) -> None:
    path = runner.project / "Pulumi.staging.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("racks: [rack1,", "racks: [rack9,"), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"Stack file: exit 1(.|\n)*there is no host 'rack9'"):
        runner.run("preview", "plan")


def test_only_the_reviewed_plan_is_deployed(runner: Runner) -> None:
    state = runner.project.parent / "state"
    state.mkdir()
    runner.context = {
        "inputs.stack": "staging",
        "inputs.plan": "000000000000",
        "secrets.PULUMI_BACKEND_URL": f"file://{state}",
        "secrets.PULUMI_CONFIG_PASSPHRASE": "passphrase",
    }
    later = frozenset({"SSH agent", "Up", "Verify"})
    with pytest.raises(AssertionError, match="no stack named 'staging' found"):
        runner.run("deploy", "deploy", later)
    _pulumi(runner, "stack", "init", "staging")
    with pytest.raises(AssertionError, match=r"this plan is [0-9a-f]{12}; reviewed was 000000000000"):
        runner.run("deploy", "deploy", later)
    digest = runner.output[-1].rpartition("this plan is ")[2][:12]
    runner.context = {**runner.context, "inputs.plan": digest}
    runner.run("deploy", "deploy", later)
    assert f"digest {digest}" in runner.output[-1]


def _pulumi(runner: Runner, *arguments: str) -> None:
    added = dict(line.split("=", 1) for line in (runner.folder / "env").read_text(encoding="utf-8").splitlines())
    secrets = {name.partition(".")[2]: value for name, value in runner.context.items() if name.startswith("secrets.")}
    subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=runner.project,
        env={**runner.environment, **added, **secrets},
        check=True,
        capture_output=True,
    )


def test_the_key_goes_into_an_agent_and_nowhere_else(runner: Runner) -> None:
    key = runner.project.parent / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    runner.context = {"inputs.stack": "staging", "secrets.SSH_KEY": key.read_text(encoding="utf-8")}
    runner.folder.mkdir()
    pid = 0
    try:
        runner.run("deploy", "deploy", frozenset({"Toolchain", "Reviewed plan", "Up", "Verify"}))
        socket = {"SSH_AUTH_SOCK": str(runner.folder / "agent")}
        listed = subprocess.run(["ssh-add", "-l"], env={**os.environ, **socket}, capture_output=True, text=True)
        pid = _agent(runner.folder / "agent")
        assert "ED25519" in listed.stdout
        assert [path.name for path in runner.folder.iterdir() if path.is_file()] == ["env"]
    finally:
        if pid:
            os.kill(pid, 15)


def _agent(socket: Path) -> int:
    """The process that listens at `socket`."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # it ended while we looked
            if folder.name.isdigit() and str(socket).encode() in (folder / "cmdline").read_bytes():
                return int(folder.name)
    return 0


@pytest.mark.parametrize("name", ["preview", "deploy", "drift"])
def test_permissions_limits_and_concurrency(name: str) -> None:
    content = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8"))
    assert content["permissions"]["contents"] == "read"
    for job in content["jobs"].values():
        assert job["timeout-minutes"] <= 120
    by_stack = [job for job in content["jobs"].values() if "STACK" in job.get("env", {})]
    assert by_stack
    for job in by_stack:
        assert "stack" in job["concurrency"]["group"]


def test_the_preview_has_no_key_and_reaches_no_host() -> None:
    text = json.dumps(yaml.safe_load((WORKFLOWS / "preview.yml").read_text(encoding="utf-8")))
    assert "SSH" not in text
    assert "pulumi up" not in text
    assert "environment" not in yaml.safe_load((WORKFLOWS / "preview.yml").read_text(encoding="utf-8"))["jobs"]["plan"]
