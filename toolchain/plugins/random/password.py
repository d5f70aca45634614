"""random:index/randomPassword:RandomPassword."""

from __future__ import annotations

import asyncio
import secrets
import string

from toolchain.plugins import schema
from toolchain.plugins.bridged import DiagnosticError
from toolchain.plugins.schema import Field, Kind
from toolchain.plugins.values import Properties, Unknown, Value

SPECIAL_CHARACTERS = "!@#$%&*()-_=+[]{}<>:?"
BCRYPT_COST = 10
BCRYPT_BYTES = 72  # bcrypt reads no more
SWITCHES = ("upper", "lower", "numeric", "special", "number")
# the official state's marker of its format: without it the official plugin would migrate the state
META: Properties = {"__meta": '{"schema_version":"3"}'}


class RandomPassword:
    """A secret random password and its bcrypt hash; the id is always "none"."""

    fields: tuple[Field, ...] = (
        Field("length", Kind.WHOLE, required=True, least=1),
        *(Field(name, Kind.SWITCH, default=True) for name in SWITCHES),
        *(Field(f"min{name.title()}", Kind.WHOLE, default=0, least=0) for name in SWITCHES[:4]),
        Field("overrideSpecial", Kind.TEXT),
        Field("keepers", Kind.OBJECT),
    )
    computed: tuple[str, ...] = ("id", "result", "bcryptHash")
    secrets: tuple[str, ...] = ("result", "bcryptHash")
    rebuilt: tuple[str, ...] = ()

    def check(self, resource: str, news: Properties) -> list[str]:
        plan = self.plan(news)
        if isinstance(plan.get("length"), Unknown) or any(isinstance(plan[n], Unknown) for n in _minimums()):
            return []
        length, needed = schema.whole(plan.get("length")), sum(schema.whole(plan[n]) for n in _minimums())
        if length >= needed:
            return []
        names = " + ".join(_minimums())
        return [
            f"Invalid Attribute Value. Attribute length value must be at least sum of {names}, got: {length}. "
            f"Examine values at '{resource}.length'."
        ]

    def plan(self, news: Properties) -> Properties:
        plan = schema.planned(self.fields, news)
        # `number` is the old name of `numeric`: whichever is set sets the other
        plan["number"] = plan["numeric"] = plan["numeric" if news.get("numeric") is not None else "number"]
        return plan

    def due(self, _olds: Properties, _plan: Properties) -> list[str]:
        return []

    async def create(self, plan: Properties) -> tuple[str, Properties]:
        return "none", await _state(plan, _password(plan))

    def update(self, olds: Properties, plan: Properties) -> Properties:
        return {**olds, **plan}

    def refreshed(self, olds: Properties) -> Properties:
        return olds

    async def imported(self, id_: str) -> tuple[str, Properties, Properties]:
        inputs: Properties = {"length": len(id_), **dict.fromkeys(SWITCHES, True)}
        return "none", await _state(self.plan(inputs), id_), inputs


def _minimums() -> list[str]:
    return [f"min{name.title()}" for name in SWITCHES[:4]]


async def _state(plan: Properties, password: str) -> Properties:
    hashed = await asyncio.to_thread(_bcrypt, password)
    return {**plan, "id": "none", "result": password, "bcryptHash": hashed, **META}


def _bcrypt(password: str) -> str:
    import bcrypt  # late: most previews need none

    return bcrypt.hashpw(password.encode()[:BCRYPT_BYTES], bcrypt.gensalt(BCRYPT_COST, prefix=b"2a")).decode()


def _password(plan: Properties) -> str:
    override: Value = plan.get("overrideSpecial")
    sets = {
        "upper": string.ascii_uppercase,
        "lower": string.ascii_lowercase,
        "numeric": string.digits,
        "special": override if isinstance(override, str) and override else SPECIAL_CHARACTERS,
    }
    allowed = "".join(characters for name, characters in sets.items() if plan[name] is True)
    wanted = {sets[name]: schema.whole(plan[f"min{name.title()}"]) for name in sets}
    length = schema.whole(plan["length"])
    if not allowed and length:
        raise DiagnosticError(
            "Random Read Error",
            "there was an error during random generation.\n\nOriginal Error: the character set specified is empty",
        )
    chosen = [secrets.choice(characters) for characters, least in wanted.items() for _ in range(least)]
    chosen += [secrets.choice(allowed) for _ in range(length - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)
