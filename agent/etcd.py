"""etcd's members and keys, by its own JSON interface."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from agent.cluster_settings import ETCD_CLIENT_PORT
from agent.mutual_tls import NoAnswerError, Peer, first_answer
from agent.paths import Paths


class Etcd:
    """A cluster of etcd, reached through whichever member answers."""

    def __init__(self, paths: Paths, folder: str, addresses: Iterable[str]) -> None:
        self._peers = [Peer(paths, folder, address, ETCD_CLIENT_PORT) for address in addresses]

    def ailment(self) -> str:
        """Why no member says that it works together with a majority, or ""."""
        reasons = []
        for peer in self._peers:
            try:
                answer = peer.call("GET", "/health")
                if answer.fields.get("health") == "true":
                    return ""
                reasons.append(f"{peer.address}: no majority")
            except NoAnswerError as error:
                reasons.append(error.cause)
        return "; ".join(reasons)

    def value(self, key: str) -> str:
        """The value of `key`, "" for none. Raises `NoAnswerError` if no member answers."""
        wanted = {"key": base64.b64encode(key.encode()).decode()}
        return _first_value(first_answer(self._peers, "POST", "/v3/kv/range", wanted).get("kvs"))


def _first_value(found: object) -> str:
    entry = found[0] if isinstance(found, list) and found else None
    return base64.b64decode(str(entry.get("value", ""))).decode(errors="replace") if isinstance(entry, dict) else ""
