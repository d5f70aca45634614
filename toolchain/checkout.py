"""Where things are in a checkout of this project, and what its last setup decided."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from toolchain.cache import write_whole
from toolchain.errors import ToolchainError


@dataclass(frozen=True)
class Record:
    """What a setup decided; kept in the virtual environment, so that it goes when that goes."""

    inputs: str
    """Stands for everything that the toolchain was made from."""
    engine: str
    """Folder of `pulumi` and its Python language host."""
    home: str
    """PULUMI_HOME with the provider plugins."""
    downloads: bool
    """Whether the publisher's download servers could be reached."""


@dataclass(frozen=True)
class Checkout:
    """Paths of one checkout."""

    root: Path

    @classmethod
    def here(cls) -> "Checkout":
        """The checkout that this module lies in."""
        return cls(Path(__file__).resolve().parent.parent)

    @property
    def toolchain(self) -> Path:
        """The folder of this package."""
        return self.root / "toolchain"

    @property
    def venv(self) -> Path:
        """The project's virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"

    @property
    def lock(self) -> Path:
        """The pinned, hashed dependencies."""
        return self.root / "requirements.lock"

    @property
    def project(self) -> Path:
        """pyproject.toml."""
        return self.root / "pyproject.toml"

    @property
    def _record(self) -> Path:
        return self.venv / "toolchain.json"

    def save(self, record: Record) -> None:
        """Remember what a setup decided."""
        write_whole(self._record, json.dumps(asdict(record), indent=2) + "\n")

    def recorded(self) -> Record | None:
        """What the last setup decided; None when there was none, or it can't be read."""
        try:
            return Record(**json.loads(self._record.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def needed(self) -> Record:
        """What the last setup decided.

        Raises:
            ToolchainError: there was none.
        """
        record = self.recorded()
        if record is None:
            raise ToolchainError(f"{self.root} has not been set up; run `make setup` there")
        return record
