"""What the command line does with what was typed: its commands and options, errors, and the exit code."""

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
from .console import arrange, print_json
from .names import ANYWHERE, COMMANDS, INTERRUPTED


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
            function = getattr(importlib.import_module(f".{name}", __package__), name)
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


def run() -> int:
    """Run what was typed; return the exit code.

    Errors that a user can cause are one line and give 1; commands and options that do not exist give 2. What a command
    returns is its result, which ``--json`` prints.
    """
    given = {option: option in sys.argv for option in ANYWHERE}
    arguments = [argument for argument in sys.argv[1:] if argument not in ANYWHERE] or ["--help"]
    if arguments[0] == "help":  # as other programs have it: corinfomax help train
        arguments = [*(word for word in arguments[1:2] if word != "help"), "--help"]
    arrange(given["--quiet"], given["--json"])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # β on a terminal that has no Greek, a path that is no text
    # Figures go to files: windows, which a user's settings may ask for, need not be there. Brian2 loads pyplot, too.
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its word on each line of a user's settings
    # Brian2's own word on numbers that are not finite; by its name, for Brian2 may not be imported yet, or ever.
    logging.getLogger("brian2.groups.group.invalid_values").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), imported():
            # What leaves the finite numbers is reported once, with its place.
            warnings.filterwarnings("ignore", "(overflow|invalid value) encountered", RuntimeWarning)
            found = app(args=arguments, prog_name="corinfomax", standalone_mode=False, obj=given)
        if isinstance(found, int):  # where it ended early: with help, or by Ctrl-C
            return found
        if given["--json"]:
            print_json(found)
    except typer.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        return 1  # nobody reads on, as after `| head`
    except (CorInfoMaxError, _UsageError, OSError, MemoryError) as error:
        if given["--debug"]:
            raise
        line = Text.assemble(("error:", "bold red"), " ", " ".join(_message(error).split()))
        Console(stderr=True, soft_wrap=True, highlight=False).print(line)
        return 2 if isinstance(error, _UsageError) else 1
    finally:
        sys.excepthook = sys.__excepthook__  # Brian2 installs one of its own when it is imported
    return 0


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
