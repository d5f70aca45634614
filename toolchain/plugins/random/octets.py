"""random:index/randomBytes:RandomBytes."""

from __future__ import annotations

import base64
import binascii
import secrets

from toolchain.plugins import schema
from toolchain.plugins.protocol import PluginError
from toolchain.plugins.schema import Field, Kind
from toolchain.plugins.values import Properties


class RandomBytes:
    """Secret random bytes; the id is their base64 form, as the official plugin has it."""

    fields: tuple[Field, ...] = (Field("length", Kind.WHOLE, required=True, least=1), Field("keepers", Kind.OBJECT))
    computed: tuple[str, ...] = ("base64", "hex")
    secrets: tuple[str, ...] = ("base64", "hex")
    rebuilt: tuple[str, ...] = ()

    def check(self, _resource: str, _news: Properties) -> list[str]:
        return []

    def plan(self, news: Properties) -> Properties:
        return schema.planned(self.fields, news)

    def due(self, _olds: Properties, _plan: Properties) -> list[str]:
        return []

    async def create(self, plan: Properties) -> tuple[str, Properties]:
        return self._state(plan, secrets.token_bytes(schema.whole(plan["length"])))

    def update(self, olds: Properties, plan: Properties) -> Properties:
        return {**olds, **plan}

    def refreshed(self, olds: Properties) -> Properties:
        return olds

    async def imported(self, id_: str) -> tuple[str, Properties, Properties]:
        try:
            data = base64.b64decode(id_, validate=True)
        except binascii.Error:
            raise PluginError("RandomBytes is imported by its bytes in base64; the given id is no base64") from None
        inputs: Properties = {"length": len(data)}
        return *self._state(inputs, data), inputs

    @staticmethod
    def _state(plan: Properties, data: bytes) -> tuple[str, Properties]:
        text = base64.b64encode(data).decode()
        return text, {**plan, "base64": text, "hex": data.hex()}
