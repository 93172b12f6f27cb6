"""The command line: ``corinfomax train | doctor | evaluate | record | perturb | figures | presets``."""

import io
import sys

import numpy as np
import typer
from brian2.utils.logger import BrianLogger  # Brian2 installs its own exception hook at import; ours comes after it
from rich.console import Console
from rich.text import Text

from ..errors import CorInfoMaxError
from . import doctor, evaluate, figures, perturb, presets, record, train

app = typer.Typer(
    name="corinfomax",
    help="Simulate cortical circuits that learn by correlative information maximization, in continuous time.\n\n"
    "Start with: corinfomax train",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (train, doctor, evaluate, record, perturb, figures, presets):
    app.command()(getattr(module, module.__name__.rpartition(".")[2]))


#: click's error of usage, wherever this version of typer keeps click.
_UsageError = typer.BadParameter.__mro__[1]


@app.callback()
def _options(debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error.")):
    pass


def main():
    """Run the command line; errors that a user can cause end it with one line and exit code 1, Ctrl-C with 130.

    Commands and options that do not exist end it with exit code 2.
    """
    # Wherever it stands: `corinfomax train --debug` is what one types after an error.
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # β on a terminal that has no Greek, a path that is no text
    BrianLogger.suppress_name("invalid_values")
    try:
        # What leaves the finite numbers is reported once, with its place.
        with np.errstate(over="ignore", invalid="ignore"):
            code = app(args=arguments, prog_name="corinfomax", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except (CorInfoMaxError, _UsageError, OSError, MemoryError) as error:
        if debug:
            raise
        line = Text.assemble(("error:", "bold red"), " ", " ".join(_message(error).split()))
        Console(stderr=True, soft_wrap=True, highlight=False).print(line)
        code = 2 if isinstance(error, _UsageError) else 1
    if code == 130:
        print("interrupted", file=sys.stderr)
    sys.exit(code)


def _message(error: Exception) -> str:
    if isinstance(error, _UsageError):
        command = error.ctx.command_path if error.ctx is not None else "corinfomax"
        return f"{error.format_message().rstrip('.')}; see {command} --help"
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return f"{error.filename}: {reason}" if error.filename else reason
    if isinstance(error, MemoryError):
        return f"out of memory: {error}".removesuffix(": ")
    return str(error)
