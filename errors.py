"""What can go wrong for a user of `corinfomax`, each with one line that names the file, key, layer or batch."""


class CorInfoMaxError(Exception):
    """Root of all errors that a user can cause or must hear of; the command line shows them as one line."""


class ParameterError(CorInfoMaxError, ValueError):
    """A parameter that is unknown, of the wrong type, out of range or at odds with another one."""


class StimulusError(CorInfoMaxError, ValueError):
    """Stimuli that cannot be read, or that do not fit what they are presented to."""


class RunError(CorInfoMaxError):
    """A run folder, checkpoint or recording that is missing, damaged, in the way, or of another run."""


class DivergenceError(CorInfoMaxError, ArithmeticError):
    """Activity or weights that left the finite numbers."""


class LibraryError(CorInfoMaxError, ImportError):
    """A library that cannot be imported, for what its settings say or because it is not there."""
