"""Files from the network: whole and as published, or not at all."""

import hashlib
import http.client
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final, cast

from toolchain.errors import ChecksumError, DownloadError
from toolchain.progress import Waiting

PATIENCE: Final = 3.0
"""Seconds that a server has to answer at all, name resolution included."""

SILENCE: Final = 30.0
"""Seconds without a byte after which a download is given up."""

TRIES: Final = 3
CHUNK: Final = 1 << 20


def reachable(url: str, patience: float = PATIENCE) -> bool:
    """Whether the server of this URL answers anything, within `patience` seconds."""
    answered = threading.Event()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - https, or a test's own server
            urllib.request.urlopen(request, timeout=patience).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, http.client.HTTPException):
            return
        answered.set()

    # A thread, because name resolution has no time limit of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience)
    return answered.is_set()


def fetch(url: str, target: Path, sha256: str | None = None, tries: int = TRIES) -> None:
    """Download a file; a half or altered one is removed and tried again.

    Raises:
        DownloadError: it did not come whole.
        ChecksumError: it came whole, but with another SHA-256.
        OSError: `target` cannot be written.
    """
    for left in reversed(range(tries)):
        try:
            _fetch_once(url, target, sha256)
        except (DownloadError, ChecksumError):
            target.unlink(missing_ok=True)
            if not left:
                raise
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        else:
            return


def _fetch_once(url: str, target: Path, sha256: str | None) -> None:
    name = url.rpartition("/")[2]
    total = hashlib.sha256()
    received = 0
    with target.open("wb") as file, Waiting(f"downloading {name}") as waiting, _open(url) as answer:
        expected = int(answer.headers.get("Content-Length") or -1)
        while chunk := _read(answer, url):
            file.write(chunk)
            total.update(chunk)
            received += len(chunk)
            waiting.detail(f"{received >> 20} MiB" + (f" of {expected >> 20}" if expected > 0 else ""))
    if expected not in (-1, received):
        raise DownloadError(f"{url}: cut off after {received} of {expected} bytes")
    if sha256 and total.hexdigest() != sha256:
        raise ChecksumError(f"{url}: SHA-256 is {total.hexdigest()}, published is {sha256}")


def _open(url: str) -> http.client.HTTPResponse:
    """The answer, of which the head has come."""
    try:
        return cast("http.client.HTTPResponse", urllib.request.urlopen(url, timeout=SILENCE))  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{url}: the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:  # urllib wraps what fails before the request is sent
        raise DownloadError(f"{url}: {getattr(error, 'reason', error)}") from error


def _read(answer: http.client.HTTPResponse, url: str) -> bytes:
    """The next piece; apart from writing, so that a full disk is not taken for a bad network."""
    try:
        return answer.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {error}") from error
