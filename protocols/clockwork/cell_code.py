"""Code of cells, compiled: the C++ that Brian2 writes for their equations, in a module that is called with addresses.

Brian2's own compiled target writes Cython, and Cython writes 14,000 lines of C++ around each loop over cells: 5 seconds
for Cython and the compiler, and many names to be looked up in each step. Here its generator of C++, which it has for
programs that stand alone, fills a frame of some 50 lines: half a second. The loop computes the same, in the same order.
What the frame does not have, as synapses and functions without C++, is left to Brian2's own target.
"""

import re
from collections.abc import Collection, Mapping

import numpy as np
from brian2.codegen.codeobject import CodeObject
from brian2.codegen.generators.cpp_generator import CPPCodeGenerator, c_data_type
from brian2.codegen.templates import Templater
from brian2.core.functions import DEFAULT_FUNCTIONS, Function
from brian2.core.variables import ArrayVariable, Constant
from brian2.devices.device import runtime_device
from jinja2 import DictLoader

from ...networks.integration import Integration
from .compiled_cache import compiled_module

#: The module around the code of a population; where its variables are stands in a table of addresses.
_FRAME = """
#include <Python.h>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include "stdint_compat.h"

{{support_code_lines|autoindent}}
{{hashdefine_lines|autoindent}}

static void step(void** _at)
{
    %DECLARATIONS%
    {{pointers_lines|autoindent}}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% block cells %}{% endblock %}
}

static PyObject* run(PyObject*, PyObject* at)
{
    step((void**) PyLong_AsVoidPtr(at));
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"{{"}}"run", run, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "%MODULE%", NULL, -1, methods};
PyMODINIT_FUNC PyInit_%MODULE%(void) { return PyModule_Create(&definition); }
"""

#: Parameters are mostly alike in all cells. A loop of its own reads them once then: a quarter of the time is saved.
#: GCC is told that no cell's new state depends on another cell's, so that it computes several at once.
_STATEUPDATE = """
{# ALLOWS_SCALAR_WRITE #}
{# USES_VARIABLES { N } #}
{% extends 'frame.cpp' %}
{% block cells %}
    {% set once, body = of_all_cells(owner, variables, vector_code) %}
    {% if once %}
    if (_alike[0] == 0) {
        bool _differ = false;
        {% for kind, value, array in once %}
        for (int _idx = 0; _idx < N; _idx++)
            _differ |= {{array}}[_idx] != {{array}}[0];
        {% endfor %}
        _alike[0] = _differ ? 2 : 1;
    }
    if (_alike[0] == 1) {
        {% for kind, value, array in once %}
        const {{kind}} {{value}} = {{array}}[0];
        {% endfor %}
        #pragma GCC ivdep
        for (int _idx = 0; _idx < N; _idx++) {
            const size_t _vectorisation_idx = _idx;
            {{body|autoindent}}
        }
        return;
    }
    {% endif %}
    #pragma GCC ivdep
    for (int _idx = 0; _idx < N; _idx++) {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
    }
{% endblock %}
"""

_THRESHOLD = """
{# USES_VARIABLES { N } #}
{% extends 'frame.cpp' %}
{% block cells %}
    {% set spikes = get_array_name(eventspace_variable) %}
    int _count = 0;
    for (int _idx = 0; _idx < N; _idx++) {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        if (_cond) {
            {{spikes}}[_count++] = _idx;
            {% if _uses_refractory %}
            {{not_refractory}}[_idx] = false;
            {{lastspike}}[_idx] = {{t}};
            {% endif %}
        }
    }
    {{spikes}}[N] = _count;
{% endblock %}
"""

_RESET = """
{# USES_VARIABLES { N } #}
{% extends 'frame.cpp' %}
{% block cells %}
    {% set spikes = get_array_name(eventspace_variable) %}
    const int _count = {{spikes}}[N];
    for (int _spike = 0; _spike < _count; _spike++) {
        const size_t _idx = {{spikes}}[_spike];
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
    }
{% endblock %}
"""

