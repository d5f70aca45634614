"""The Pulumi program: load the stack file, build the cluster, export what others need."""

from __future__ import annotations

import asyncio
import gc
import importlib
import signal
from pathlib import Path

import pulumi

# What a program makes lives to its end: with hundreds of hosts, looking for garbage among it took half of its time.
gc.disable()

from components.cluster_secrets import ClusterSecrets
from config import rules
from config.finding import StackFileError
from config.load import load

# For every resource the SDK sends the engine several messages that only `--debug` shows, and waits for each answer.
pulumi.log.debug = lambda *_, **__: None

# Ctrl-C: the engine says what became of each resource; Python's traceback of where this program waited would bury it.
signal.signal(signal.SIGINT, signal.SIG_DFL)

try:
    stack = load(Path(__file__).parent)
except StackFileError as error:
    raise pulumi.RunError(str(error)) from None


async def main() -> dict[str, pulumi.Output[object]]:
    """Register everything; what is exported, by name."""
    topology = stack.cluster.topology
    for finding in rules.advice(topology):
        pulumi.log.warn(str(finding))
    secrets = ClusterSecrets("cluster")
    # Their plugins start now, one after the other, which takes the engine as long as a thread needs to import the rest.
    await asyncio.to_thread(importlib.import_module, "components.outputs")
    from components.cluster import build
    from components.outputs import outputs

    exported = outputs(topology, build(stack, secrets)).by_name()
    # Waited for here: the SDK's own wait looks at every output again whenever one is there.
    begun = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait(begun, return_when=asyncio.FIRST_EXCEPTION)
    gc.freeze()  # Python would look through all of it once more as it ends
    return exported


pulumi.run(main)
