"""A stack's outputs, from the engine."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.maas_api import MaasApi
from config.stack_file import Cluster
from config.urls import region_urls
from ops.engine import EngineError, pulumi


class Outputs(BaseModel):
    """What the program exports; see `__main__.py`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    api_url: str
    api_key: str
    ca_certificate: str
    database_endpoint: str
    regions: dict[str, str]
    """Host name → system_id."""
    racks: dict[str, str]


def read_outputs(stack: str, project: Path) -> Outputs:
    """The outputs of the last `pulumi up`. Raises `EngineError`."""
    try:
        return Outputs.model_validate_json(pulumi(stack, project, "stack", "output", "--json", "--show-secrets"))
    except ValidationError as error:
        missing = ", ".join(str(detail["loc"][0]) for detail in error.errors(include_input=False))
        raise EngineError(f"stack {stack} is not up yet (no {missing}): run `pulumi up --stack {stack}`") from None


def api_of(cluster: Cluster, outputs: Outputs) -> MaasApi:
    """MAAS behind the balanced address, and behind each region's own where that is down."""
    regions = region_urls(cluster.topology, cluster.topology.maas.tls_port)
    return MaasApi([outputs.api_url, *regions], outputs.api_key, outputs.ca_certificate)
