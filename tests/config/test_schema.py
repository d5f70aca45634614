"""The JSON schema that editors check stack files with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import jsonschema
import pytest
import yaml

from config import schema

PROJECT = Path(__file__).parents[2]
STACK_FILES = sorted(PROJECT.glob("Pulumi.*.yaml"))

Content = dict[str, dict[str, dict[str, dict[str, dict[str, object]]]]]


@pytest.fixture(scope="module")
def validator() -> jsonschema.protocols.Validator:
    return jsonschema.Draft202012Validator(json.loads(schema.PATH.read_text(encoding="utf-8")))


def test_the_schema_is_that_of_the_models() -> None:
    assert schema.PATH.read_text(encoding="utf-8") == schema.build(), "stale: run `python -m config.schema`"


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_a_stack_file_names_the_schema_and_keeps_to_it(path: Path, validator: jsonschema.protocols.Validator) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=config/topology.schema.json\n")
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


def test_a_misspelt_field_and_a_wrong_value_are_seen(validator: jsonschema.protocols.Validator) -> None:
    content = cast("Content", yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text(encoding="utf-8")))
    cluster = content["config"]["maas-ha:cluster"]
    cluster["regoins"] = cluster["regions"]
    cluster["regions"]["region1"]["workers"] = 11
    complaints = "\n".join(error.message for error in validator.iter_errors(json.loads(json.dumps(content))))
    assert "'regoins' was unexpected" in complaints
    assert "11 is greater than the maximum of 10" in complaints