#: NumPy's random numbers from the buffer that Brian2's other code draws from, too, filled in the same way.
_RANDOM = """
static double _KIND(int)
{
    NUMBERS
    int32_t* next = _namespace_KIND_buffer_index;
    if (*next == 0) {
        PyObject* random = PyImport_ImportModule("numpy.random");
        PyObject* drawn = random ? PyObject_CallMethod(random, "KIND", "i", SIZE) : NULL;
        Py_buffer view;
        if (drawn && PyObject_GetBuffer(drawn, &view, PyBUF_SIMPLE) == 0) {
            memcpy(numbers, view.buf, view.len);
            PyBuffer_Release(&view);
        }
        Py_XDECREF(drawn);
        Py_XDECREF(random);
    }
    const double drawn = numbers[*next];
    *next = (*next + 1) % SIZE;
    return drawn;
}
"""
_BUFFER = "double* numbers = _namespace_KIND_buffer;"
#: Brian2 before 2.11 has an address in the buffer's place, of 20,000 numbers that whoever comes first makes room for.
_BUFFER_ELSEWHERE = """double** place = (double**) _namespace_KIND_buffer;
    if (*place == NULL)
        *place = (double*) calloc(SIZE, sizeof(double));
    double* numbers = *place;"""


class CellCodeGenerator(CPPCodeGenerator):
    """Brian2's generator of C++, whose lines come in the same order in each process, so that they are found again."""

    def __init__(self, variables, *args, **kwargs):
        super().__init__(dict(sorted(variables.items())), *args, **kwargs)

    def determine_keywords(self):
        """Give what stands around the loop, without pointers to arrays: the frame's table has them."""
        keywords = super().determine_keywords()
        of_functions = [line for line in keywords["pointers_lines"] if line.startswith("_namespace")]
        return keywords | {"pointers_lines": of_functions}


def _give_random_numbers(kind: str):
    """Let generated code call NumPy's ``rand`` or ``randn``."""
    buffer, index = (getattr(runtime_device, f"{kind}_buffer{of}") for of in ("", "_index"))
    numbers, size = (_BUFFER, buffer.size) if buffer.dtype == np.float64 else (_BUFFER_ELSEWHERE, 20_000)
    code = _RANDOM.replace("NUMBERS", numbers).replace("KIND", kind).replace("SIZE", str(size))
    namespace = {f"_{kind}_buffer": buffer, f"_{kind}_buffer_index": index}
    implementations = DEFAULT_FUNCTIONS[kind].implementations
    implementations.add_implementation(CellCodeGenerator, code=code, name=f"_{kind}", namespace=namespace)


_give_random_numbers("rand")
_give_random_numbers("randn")


#: A line of Brian2's that reads an array for one cell, and which the loop does not write to.
_READ = re.compile(r"^const (\w+) (\w+) = (_ptr_array_\w+)\[_idx\];$")


