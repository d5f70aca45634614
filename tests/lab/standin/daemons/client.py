"""A client of the HTTP API that signs with OAuth PLAINTEXT, and can be told to do it wrongly."""

import http.client
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    text: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the API says
        """The document."""
        return json.loads(self.text)


class Client:
    """Of one region, with one key; without a key anonymous."""

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._base = parts.hostname or "", parts.port or 80, parts.path
        self.key = key

    def get(self, path: str, **signing: object) -> Answer:
        """GET below /MAAS/api/2.0/."""
        return self.request("GET", path, None, **signing)

    def put(self, path: str, **form: object) -> Answer:
        """PUT a form."""
        return self.request("PUT", path, form)

    def post(self, path: str, **form: object) -> Answer:
        """POST a form."""
        return self.request("POST", path, form)

    def delete(self, path: str) -> Answer:
        """DELETE."""
        return self.request("DELETE", path, None)

    def request(self, method: str, path: str, form: dict[str, object] | None, **signing: object) -> Answer:
        """Any request; `signing` overrides the nonce or the timestamp."""
        headers = {} if self.key is None else {"Authorization": sign(self.key, **signing)}
        body = None
        if form is not None:
            body = urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.raw(method, f"{self._base}/api/2.0/{path}", headers, body)

    def rpc(self) -> Answer:
        """GET /MAAS/rpc/."""
        return self.raw("GET", f"{self._base}/rpc/", {}, None)

    def raw(self, method: str, path: str, headers: dict[str, str], body: str | None) -> Answer:
        """Any path; status 0 if nobody listens."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, str(error))
        finally:
            connection.close()

    def loops(self) -> dict[str, list[list[object]]]:
        """The event loops listed, or none."""
        answer = self.rpc()
        return answer.json["eventloops"] if answer.status == 200 else {}

    def racks(self) -> dict[str, Any]:
        """Rack controllers by hostname."""
        return {rack["hostname"]: rack for rack in self.get("rackcontrollers/").json}

    def service(self, rack: str, name: str = "rackd") -> tuple[str, str] | None:
        """status and status_info of a rack's service; None without that rack."""
        for entry in self.racks().get(rack, {"service_set": []})["service_set"]:
            if entry["name"] == name:
                return entry["status"], entry["status_info"]
        return None


def sign(key: str, nonce: object = None, timestamp: object = None, secret: object = None) -> str:
    """The Authorization header for a key (maas-facts §5)."""
    consumer, token, own_secret = key.split(":")
    fields = {
        "oauth_version": "1.0",
        "oauth_signature_method": "PLAINTEXT",
        "oauth_consumer_key": consumer,
        "oauth_token": token,
        "oauth_signature": f"%26{secret or own_secret}",
        "oauth_nonce": str(nonce or uuid.uuid4()),
        "oauth_timestamp": str(timestamp or int(time.time())),
    }
    return "OAuth " + ", ".join(f'{name}="{value}"' for name, value in fields.items())
