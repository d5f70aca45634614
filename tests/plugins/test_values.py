"""Property values survive their encoding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolchain.plugins.values import (
    ASSET,
    OUTPUT,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_TEXT,
    Secret,
    Special,
    Value,
    decode,
    encode,
    has_unknown,
    plain,
)

KEYS = st.text(max_size=5).filter(lambda key: key != SIGNATURE)
TEXTS = st.text(max_size=20).filter(lambda text: text != UNKNOWN_TEXT)
NOT_TEXT = st.binary(min_size=1, max_size=10)
LEAVES = st.none() | st.booleans() | st.floats(allow_nan=False) | TEXTS | NOT_TEXT | st.just(UNKNOWN)
VALUES: st.SearchStrategy[Value] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.builds(Secret, inner)
        | st.builds(Special, st.just(ASSET), st.dictionaries(KEYS, inner, max_size=2))
    ),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_encoded_is_decoded_to_the_same(properties: dict[str, Value]) -> None:
    assert decode(encode(properties)) == properties


def test_an_output_value_becomes_what_it_stands_for() -> None:
    known: Value = {SIGNATURE: OUTPUT, "value": "v", "secret": True, "dependencies": ["urn"]}
    unknown: Value = {SIGNATURE: OUTPUT, "secret": True}
    assert decode(encode({"a": known, "b": unknown})) == {"a": Secret("v"), "b": Secret(UNKNOWN)}


def test_secrets_are_taken_off_and_unknowns_found_at_any_depth() -> None:
    value: Value = {"a": [Secret({"b": Secret("x")})], "c": Secret([UNKNOWN])}
    assert plain(value) == {"a": [{"b": "x"}], "c": [UNKNOWN]}
    assert has_unknown(value)
    assert not has_unknown({"a": Secret(["x"])})
