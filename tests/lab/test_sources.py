"""The machine's own package sources, in both of apt's formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.image import write_configuration
from lab.sources import Release, Source, machine_release, parse_deb822, parse_line, read_sources

MIRROR = "http://mirror.example/debian"

DEB822 = f"""\
# a comment
Types: deb deb-src
URIs: {MIRROR}
Suites: stable stable-updates
Components: main contrib
Signed-By: /usr/share/keyrings/some.gpg

Enabled: no
Types: deb
URIs: http://disabled.example/
Suites: stable
Components: main

Types: deb-src
URIs: http://source.example/
Suites: stable
Components: main

Types: deb
URIs: http://inline.example/
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
"""


def test_deb822_gives_a_source_for_each_suite() -> None:
    signed = (("signed-by", "/usr/share/keyrings/some.gpg"),)
    assert parse_deb822(DEB822) == [
        Source(MIRROR, "stable", ("main", "contrib"), signed),
        Source(MIRROR, "stable-updates", ("main", "contrib"), signed),
        Source("http://inline.example/", "stable", ("main",)),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"deb {MIRROR} stable main", [Source(MIRROR, "stable", ("main",))]),
        (
            f"deb [arch=amd64 Signed-By=/k.gpg] {MIRROR} stable main contrib # why",
            [Source(MIRROR, "stable", ("main", "contrib"), (("arch", "amd64"), ("signed-by", "/k.gpg")))],
        ),
        (f"# deb {MIRROR} stable main", []),
        (f"deb-src {MIRROR} stable main", []),
        (f"deb {MIRROR} ./", []),
        ("deb cdrom:[Debian] stable main", []),
        ("", []),
    ],
)
def test_one_line_format(line: str, expected: list[Source]) -> None:
    assert parse_line(line) == expected


def test_a_source_is_written_as_it_was_read() -> None:
    line = f"deb [signed-by=/k.gpg] {MIRROR} stable main contrib"
    assert [source.line() for source in parse_line(line)] == [line]


def test_a_mirror_list_is_followed_to_its_first_mirror(tmp_path: Path) -> None:
    mirrors = tmp_path / "mirrors.txt"
    mirrors.write_text(f"# cloud\n{MIRROR}\tpriority:1\nhttp://second.example/debian\n")
    assert parse_line(f"deb mirror+file:{mirrors} stable main") == [Source(MIRROR, "stable", ("main",))]


def test_both_formats_are_read_from_their_folders(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(f"deb {MIRROR} a main\n")
    (tmp_path / "sources.list.d/b.list").write_text(f"deb {MIRROR} b main\n")
    (tmp_path / "sources.list.d/c.sources").write_text(f"Types: deb\nURIs: {MIRROR}\nSuites: c\nComponents: main\n")
    (tmp_path / "sources.list.d/d.list.disabled").write_text(f"deb {MIRROR} d main\n")
    assert [source.suite for source in read_sources(tmp_path)] == ["a", "b", "c"]


def test_the_release_takes_only_its_own_suites_and_the_mirror_that_serves_most(tmp_path: Path) -> None:
    codename = machine_release().codename
    apt = tmp_path / "etc/apt"
    (apt / "sources.list.d").mkdir(parents=True)
    (apt / "sources.list").write_text(
        f"deb http://other.example/ {codename} main\n"
        f"deb http://vendor.example/ {codename} stable\n"
        f"deb http://vendor.example/ {codename}-vendor main\n"
        f"deb {MIRROR} {codename} main\n"
        f"deb {MIRROR} {codename}-updates main\n"
    )
    release = machine_release(tmp_path)
    assert release.main.uri == MIRROR
    assert {(source.uri, source.suite) for source in release.sources} == {
        ("http://other.example/", codename),
        (MIRROR, codename),
        (MIRROR, f"{codename}-updates"),
    }


def test_a_machine_without_a_mirror_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="names no mirror for"):
        machine_release(tmp_path)


def test_the_configuration_carries_the_keyrings_that_sources_name(tmp_path: Path) -> None:
    keyring = tmp_path / "vendor.gpg"
    keyring.write_bytes(b"key")
    source = Source(MIRROR, "stable", ("main",), (("signed-by", str(keyring)),))
    written = write_configuration(Release("debian", "stable", "amd64", (source,)), tmp_path / "configuration")
    assert (written / "sources.list").read_text() == f"deb [signed-by=/run/lab-apt/vendor.gpg] {MIRROR} stable main\n"
    assert (written / "vendor.gpg").read_bytes() == b"key"
    assert written.stat().st_mode & 0o777 == 0o700
