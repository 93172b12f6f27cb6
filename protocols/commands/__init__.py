"""The command line: ``corinfomax train | evaluate | record | figures | presets``."""

import sys

import brian2.utils.logger  # noqa: F401  (Brian2 installs its own exception hook at import; ours comes after it)
import typer
from rich.console import Console

from ...errors import CorInfoMaxError
from . import evaluate, figures, presets, record, train

app = typer.Typer(
    name="corinfomax",
    help="Simulate cortical circuits that learn by correlative information maximization, in continuous time.\n\n"
    "Start with: corinfomax train",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (train, evaluate, record, figures, presets):
    app.command()(getattr(module, module.__name__.rpartition(".")[2]))


@app.callback()
def _options(debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error.")):
    pass


def main():
    """Run the command line; errors that a user can cause end it with one line and exit code 1, Ctrl-C with 130."""
    # Wherever it stands: `corinfomax train --debug` is what one types after an error.
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    complaints = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        app(args=arguments, prog_name="corinfomax")
    except CorInfoMaxError as error:
        if debug:
            raise
        complaints.print(f"[bold red]error:[/] {_escaped(error)}")
        sys.exit(1)
    except KeyboardInterrupt:
        complaints.print("interrupted")
        sys.exit(130)


def _escaped(error: Exception) -> str:
    return " ".join(str(error).split()).replace("[", r"\[")
