"""What people type: a thin skin over the library, one file per command group."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import Any

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``hodology`` command; ends the process with 0, 1 or 2 (130 after Ctrl-C)."""
    from hodology.cli.app import app
    from hodology.errors import HodologyError

    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _tell
            try:
                app(args=[word for word in words if word != "--debug"], prog_name="hodology")
            finally:
                sys.stdout.flush()  # a closed pipe shows here, not when the interpreter ends
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:
        if debug:
            traceback.print_exc()
        else:
            text = " ".join(str(error).split())  # one line, whatever a user's module or a library said
            if isinstance(error, HodologyError):
                text += "".join(f" ({note})" for note in getattr(error, "__notes__", []))
            else:
                text = f"{type(error).__name__}: {text} (--debug shows where)"
            print(f"hodology: {text}", file=sys.stderr)
        raise SystemExit(2) from None
    except SystemExit as stop:
        if stop.code == 130:  # what typer makes of Ctrl-C
            print(
                "hodology: interrupted; finished parts are kept, the same command goes on from there.",
                file=sys.stderr,
            )
        raise
    except KeyboardInterrupt:  # before typer or after it
        raise SystemExit(130) from None


def _tell(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one line, without the line of code that raised it."""
    print(f"hodology: {' '.join(str(message).split())}", file=sys.stderr)
