"""The rivals as far as they can be looked at without hosts."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from bench.contestants import MAKE
from bench.play import BUNDLE, DEPLOY, NOTHING, WHO, WORKERS
from bench.rivals.ansible import GROUPS, PLAYBOOK, REQUIREMENTS
from bench.rivals.room import FLOOR

PASSWORDS = ("database_password", "admin_password", "shared_secret", "api_key")


def test_shellcheck_accepts_the_floor() -> None:
    done = subprocess.run(["shellcheck", str(FLOOR)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_play_of_the_playbook_has_hosts_of_the_inventory() -> None:
    plays = yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8"))
    assert {play["hosts"].partition("[")[0] for play in plays} == {"all", *GROUPS}


def test_a_task_with_a_secret_logs_nothing() -> None:
    for play in yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8")):
        for task in play["tasks"]:
            arguments = str({key: value for key, value in task.items() if key not in ("register", "when")})
            if any(f"{{{{ {name}" in arguments for name in PASSWORDS) or "signed" in arguments:
                assert task.get("no_log"), task["name"]


def test_no_command_of_the_playbook_is_given_a_secret_as_an_argument() -> None:
    for play in yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8")):
        for task in play["tasks"]:
            command = task.get("ansible.builtin.command", "")
            words = command if isinstance(command, str) else command["cmd"]
            assert not any(f"{{{{ {name}" in words for name in PASSWORDS), task["name"]


def test_ansible_is_pinned_by_hash() -> None:
    text = REQUIREMENTS.read_text(encoding="utf-8")
    assert "ansible-core==" in text
    assert text.count("==") <= text.count("--hash=")


@pytest.mark.parametrize("what", [DEPLOY, NOTHING, WORKERS, BUNDLE])
def test_every_part_has_contestants_that_exist(what: str) -> None:
    assert set(WHO[what]) <= MAKE.keys()
