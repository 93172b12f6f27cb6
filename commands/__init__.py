"""The command line, ``corinfomax COMMAND``; `COMMANDS` lists the commands."""

import contextlib
import importlib
import inspect
import io
import logging
import os
import sys
import warnings

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from .. import __version__
from ..errors import CorInfoMaxError
from ..libraries import imported
from ..protocols.interruption import raising, stopped_by
from .console import arrange, print_json

#: Commands, each in the module of its name, and the first sentence of what it says of itself.
COMMANDS = {
    "train": "Train a circuit and draw what it has become.",
    "doctor": "Examine a circuit before it is trained, or a trained one.",
    "evaluate": "Present the test stimuli to a trained circuit and print every column of the history.",
    "record": "Record chosen cells through the phases of a presentation.",
    "perturb": "Perturb cells, synapses or plasticity, and report what changes against the control on the same seeds.",
    "compare": "Train rules on the same stimuli and seeds, and put them side by side in one table.",
    "figures": "Draw a run's figures again, from what its folder holds, and embed the activity of each layer by t-SNE.",
    "presets": "List the presets, or print one.",
    "cite": "Print what to cite, as BibTeX: the package, and of a run or preset its rule, Brian2 and its stimuli.",
}
#: Options that stand anywhere: `corinfomax train --debug` is what one types after an error.
_ANYWHERE = ("--debug", "--quiet", "--json")


class _Commands(TyperGroup):
    """Commands that are imported when they are called, so that none waits for what another one needs."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        """Give what lists need of a command: its name, and what it does."""
        if name not in COMMANDS:
            return None
        described = typer.Typer(rich_markup_mode="markdown", add_completion=False)
        described.command(name, help=COMMANDS[name])(lambda: None)
        return typer.main.get_command(described)

    def resolve_command(self, ctx, args):
        """Give the command itself."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            function = getattr(importlib.import_module(f".{name}", __name__), name)
            returned = inspect.signature(function).return_annotation
            if (ctx.obj or {}).get("--json") and returned is inspect.Signature.empty:
                raise _UsageError(f"--json: {name} has no result that it could print", ctx)
            called = typer.Typer(rich_markup_mode="markdown", add_completion=False)
            called.command(name)(function)
            command = typer.main.get_command(called)
        return name, command, rest


app = typer.Typer(
    name="corinfomax",
    help="Simulate cortical circuits that learn by correlative information maximization, in continuous time.\n\n"
    "Start with: corinfomax train",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    cls=_Commands,
)


#: click's error of usage, wherever this version of typer keeps click.
_UsageError = typer.BadParameter.__mro__[1]


def _print_version(asked: bool):
    if asked:
        print(f"corinfomax {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_print_version, is_eager=True),
    quiet: bool = typer.Option(False, "--quiet", help="Print only what was asked for, and errors. Stands anywhere."),
    as_json: bool = typer.Option(
        False, "--json", help="Print the result as JSON, all else on standard error. Stands anywhere."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error. Stands anywhere."),
):
    pass


def main():
    """Run the command line; errors that a user can cause end it with one line and exit code 1, Ctrl-C with 130.

    Commands and options that do not exist end it with exit code 2. What a command returns is its result, which
    ``--json`` prints.
    """
    given = {option: option in sys.argv for option in _ANYWHERE}
    arguments = [argument for argument in sys.argv[1:] if argument not in _ANYWHERE] or ["--help"]
    arrange(given["--quiet"], given["--json"])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # β on a terminal that has no Greek, a path that is no text
    # Figures go to files: windows, which a user's settings may ask for, need not be there. Brian2 loads pyplot, too.
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its word on each line of a user's settings
    # Brian2's own word on numbers that are not finite; by its name, for Brian2 may not be imported yet, or ever.
    logging.getLogger("brian2.groups.group.invalid_values").setLevel(logging.CRITICAL)
    code = 0
    try:
        with warnings.catch_warnings(), imported(), raising():
            # What leaves the finite numbers is reported once, with its place.
            warnings.filterwarnings("ignore", "(overflow|invalid value) encountered", RuntimeWarning)
            found = app(args=arguments, prog_name="corinfomax", standalone_mode=False, obj=given)
        if isinstance(found, int):  # where it ended early: with help, or by Ctrl-C
            code = found
        elif given["--json"]:
            print_json(found)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:
        code = 1  # nobody reads on, as after `| head`
    except (CorInfoMaxError, _UsageError, OSError, MemoryError) as error:
        if given["--debug"]:
            raise
        line = Text.assemble(("error:", "bold red"), " ", " ".join(_message(error).split()))
        Console(stderr=True, soft_wrap=True, highlight=False).print(line)
        code = 2 if isinstance(error, _UsageError) else 1
    finally:
        sys.excepthook = sys.__excepthook__  # Brian2 installs one of its own when it is imported
    if code == 130:
        with contextlib.suppress(OSError):  # of a terminal that was closed
            print(f"interrupted ({stopped_by()})".removesuffix(" ()"), file=sys.stderr)
    _leave_streams_silent()
    sys.exit(code)


def _leave_streams_silent():
    """Let Python have nothing left to write when it ends, which it would complain of where that cannot be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
