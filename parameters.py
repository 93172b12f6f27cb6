"""Parameters from signatures: a constructor's annotated signature is their one definition.

From it come the checks on construction (`validated`) and the section of a parameter file (`model_of`), so that a key
is spelled, typed, bounded and defaulted in one place.
"""

import functools
import inspect
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    validate_call,
)

from .errors import ParameterError, nearest
from .units import in_milliseconds, unit_of


def _number(value: Any) -> Any:
    if (unit := unit_of(value)) is not None:
        raise ValueError(f"has the unit {unit}; should be a plain number")
    if isinstance(value, bool | str):
        raise ValueError("should be a number")
    return value


def _not_zero(value: float) -> float:
    if value == 0:
        raise ValueError("should not be 0")
    return value


Number = BeforeValidator(_number)
Positive = Annotated[float, Number, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Number, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Number, Field(gt=0, lt=1)]
#: What a learning rate is multiplied by again and again.
Factor = Annotated[float, Number, Field(gt=0, le=1)]
Finite = Annotated[float, Number, Field(allow_inf_nan=False)]
NonZero = Annotated[Finite, AfterValidator(_not_zero)]
Count = Annotated[int, Number, Field(ge=1)]
#: Steps of integration in a phase.
MOST_STEPS = 1_000_000
Steps = Annotated[int, Number, Field(ge=1, le=MOST_STEPS)]
#: Times in milliseconds: plain numbers, or quantities of any unit of time.
Time = Annotated[float, Number, BeforeValidator(in_milliseconds), Field(gt=0, allow_inf_nan=False)]
TimeOrNone = Annotated[float, Number, BeforeValidator(in_milliseconds), Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Number, Field(ge=0)]
#: Numbers of layers, cells, epochs and so on, counted from 0.
Index = Annotated[int, Number, Field(ge=0)]
#: One rate for all projections, or one for each.
Rates = NonNegative | list[NonNegative]
Switch = Annotated[bool, Field(strict=True)]


@dataclass(frozen=True)
class Role:
    """What a parameter is to those who read and write parameter files, beside its type and bounds.

    It stands among the metadata of an annotated type, for `played_by` to find.

    Parameters
    ----------
    meaning : str
    """

    meaning: str


#: The strings in the value name classes by ``"module:Class"`` or ``"path/module.py:Class"``. Paths count from the file
#: that they stand in, and a run keeps copies of the modules.
CODE = Role("references to code")
#: Numbers of units of the layers: the first is the stimuli's, and the last that of their targets, if there are some.
SIZES = Role("numbers of units by layer")

CellReference = Annotated[str, CODE]
Architecture = Annotated[list[Count], Field(min_length=2), SIZES]
#: With at least one hidden layer.
Deep = Annotated[Architecture, Field(min_length=3)]


#: What stands in a parameter file for a number that the stimuli decide.
AUTO = "auto"

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def describe(error: ValidationError, where: str, positions: Sequence[str] = ()) -> str:
    """One line for the first thing that a validation found wrong: where, which key, what was given, what is allowed.

    Parameters
    ----------
    error : ValidationError
    where : str
        What the line begins with.
    positions : sequence of str
        Names of the parameters of a call, for those that are given by their position.
    """

    # A union reports each of its members; the deepest location is the member that the value nearly was.
    # And a key that is misspelt is unknown and missing at once.
    def depth(item):
        return len([part for part in item["loc"] if isinstance(part, int)]), item["type"] in _UNKNOWN

    first = max(error.errors(include_url=False), key=depth)
    place = list(first["loc"])
    if place and isinstance(place[0], int) and place[0] < len(positions):
        place[0] = positions[place[0]]
    key = ".".join(str(part) for part in place if isinstance(part, int) or str(part).isidentifier()) or "value"
    if first["type"].startswith("missing"):
        return f"{where}: key {key!r} is missing"
    if first["type"] in _UNKNOWN:
        known = [name for name in positions if name != "self"]
        return f"{where}: unknown key {key!r}" + (f"; {nearest(key, known)}" if known and len(place) == 1 else "")
    if first["type"] == "unexpected_positional_argument":
        return f"{where}: {key} = {_brief(first['input'])}: must be given by its name"
    return f"{where}: {key} = {_brief(first['input'])}: {_allowed(first)}"


def _allowed(item: Any) -> str:
    """Say what would be allowed in the place of what a validation found wrong."""
    context = item.get("ctx", {})
    if item["type"] in ("sequence_str", "is_instance_of") and context.get("class", "Sequence") == "Sequence":
        return "should be a list"
    if item["type"] in ("list_type", "tuple_type") and isinstance(item["input"], str):
        numbers = re.fullmatch(r"[\d\s.,e+-]{1,60}", item["input"])
        return f"should be a list, as [{item['input']}]" if numbers else "should be a list"
    return item["msg"].removeprefix("Value error, ").replace("Input should", "should").replace(" after validation", "")


def _brief(value: Any) -> str:
    """Write a value in one line, as it begins."""
    first, line_break, _ = repr(value).partition("\n")
    return f"{first} …" if line_break else first


