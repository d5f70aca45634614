"""`maas`: profiles, operations, exit codes (maas-facts §1.5, §5)."""

import json
import stat
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.standin.maas_standin import cli_api, cli_maas, cli_process
from lab.standin.maas_standin.cli_profiles import Profiles
from lab.standin.maas_standin.paths import Paths

KEY = "consumer:token:secret"
MAAS = "/MAAS/api/2.0/"
Maas = Callable[..., int]


def handler(name: str, path: str, *actions: tuple[str, str, str | None]) -> dict[str, object]:
    described = {
        "name": name,
        "path": path,
        # Behind a balancer this names a host that the client may not even reach.
        "uri": f"http://elsewhere.invalid{path}",
        "params": ["system_id"] if "{system_id}" in path else [],
        "actions": [{"name": a, "method": m, "op": op, "doc": f"{a}.\n\n100% of it."} for a, m, op in actions],
    }
    return {"name": name, "auth": described, "anon": None}


DESCRIPTION = {
    "doc": "MAAS API",
    "resources": [
        handler("RackControllersHandler", f"{MAAS}rackcontrollers/", ("read", "GET", None)),
        handler(
            "RackControllerHandler",
            MAAS + "rackcontrollers/{system_id}/",
            ("delete", "DELETE", None),
            ("read", "GET", None),
        ),
        handler("MaasHandler", f"{MAAS}maas/", ("set_config", "POST", "set_config")),
        handler("IPRangesHandler", f"{MAAS}ipranges/", ("create", "POST", None)),
    ],
}


@dataclass
class Api:
    """A server that answers as told, and remembers what it was asked."""

    answers: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Method, path with query, body, Authorization."""
    url: str = ""

    def answer(self, target: str) -> tuple[int, str, str]:
        path = urllib.parse.urlsplit(target).path
        return self.answers.get(path, (200, "application/json", "[]"))


@pytest.fixture
def api() -> Iterator[Api]:
    """On a free port of the loopback interface."""
    api = Api({f"{MAAS}describe/": (200, "application/json", json.dumps(DESCRIPTION))})

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            api.asked.append((self.command, self.path, body, self.headers.get("Authorization", "")))
            status, content_type, text = api.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}/MAAS"
    yield api
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the profiles are kept."""
    return tmp_path / ".maascli.db"


@pytest.fixture
def maas(database: Path, paths: Paths) -> Maas:
    """The command of a user with a temporary home."""
    return lambda *argv: cli_process.reported(lambda: cli_maas.run(argv, Profiles(database), paths, lambda c: c()))


def test_login_keeps_a_private_profile_and_again_replaces_it(
    maas: Maas, api: Api, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert maas("login", "admin", api.url, KEY) == 0
    assert maas("login", "admin", f"{api.url}/api/2.0/", "other:token:secret") == 0
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    capsys.readouterr()
    assert maas("list") == 0
    assert capsys.readouterr().out == f"admin {api.url}/api/2.0/ other:token:secret\n"
    assert maas("logout", "admin") == 0
    assert maas("list") == 0
    assert capsys.readouterr().out == ""


def test_login_takes_the_key_from_stdin(maas: Maas, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.readline", lambda: f"{KEY}\n", raising=False)
    assert maas("login", "admin", api.url, "-") == 0
    assert 'oauth_token="token"' in api.asked[0][3]


def test_a_rejected_key(maas: Maas, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers[f"{MAAS}users/"] = (401, "text/plain", "Authorization Error: Invalid API key.")
    assert maas("login", "admin", api.url, KEY) == 1
    assert capsys.readouterr().err == "The MAAS server rejected your API key.\n"


def test_a_host_that_is_not_there_is_exit_2(maas: Maas) -> None:
    assert maas("login", "admin", "http://127.0.0.1:9/MAAS", KEY) == 2


def test_reading_prints_json_and_signs(maas: Maas, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers[f"{MAAS}rackcontrollers/"] = (200, "application/json; charset=utf-8", '[{"system_id":"abc123"}]')
    assert maas("login", "admin", api.url, KEY) == 0
    capsys.readouterr()
    assert maas("admin", "rack-controllers", "read", "hostname=rack1") == 0
    assert json.loads(capsys.readouterr().out) == [{"system_id": "abc123"}]
    method, target, body, signed = api.asked[-1]
    assert (method, target, body) == ("GET", f"{MAAS}rackcontrollers/?hostname=rack1", "")
    assert 'oauth_signature="%26secret"' in signed
    assert 'oauth_signature_method="PLAINTEXT"' in signed


def test_arguments_of_a_delete_are_in_the_query(maas: Maas, api: Api) -> None:
    api.answers[f"{MAAS}rackcontrollers/abc123/"] = (204, "text/plain", "")
    assert maas("login", "admin", api.url, KEY) == 0
    assert maas("admin", "rack-controller", "delete", "abc123", "force=true") == 0
    assert api.asked[-1][:3] == ("DELETE", f"{MAAS}rackcontrollers/abc123/?force=true", "")


def test_operations_are_named_in_the_query_and_data_in_the_body(maas: Maas, api: Api) -> None:
    assert maas("login", "admin", api.url, KEY) == 0
    assert maas("admin", "maas", "set-config", "name=upstream_dns", "value=198.51.100.1 198.51.100.2") == 0
    method, target, body, _ = api.asked[-1]
    assert (method, target) == ("POST", f"{MAAS}maas/?op=set_config")
    assert urllib.parse.parse_qs(body) == {"name": ["upstream_dns"], "value": ["198.51.100.1 198.51.100.2"]}


def test_a_failing_call_prints_the_body_and_is_exit_2(maas: Maas, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    refusal = '{"start_ip":["Requested dynamic range conflicts with an existing IP address or range."]}'
    api.answers[f"{MAAS}ipranges/"] = (400, "application/json", refusal)
    assert maas("login", "admin", api.url, KEY) == 0
    capsys.readouterr()
    assert maas("admin", "ipranges", "create", "type=dynamic") == 2
    assert capsys.readouterr().out == f"{refusal}\n"


@pytest.mark.parametrize(
    "argv",
    [
        ("nobody", "rack-controllers", "read"),
        ("admin", "no-such-handler", "read"),
        ("admin", "rack-controllers", "no-such-operation"),
        ("admin", "rack-controllers", "read", "not a pair"),
        ("init", "region", "--maas-url", "http://one/MAAS"),
    ],
)
def test_what_it_does_not_know_is_exit_2(maas: Maas, api: Api, argv: tuple[str, ...]) -> None:
    assert maas("login", "admin", api.url, KEY) == 0
    with pytest.raises(SystemExit) as caught:
        maas(*argv)
    assert caught.value.code == 2


def test_a_malformed_key_is_refused(maas: Maas, api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert maas("login", "admin", api.url, "not-a-key") == 1
    assert api.asked == []


def test_nonces_are_never_used_twice() -> None:
    assert cli_api.authorization(KEY) != cli_api.authorization(KEY)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("RackControllersHandler", "rack-controllers"),
        ("RegionControllerHandler", "region-controller"),
        ("VlanHandler", "vlan"),
        ("IPRangesHandler", "ipranges"),
        ("SSHKeysHandler", "sshkeys"),
        ("MaasHandler", "maas"),
    ],
)
def test_names_of_handlers(name: str, command: str) -> None:
    assert cli_api.handler_command(name) == command
