"""`python -m config.schema` writes config/topology.schema.json: what editors and CI know of `Pulumi.<stack>.yaml`."""

from __future__ import annotations

import json
from pathlib import Path

from config.database_password import PATH as PASSWORD_PATH
from config.topology import StackFile

PASSWORD = {
    "type": "object",
    "description": "Password of the role in an external database, as `pulumi config set --secret` writes it",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}

PATH = Path(__file__).with_name("topology.schema.json")


def build() -> str:
    """The JSON schema (draft 2020-12) of a whole stack file, as text."""
    cluster = StackFile.model_json_schema(ref_template="#/$defs/{model}")
    definitions = cluster.pop("$defs")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A maas-ha stack file",
        "description": "Pulumi.<stack>.yaml; the engine's own keys beside `config` are allowed",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {"maas-ha:cluster": cluster, PASSWORD_PATH: PASSWORD},
                "required": ["maas-ha:cluster"],
            }
        },
        "required": ["config"],
        "$defs": definitions,
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(build(), encoding="utf-8")
