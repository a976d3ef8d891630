"""What people type: a thin skin over the library, one file per command group."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``hodology`` command; ends the process with 0, 1 or 2 (130 after Ctrl-C)."""
    from hodology.cli.app import app
    from hodology.errors import HodologyError

    debug = "--debug" in (sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=arguments, prog_name="hodology")
    except HodologyError as error:
        if debug:
            raise
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", []))
        print(f"hodology: {error}{notes}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print(
            "hodology: interrupted; finished parts are kept, the same command goes on from there.",
            file=sys.stderr,
        )
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
