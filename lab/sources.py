"""Where this machine gets its packages from: its own apt configuration, never a mirror of ours."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_APT = Path("/etc/apt")
_MACHINE_SETTINGS = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries", "Acquire::Force")


@dataclass(frozen=True)
class Source:
    """One (mirror, suite) that the machine uses."""

    uri: str
    suite: str
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    """Options of the one-line format, e.g. ("signed-by", "/usr/share/keyrings/….gpg")."""

    def line(self) -> str:
        options = " ".join(f"{key}={value}" for key, value in self.options)
        return f"deb {f'[{options}] ' if options else ''}{self.uri} {self.suite} {' '.join(self.components)}"


@dataclass(frozen=True)
class Release:
    """The machine's own distribution, with its mirrors."""

    distribution: str
    """ID of os-release(5): `debian`, `ubuntu`."""
    codename: str
    architecture: str
    """Debian's name for it: `amd64`, `arm64`."""
    sources: tuple[Source, ...]

    @property
    def main(self) -> Source:
        """The source of the release itself; of several, the mirror that serves most of its suites."""
        releases = [source for source in self.sources if source.suite == self.codename]
        return max(releases, key=lambda found: sum(source.uri == found.uri for source in self.sources))


def machine_release(root: Path = Path("/")) -> Release:
    """This machine's release and sources. Raises LabError unless it is Debian or Ubuntu and apt has a mirror."""
    described = platform.freedesktop_os_release()
    codename = described.get("VERSION_CODENAME", "")
    if described.get("ID") not in ("debian", "ubuntu") or not codename:
        raise LabError(f"the lab runs on Debian and Ubuntu; this is {described.get('PRETTY_NAME', 'something else')}")
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    sources = tuple(
        source for source in read_sources(root / "etc/apt") if source.suite in suites and "main" in source.components
    )
    if not any(source.suite == codename for source in sources):
        raise LabError(f"{_APT}/sources.list(.d) names no mirror for {codename} main; add one")
    found = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return Release(described["ID"], codename, found.stdout.strip(), sources)


def read_sources(apt: Path = _APT) -> list[Source]:
    """Every enabled `deb` source in sources.list and sources.list.d, in both formats (sources.list(5))."""
    sources: list[Source] = []
    single = apt / "sources.list"
    one_line = [single] if single.exists() else []
    for path in one_line + sorted((apt / "sources.list.d").glob("*.list")):
        for line in path.read_text().splitlines():
            sources += parse_line(line)
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        sources += parse_deb822(path.read_text())
    return sources


def parse_line(line: str) -> list[Source]:
    """`deb [options] URI SUITE COMPONENT…`; empty for comments, deb-src and flat repositories."""
    words = line.partition("#")[0].split()
    if not words or words[0] != "deb":
        return []
    rest = " ".join(words[1:])
    options: tuple[tuple[str, str], ...] = ()
    if rest.startswith("["):
        inside, _, rest = rest[1:].partition("]")
        pairs = (item.partition("=") for item in inside.split())
        options = tuple((key.lower(), value) for key, _, value in pairs)
    uri, *others = rest.split()
    if len(others) < 2:
        return []
    return [Source(found, others[0], tuple(others[1:]), options) for found in _mirrors(uri)]


def parse_deb822(text: str) -> list[Source]:
    """Stanzas of `Types: URIs: Suites: Components:`; disabled ones and those without `deb` are left out."""
    sources: list[Source] = []
    for stanza in _stanzas(text):
        if "deb" not in stanza.get("types", "").split() or stanza.get("enabled", "yes").lower() in ("no", "false"):
            continue
        options = [(key, stanza[key]) for key in ("signed-by", "trusted") if _is_path_or_word(stanza.get(key, ""))]
        for uri in stanza.get("uris", "").split():
            for suite in stanza.get("suites", "").split():
                components = tuple(stanza.get("components", "").split())
                sources += [Source(found, suite, components, tuple(options)) for found in _mirrors(uri)]
    return sources


def apt_settings() -> str:
    """The machine's proxy and freshness settings for apt, in apt.conf's own form (may hold a proxy's password)."""
    found = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True)
    lines = [line for line in found.stdout.splitlines() if line.startswith(_MACHINE_SETTINGS)]
    return "\n".join(lines) + "\n"


def proxy_environment() -> dict[str, str]:
    """The environment for tools that don't read apt's configuration: its proxies as http_proxy and https_proxy."""
    environment = dict(os.environ)
    for scheme in ("http", "https"):
        found = subprocess.run(
            ["apt-config", "shell", "PROXY", f"Acquire::{scheme}::Proxy"], capture_output=True, text=True, check=True
        )
        _, _, value = found.stdout.strip().partition("=")
        proxy = value.strip("'")
        if proxy and proxy != "DIRECT":
            environment.setdefault(f"{scheme}_proxy", proxy)
    return environment


def _mirrors(uri: str) -> list[str]:
    """The URI itself, or, for a `mirror+file:` list as cloud images have, the first mirror that it names."""
    if not uri.startswith("mirror+file:"):
        return [uri] if "://" in uri else []
    path = Path(uri.removeprefix("mirror+file:"))
    lines = path.read_text().splitlines() if path.exists() else []
    mirrors = [line.split()[0] for line in lines if line.split() and not line.startswith("#")]
    return mirrors[:1]


def _stanzas(text: str) -> list[dict[str, str]]:
    stanzas: list[dict[str, str]] = []
    current: dict[str, str] = {}
    key = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if current:
                stanzas.append(current)
            current, key = {}, ""
        elif line[0].isspace():
            current[key] = f"{current.get(key, '')}\n{line.strip()}"
        else:
            key, _, value = line.partition(":")
            key = key.strip().lower()
            current[key] = value.strip()
    return stanzas


def _is_path_or_word(value: str) -> bool:
    return bool(value) and "\n" not in value