def validated(function: Callable | None = None, *, where: str = "") -> Callable:
    """Check calls of `function` against its annotations; whatever does not fit raises a `ParameterError`.

    Parameters
    ----------
    function : callable
    where : str, optional
        What the error names; by default the function or class.
    """
    if function is None:
        return functools.partial(validated, where=where)
    named_by_class = not where and function.__name__ == "__init__"
    where = where or function.__qualname__.removesuffix(".__init__")
    signature = annotated_signature(function)
    positions = list(signature.parameters)

    @functools.cache
    def checked() -> Callable:  # made when it is first called, which most functions never are
        return validate_call(config=ConfigDict(arbitrary_types_allowed=True))(function)

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            return checked()(*args, **kwargs)
        except ValidationError as error:
            # A constructor is a class's own, also where it comes from a class that this one builds upon.
            name = type(args[0]).__name__ if named_by_class and args else where
            raise ParameterError(describe(error, name, positions)) from None

    return _shown(wrapper, signature)


def validated_fields(cls: type) -> type:
    """Let a dataclass check its fields against their annotations, as `validated` does with the arguments of a function.

    Parameters
    ----------
    cls : type
        A dataclass. In messages, fields that are given by their position bear their names.
    """
    initialise, names = cls.__init__, [item.name for item in fields(cls) if item.init and not item.kw_only]
    checked = validated(initialise)

    @functools.wraps(checked)
    def init(self, *args, **keywords):
        checked(self, *args[len(names) :], **dict(zip(names, args, strict=False)), **keywords)

    cls.__init__ = init
    return plainly_shown(cls)


def annotated_signature(function: Callable) -> inspect.Signature:
    """Give the signature of a function or class with all bounds in its annotations; `help` shows it without them.

    Parameters
    ----------
    function : callable
    """
    owner = function.__init__ if isinstance(function, type) else function
    found = getattr(owner, "annotated_signature", None)
    return inspect.signature(function) if found is None else found


def _shown(function: Callable, signature: inspect.Signature) -> Callable:
    """Let a function be checked by one signature, and show it to readers without the bounds."""
    function.annotated_signature, function.__signature__ = signature, plain_signature(signature)
    return function


def plain_signature(signature: inspect.Signature) -> inspect.Signature:
    """Write a signature as readers want it: types only, without their bounds.

    Parameters
    ----------
    signature : Signature
    """
    parameters = [item.replace(annotation=_plain(item.annotation)) for item in signature.parameters.values()]
    return signature.replace(parameters=parameters)


def plainly_shown(cls: type) -> type:
    """Let `help` show a dataclass's constructor without the bounds of its fields.

    Parameters
    ----------
    cls : type
    """
    cls.__signature__ = plain_signature(inspect.signature(cls))
    return cls


def _plain(annotation: Any) -> Any:
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return annotation
    return _with_bars(get_type_hints(SimpleNamespace(__annotations__={"": annotation}))[""])


def _with_bars(annotation: Any) -> Any:
    """Write ``float | list[float]`` for ``Union[float, list[float]]``."""
    parts = get_args(annotation)
    return functools.reduce(operator.or_, parts) if get_origin(annotation) is Union else annotation


@functools.cache  # making one takes longer than all that is done with it
def model_of(function: Callable, leave_out: tuple[str, ...] = ()) -> type[BaseModel]:
    """Build the pydantic model of a callable's annotated parameters, for a section of a parameter file.

    Parameters
    ----------
    function : callable
        A function or class whose signature is annotated.
    leave_out : tuple of str
        Parameters that a file does not give.

    Returns
    -------
    type of BaseModel
        Unknown keys are refused; defaults are those of the signature.
    """
    fields: dict[str, Any] = {}
    for name, parameter in annotated_signature(function).parameters.items():
        if name not in leave_out and name != "self":
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[name] = (parameter.annotation, default)
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid", validate_default=True), **fields)


def played_by(section: type[BaseModel], role: Role) -> tuple[str, ...]:
    """Names of the parameters of a section whose types, or parts of their types, have a role.

    Parameters
    ----------
    section : type of BaseModel
        As `model_of` builds them.
    role : Role
    """
    return tuple(
        name for name, field in section.model_fields.items() if role in field.metadata or _has(field.annotation, role)
    )


def _has(annotation: Any, role: Role) -> bool:
    return any(part == role or _has(part, role) for part in get_args(annotation))


def extends(other: Callable, without: tuple[str, ...] = ()) -> Callable[[Callable], Callable]:
    """Make a decorator of functions that hand further keywords on to another callable.

    The function is checked as by `validated`, and its signature shows the keywords of the other one in place of
    ``**keywords``: they are spelled, typed and defaulted there only.

    Parameters
    ----------
    other : callable
    without : tuple of str
        Parameters of the other one that are not handed on.
    """

    def decorate(function: Callable) -> Callable:
        signature = inspect.signature(function)
        of_other = annotated_signature(other).parameters.values()
        own = [item for item in signature.parameters.values() if item.kind is not inspect.Parameter.VAR_KEYWORD]
        handed = [
            item.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for item in of_other
            if item.name not in without and item.name != "self"
        ]
        checked = validated(function)
        allowed = [item.name for item in (*own, *handed) if item.name != "self"]

        @functools.wraps(checked)
        def wrapper(*args, **keywords):
            if unknown := [name for name in keywords if name not in allowed]:
                name = function.__qualname__.removesuffix(".__init__")
                raise ParameterError(f"{name}: unknown key {unknown[0]!r}; {nearest(unknown[0], allowed)}")
            return checked(*args, **keywords)

        return _shown(wrapper, signature.replace(parameters=[*own, *handed]))

    return decorate
