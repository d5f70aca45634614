"""/etc/maas/standin.conf."""

from dataclasses import Field, fields
from pathlib import Path

import pytest

from lab.standin.maas_standin import knobs

README = Path(__file__).parents[4] / "lab/standin/README.md"


def test_defaults_without_a_file(tmp_path: Path) -> None:
    """No file, and an empty one."""
    assert knobs.read(tmp_path / "standin.conf") == knobs.Knobs()
    (tmp_path / "standin.conf").write_text("")
    assert knobs.read(tmp_path / "standin.conf") == knobs.Knobs()


def test_given_values(tmp_path: Path) -> None:
    """Some, the rest stays."""
    (tmp_path / "standin.conf").write_text("hold: full\nmigrate_s: 40\n")
    assert knobs.read(tmp_path / "standin.conf") == knobs.Knobs(hold="full", migrate_s=40)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("speed: 9", "unknown knob speed"), ("hold: more", "either idle or full"), ("retry_s: soon", "number of seconds")],
)
def test_mistakes_are_named(text: str, reason: str, tmp_path: Path) -> None:
    """A knob that does nothing would make a test that proves nothing."""
    (tmp_path / "standin.conf").write_text(text)
    with pytest.raises(ValueError, match=reason):
        knobs.read(tmp_path / "standin.conf")


@pytest.mark.parametrize("knob", fields(knobs.Knobs), ids=lambda knob: knob.name)
def test_the_readme_has_every_knob_with_its_default(knob: Field[object]) -> None:
    """The one table."""
    default = getattr(knobs.Knobs(), knob.name)
    shown = f"`{default}`" if isinstance(default, str) else f"{default:g}"
    assert f"| `{knob.name}` | {shown} |" in README.read_text()


def test_orderings_are_maas_own() -> None:
    """A process expires later than it is refreshed; polls get slower the more is connected."""
    times = knobs.Knobs()
    assert times.process_refresh_s < times.process_expire_s
    assert times.rack_poll_fast_s < times.rack_poll_partial_s < times.rack_poll_full_s
    assert times.dhcp_change_s < times.dhcp_first_s
