"""The package's schema, by which engines and editors know the arguments; it is made from the models that check them."""

from __future__ import annotations

import json
from typing import cast

from components.maas_cluster import TYPE, MaasCluster
from config.cluster_args import ClusterArgs

PACKAGE = TYPE.partition(":")[0]
PASSWORD_INPUT = "database_password"  # noqa: S105 - a name

Node = dict[str, object]
"""Of a JSON schema, or of a Pulumi schema."""

TEXT: Node = {"type": "string"}
SECRET: Node = {**TEXT, "secret": True}
IDS: Node = {"type": "object", "additionalProperties": TEXT, "description": "Host name → system_id"}
OUTPUTS: dict[str, Node] = {
    "api_url": {**TEXT, "description": "The balanced address, with /MAAS"},
    "admin_username": TEXT,
    "admin_password": SECRET,
    "api_key": {**SECRET, "description": "The administrator's, CONSUMER:TYPE:SECRET"},
    "ca_certificate": {**TEXT, "description": "Of the cluster's authority, PEM"},
    "database_endpoint": {**TEXT, "description": "HOST:PORT"},
    "regions": IDS,
    "racks": IDS,
}
"""As `components.outputs.Outputs` has them."""


def build(version: str) -> str:
    """The schema as JSON."""
    model = ClusterArgs.model_json_schema(ref_template="{model}")
    inputs = _properties(model)
    inputs[PASSWORD_INPUT] = {
        **SECRET,
        "description": "Of the role in an external database, which the program doesn't make",
    }
    resource = {
        "isComponent": True,
        "description": MaasCluster.__doc__,
        "inputProperties": inputs,
        "requiredInputs": model["required"],
        "properties": OUTPUTS,
        "required": list(OUTPUTS),
    }
    types = {f"{PACKAGE}:index:{name}": _object(node) for name, node in model["$defs"].items()}
    return json.dumps(
        {"name": PACKAGE, "version": version, "types": types, "resources": {TYPE: resource}, "language": {}}
    )


def _object(node: Node) -> Node:
    described = {"description": node.get("description", "")}
    return {
        "type": "object",
        **described,
        "properties": _properties(node),
        "required": node.get("required", []),
    }


def _properties(node: Node) -> dict[str, Node]:
    return {name: _property(each) for name, each in cast("dict[str, Node]", node["properties"]).items()}


def _property(node: Node) -> Node:
    choice = f"One of {', '.join(map(str, cast('list[object]', node['enum'])))}" if "enum" in node else ""
    description = ". ".join(filter(None, (str(node.get("description", "")), choice)))
    return {**_type(node), **({"description": description} if description else {})}


def _type(node: Node) -> Node:
    """The Pulumi type of a JSON schema's node; what a text must look like is checked by the models alone."""
    if "$ref" in node:
        return {"type": "object", "$ref": f"#/types/{PACKAGE}:index:{node['$ref']}"}
    either = cast("list[Node]", node.get("oneOf") or node.get("anyOf") or [])
    if either:
        kinds = [_type(each) for each in either if each.get("type") != "null"]
        different = [kind for index, kind in enumerate(kinds) if kind not in kinds[:index]]
        return different[0] if len(different) == 1 else {"oneOf": different}
    if node["type"] == "array":
        return {"type": "array", "items": _type(cast("Node", node["items"]))}
    if node["type"] == "object":
        (values,) = cast("dict[str, Node]", node["patternProperties"]).values()
        return {"type": "object", "additionalProperties": _type(values)}
    return {"type": node["type"]}
