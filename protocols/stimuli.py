"""The place where `corinfomax.stimuli` stood before; scripts written then still find it here."""

from ..stimuli import *  # noqa: F403
from ..stimuli import __all__ as __all__
