"""How every command says that it can't go on."""

from __future__ import annotations

from typing import NoReturn

import typer


def fail(error: Exception, code: int = 1) -> NoReturn:
    """Tell what went wrong and end."""
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(code)
