"""The policy pack: `pulumi up --policy-pack policy`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

sys.path.insert(0, str(Path(__file__).parents[1]))  # the engine starts a pack in its own folder

from policy.predicates import COMMAND, PREDICATES, Command, Predicate


def plain(value: object) -> object:
    """`value` as ordinary dicts and lists: the pack's own wrappers refuse to say what a preview doesn't know yet."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value


class _Inputs(Mapping[str, object]):
    """The inputs of a resource; one that is asked for and still unknown ends the policy's run with a notice."""

    def __init__(self, props: Mapping[str, object]) -> None:
        self._props = props

    def __getitem__(self, key: str) -> object:
        return plain(self._props[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._props)

    def __len__(self) -> int:
        return len(self._props)


def policy(name: str, predicate: Predicate) -> ResourceValidationPolicy:
    """`predicate` as a policy that stops an update."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type != COMMAND:
            return
        limits = args.opts.custom_timeouts
        timeouts = (limits.create_seconds, limits.update_seconds, limits.delete_seconds)
        for problem in predicate(Command(_Inputs(args.props), timeouts)):
            report(problem, None)

    description = (predicate.__doc__ or "").strip().splitlines()[0]
    return ResourceValidationPolicy(name, description, validate=validate, enforcement_level=EnforcementLevel.MANDATORY)


PolicyPack("maas-ha", [policy(name, predicate) for name, predicate in PREDICATES.items()], EnforcementLevel.MANDATORY)
