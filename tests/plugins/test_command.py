"""What the command plugin does beyond the recorded contract, and better than the official one."""

from __future__ import annotations

import concurrent.futures
import socket
from pathlib import Path

import pytest

from tests.plugins.harness import COMMAND, CallError, Plugin, SshServer, failing, running, wait_until
from toolchain.plugins.stubs import provider_pb2
from toolchain.plugins.values import Properties, Secret, Unknown, Value

LINGER = "for i in $(seq 1200); do sleep 0.05; done"  # in short steps: a shell takes a signal between two commands


def command(server: SshServer, create: Value, **inputs: Value) -> Properties:
    return {"connection": Secret(server.connection()), "create": create, **inputs}


def test_another_resource_type_is_refused_by_name(command_plugin: Plugin) -> None:
    with pytest.raises(CallError, match="command:local:Command"):
        command_plugin.check("command:local:Command", {"create": "true"})


def test_a_resource_type_is_taken_from_the_urn_where_none_is_sent(command_plugin: Plugin) -> None:
    request = provider_pb2.DeleteRequest(urn="urn:pulumi:s::p::maas:Host$command:remote:CopyFile::r", id="x")
    with pytest.raises(CallError, match="command:remote:CopyFile"), failing():
        command_plugin.stub.Delete(request)


def test_unknown_inputs_are_refused_by_name(command_plugin: Plugin) -> None:
    inputs: Properties = {"connection": {"host": "h", "bogus": 1}, "creat": "true"}
    _, reasons = command_plugin.check(COMMAND, inputs)
    assert any("'creat'" in reason for reason in reasons)
    assert any("'bogus'" in reason for reason in reasons)


def test_an_unknown_secret_stays_an_unknown_secret(command_plugin: Plugin) -> None:
    checked, reasons = command_plugin.check(COMMAND, {"connection": {"host": "h"}, "stdin": Secret(Unknown())})
    assert reasons == []
    assert checked["stdin"] == Secret(Unknown())


def test_a_line_over_64_kib_is_logged_in_pieces(command_plugin: Plugin, server: SshServer) -> None:
    state = command_plugin.create(COMMAND, command(server, "head -c 200000 /dev/zero | tr '\\0' b; echo; echo end"))
    assert state["stdout"] == "b" * 200_000 + "\nend"
    assert "".join(command_plugin.engine.lines) == "b" * 200_000 + "end"
    assert command_plugin.engine.lines[-1] == "end"
    assert max(map(len, command_plugin.engine.lines)) == 65_536


def test_cancel_stops_the_call_and_the_remote_command(
    command_plugin: Plugin, server: SshServer, tmp_path: Path
) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    text = f"trap 'touch {ended}; exit 1' TERM; touch {begun}; {LINGER}"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        call = pool.submit(command_plugin.create, COMMAND, command(server, text))
        wait_until(begun.exists, "the command runs")
        command_plugin.cancel()
        with pytest.raises(CallError) as failed:
            call.result()
    assert failed.value.code == "CANCELLED"
    wait_until(ended.exists, "the command got SIGTERM")
    wait_until(lambda: server.connections() == 0, "the connection is closed")


@pytest.mark.parametrize("whose", ["custom timeout", "deadline of the caller"])
def test_a_timeout_stops_the_remote_command(
    command_plugin: Plugin, server: SshServer, tmp_path: Path, whose: str
) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    text = f"trap 'touch {ended}; exit 1' TERM; touch {begun}; {LINGER}"
    for seconds in (1, 4, 16):  # a busy machine may not even begin in a second
        custom, deadline = (seconds, 300) if whose == "custom timeout" else (0, seconds)
        with pytest.raises(CallError) as failed:
            command_plugin.create(COMMAND, command(server, text), custom_timeout=custom, deadline=deadline)
        assert failed.value.code == "DEADLINE_EXCEEDED"
        if begun.exists():
            break
    wait_until(ended.exists, "the command got SIGTERM")
    wait_until(lambda: server.connections() == 0, "the connection is closed")


