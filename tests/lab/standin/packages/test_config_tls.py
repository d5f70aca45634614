"""`maas config-tls` (maas-facts §8)."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.standin.maas_standin import cli_maas, cli_tls, db
from lab.standin.maas_standin.cli_profiles import Profiles
from lab.standin.maas_standin.paths import Paths
from tests.authority import Authority, ec_key, key_pem, rsa_key

ROOT = Path(__file__).parents[4]


def run(paths: Paths, *arguments: str) -> int:
    return cli_maas.run(
        ["config-tls", *arguments], Profiles(paths.state / "profiles"), paths, lambda command: command()
    )


def pair(folder: Path, key: str, certificate: str) -> tuple[str, str]:
    """The two as files."""
    (folder / "key.pem").write_text(key)
    (folder / "cert.pem").write_text(certificate)
    return str(folder / "key.pem"), str(folder / "cert.pem")


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("nothing is to be stored")

    monkeypatch.setattr(db, "connect", connect)


def test_key_and_certificate_that_belong_together() -> None:
    authority, key = Authority(), rsa_key()
    cli_tls.check(key_pem(key), authority.certificate(key, "region1"))


def test_refused_pairs() -> None:
    authority, key, curve = Authority(), rsa_key(), ec_key()
    certificate = authority.certificate(key, "region1")
    with pytest.raises(cli_tls.CertificateError, match=r"^Private and public keys don't match$"):
        cli_tls.check(key_pem(rsa_key()), certificate)
    with pytest.raises(cli_tls.CertificateError, match=r"^Invalid PEM material$"):
        cli_tls.check("nonsense", certificate)
    with pytest.raises(cli_tls.CertificateError, match=r"^Invalid PEM material$"):
        cli_tls.check(key_pem(key), "nonsense")
    with pytest.raises(cli_tls.CertificateError, match=r"^only RSA keys are supported$"):
        cli_tls.check(key_pem(curve), authority.certificate(curve, "region1"))


@pytest.mark.usefixtures("no_database")
def test_a_refusal_is_one_line_and_exit_code_1(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    key = rsa_key()
    files = pair(paths.root, key_pem(rsa_key()), Authority().certificate(key, "region1"))
    assert run(paths, "enable", *files, "--yes") == 1
    assert capsys.readouterr().err == "CertificateError: Private and public keys don't match\n"


@pytest.mark.usefixtures("no_database")
def test_a_file_that_cannot_be_read_is_a_usage_error(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(paths, "enable", "/nonexistent/key.pem", "/nonexistent/cert.pem", "--yes")
    assert ended.value.code == 2
    assert "can't open '/nonexistent/key.pem'" in capsys.readouterr().err


@pytest.mark.usefixtures("no_database")
def test_no_is_no(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rsa_key()
    files = pair(paths.root, key_pem(key), Authority().certificate(key, "region1"))
    answers = iter(["", "what", "n"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    assert run(paths, "enable", *files) == 0


def test_the_prompt_spins_at_the_end_of_the_input(paths: Paths) -> None:
    """§8: without `--yes`."""
    key = rsa_key()
    files = pair(paths.root, key_pem(key), Authority().certificate(key, "region1"))
    program = "import sys; from tests.lab.standin.packages.test_config_tls import Paths, Path, run; "
    program += "run(Paths(Path(sys.argv[1])), 'enable', *sys.argv[2:])"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(paths.root), *files],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout
    try:
        assert process.stdout.read(4000).count(b"proceed? (y/n)") > 5
    finally:
        process.kill()
        process.communicate()
