"""The provider protocol's message classes and stubs, taken from the installed Pulumi SDK without importing the SDK.

`import pulumi.runtime.proto` runs the whole of `pulumi/__init__.py` (about 0.4 s, three plugins at each preview); the
generated modules need nothing of it, so they are loaded as a package of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc
else:
    import importlib.util
    import sys
    from pathlib import Path
    from types import ModuleType

    _PACKAGE = f"{__name__}_pulumirpc"

    def _package() -> ModuleType:
        """An empty package whose modules are the generated ones of the SDK."""
        spec = importlib.util.find_spec("pulumi")
        if spec is None or not spec.submodule_search_locations:
            raise ImportError("the Pulumi SDK for Python is not installed (pip package 'pulumi')")
        package = ModuleType(_PACKAGE)
        package.__path__ = [str(Path(spec.submodule_search_locations[0], "runtime", "proto"))]
        return package

    sys.modules[_PACKAGE] = _package()
    engine_pb2 = importlib.import_module(f"{_PACKAGE}.engine_pb2")
    engine_pb2_grpc = importlib.import_module(f"{_PACKAGE}.engine_pb2_grpc")
    plugin_pb2 = importlib.import_module(f"{_PACKAGE}.plugin_pb2")
    provider_pb2 = importlib.import_module(f"{_PACKAGE}.provider_pb2")
    provider_pb2_grpc = importlib.import_module(f"{_PACKAGE}.provider_pb2_grpc")

__all__ = ["engine_pb2", "engine_pb2_grpc", "plugin_pb2", "provider_pb2", "provider_pb2_grpc"]