def test_a_connection_is_closed_after_its_call(command_plugin: Plugin, server: SshServer) -> None:
    for _ in range(3):
        command_plugin.create(COMMAND, command(server, "true"))
    wait_until(lambda: server.connections() == 0, "the connections are closed")


def test_twenty_commands_run_at_once(command_plugin: Plugin, server: SshServer, tmp_path: Path) -> None:
    wanted = 20
    all_here = f"[ $(ls {tmp_path} | wc -l) -ge {wanted} ]"
    wait = f"for i in $(seq 600); do {all_here} && break; sleep 0.2; done"
    text = f"mktemp -p {tmp_path} >/dev/null; {wait}; {all_here} && cat"
    with concurrent.futures.ThreadPoolExecutor(wanted) as pool:
        calls = [
            pool.submit(command_plugin.create, COMMAND, command(server, text, stdin=f"input {number}"), deadline=300)
            for number in range(wanted)
        ]
        outputs = [call.result()["stdout"] for call in calls]
    assert outputs == [f"input {number}" for number in range(wanted)]


def test_a_host_that_accepts_and_is_silent_is_given_up(command_plugin: Plugin, server: SshServer) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        connection = server.connection(port=silent.getsockname()[1], perDialTimeout=1, dialErrorLimit=1)
        with pytest.raises(CallError, match="after 1 failed attempts: ssh: handshake failed: no login at"):
            command_plugin.create(COMMAND, {"connection": connection, "create": "true"})


def test_another_host_key_is_refused(command_plugin: Plugin, server: SshServer, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    connection = server.connection(hostKey=other, dialErrorLimit=1)
    with pytest.raises(CallError, match="ssh: host key mismatch"):
        command_plugin.create(COMMAND, {"connection": connection, "create": f"touch {marker}"})
    assert not marker.exists()


def test_a_known_hosts_line_pins_the_host_key(command_plugin: Plugin, server: SshServer) -> None:
    line = f"[127.0.0.1]:{server.port} {server.host_key} comment"
    inputs: Properties = {"connection": server.connection(hostKey=line), "create": "echo in"}
    assert command_plugin.create(COMMAND, inputs)["stdout"] == "in"


def test_an_empty_command_does_not_run_its_stdin(command_plugin: Plugin, server: SshServer, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    state = command_plugin.create(COMMAND, command(server, "", stdin=f"touch {marker}\n"))
    assert state["stdout"] == ""
    assert not marker.exists()


def test_a_secret_command_is_not_in_its_error(command_plugin: Plugin, server: SshServer) -> None:
    with pytest.raises(CallError) as failed:
        command_plugin.create(COMMAND, command(server, Secret("exit 5 # hunter2")))
    assert failed.value.text == 'Process exited with status 5: running "[secret]":\n'


def test_a_long_error_holds_the_end_of_the_output(command_plugin: Plugin, server: SshServer) -> None:
    text = "head -c 1500000 /dev/zero | tr '\\0' x; echo last; exit 1"
    with pytest.raises(CallError) as failed:
        command_plugin.create(COMMAND, command(server, text, logging="none"))
    assert failed.value.text.endswith("xlast\n")
    assert f"[{1_500_005 - 1024 * 1024} bytes left out]" in failed.value.text


def test_output_that_is_not_utf8_needs_an_engine_that_takes_it(server: SshServer) -> None:
    with running("command") as plugin, pytest.raises(CallError, match='"stdout" is a string that contains non-UTF8'):
        plugin.create(COMMAND, command(server, "printf '\\377'"))


def test_each_run_of_bad_bytes_is_one_replacement_character(command_plugin: Plugin, server: SshServer) -> None:
    state = command_plugin.create(COMMAND, command(server, "printf 'a\\377\\376b\\377\\n'"))
    assert state["stdout"] == b"a\xff\xfeb\xff"
    assert command_plugin.engine.lines == ["a\ufffdb\ufffd"]


def test_what_is_not_known_yet_is_named(command_plugin: Plugin, server: SshServer) -> None:
    with pytest.raises(CallError, match="the input 'stdin' is not known yet"):
        command_plugin.create(COMMAND, command(server, "cat", stdin=Secret(Unknown())))