def _of_all_cells(owner, variables: Mapping, lines: list[str]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """What the loop reads that may be alike in all cells, as (type, variable, array), and the lines without that."""
    names = {_pointer(item) for item in variables.values() if isinstance(item, ArrayVariable) and _may_be_alike(item)}
    if not isinstance(getattr(owner, "state_updater", None), Integration):
        return [], lines
    read = {line: _READ.match(line) for line in lines}
    once = [found.groups() for found in read.values() if found and found[3] in names]
    return once, [line for line in lines if not (read[line] and read[line][3] in names)]


def _pointer(variable: ArrayVariable) -> str:
    return CellCodeGenerator.get_array_name(variable)


def _may_be_alike(variable: ArrayVariable) -> bool:
    updater = getattr(variable.owner, "state_updater", None)
    return isinstance(updater, Integration) and variable.name in updater.may_be_alike and not variable.scalar


class _Templater(Templater):
    """Brian2's, for templates that stand above."""

    def __init__(self, templates: Mapping[str, str], **known):
        super().__init__("brian2.devices.cpp_standalone", ".cpp", env_globals=known)
        self.env.loader = DictLoader({f"{name}.cpp": text for name, text in templates.items()})


#: Constants and intermediate values, but for the step of time; code that reads the time needs all digits.
_DOUBLES = re.compile(r"\bdouble (?!dt\b)(?=\w)")
#: What Brian2 calls arrays, and what it makes of linked subexpressions.
_NAME = re.compile(r"\b_\w+")


class CellCodeObject(CodeObject):
    """What is done to each cell of a group in a step, compiled: Brian2's state update, threshold, or reset."""

    templater = _Templater(
        {"frame": _FRAME, "stateupdate": _STATEUPDATE, "threshold": _THRESHOLD, "reset": _RESET},
        of_all_cells=_of_all_cells,
    )
    generator_class = CellCodeGenerator
    class_name = "cpp"

    def __init__(self, owner, code, variables, *args, **kwargs):
        super().__init__(owner, code, variables, *args, **kwargs)
        values = _values(variables, owner)
        before, frame, function = str(code).partition("static void step")
        words = dict.fromkeys(re.findall(r"\w+", function))
        if "_alike" in words:
            values["_alike"] = owner.state_updater.alike[self.name]
        read = [name for name in words if name in values]
        function = function.replace(
            "%DECLARATIONS%", "\n    ".join(_declaration(name, n, values[name]) for n, name in enumerate(read))
        )
        arrays = [item for item in variables.values() if isinstance(item, ArrayVariable)]
        types = {item.dtype for item in arrays if item.owner is owner and np.issubdtype(item.dtype, np.floating)}
        if types == {np.dtype(np.float32)} and self.template_name == "stateupdate" and "t" not in words:
            function = _DOUBLES.sub("float ", function)
        self.code = before + frame + _nameless(function, {item.owner.name for item in arrays})
        self._kept = [values[name] for name in read]  # compiled code has their addresses, which keep nothing alive
        self._addresses = np.array([value.ctypes.data for value in self._kept], np.uintp)
        self._at = self._addresses.ctypes.data
        self._events = [values[_pointer(item)] for item in arrays if re.fullmatch("_\\w+space", item.name)]

    def compile_block(self, block):
        """Compile what is to be done in a step, or load what was compiled before; around a run nothing is compiled."""
        return compiled_module(self.code).run if block == "run" else None

    def run_block(self, block):
        """Do what is done in a step, for all cells; after a run, let no spike be left for the next one."""
        if block == "run":
            self.compiled_code["run"](self._at)
        elif block == "after_run" and self.template_name == "threshold":
            for events in self._events:
                events[-1] = 0

    def __call__(self, **values):
        """Do what is done in a step straight away, as a small population's step is mostly calls."""
        self.compiled_code["run"](self._at)


def _values(variables: Mapping, owner) -> dict[str, np.ndarray]:
    """What code may read or write, by its name there: live arrays, and constants as arrays without a dimension."""
    values = {}
    for name, item in variables.items():
        if isinstance(item, Function):
            values |= _values_of_function(item, owner)
        elif isinstance(item, ArrayVariable):
            values[_pointer(item)] = item.get_value()
        elif isinstance(item, Constant):
            values[name] = np.array(item.get_value())
    return values


def _values_of_function(function: Function, owner) -> dict[str, np.ndarray]:
    own = function.implementations[CellCodeObject]
    values = dict(own.get_namespace(owner) or {})
    for needed in (own.dependencies or {}).values():
        values |= _values_of_function(needed, owner)
    return values


def _declaration(name: str, place: int, value: np.ndarray) -> str:
    kind = c_data_type(value.dtype)
    if not value.ndim:
        return f"const {kind} {name} = *({kind}*) _at[{place}];"
    return f"{kind}* {name} = ({kind}*) _at[{place}];"


def _nameless(code: str, owners: Collection[str]) -> str:
    """Call populations by their numbers, so that one compilation serves all layers of a kind."""
    longest_first = sorted(owners, key=len, reverse=True)
    owned = re.compile(rf"_({'|'.join(map(re.escape, longest_first))})(?=_|$)")
    numbers: dict[str, int] = {}  # in the order of their appearance
    names: dict[str, str] = {}

    def nameless(found: re.Match) -> str:
        name = found[0]
        if name not in names:
            new = owned.sub(lambda owner: f"_cells{numbers.setdefault(owner[1], len(numbers))}", name)
            names[name] = name if new == name else f"{new}_{len(names)}"
        return names[name]

    return _NAME.sub(nameless, code)
