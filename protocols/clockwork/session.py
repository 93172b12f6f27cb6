"""Brian2's state of the session, which belongs to the user, set aside while a circuit is mounted and runs."""

import contextlib
import sys
from collections.abc import Iterator

import brian2 as b2
import numpy as np
from brian2.devices.device import RuntimeDevice, runtime_device

#: Preferences that decide about results, as Brian2 has them by default.
_DECISIVE = {
    "core.default_float_dtype": np.float64,
    "core.default_integer_dtype": np.int32,
    "core.network.default_schedule": ["start", "groups", "thresholds", "synapses", "resets", "end"],
    "codegen.loop_invariant_optimisations": True,
    "legacy.refractory_timing": False,
}


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Make a context with Brian2's runtime device and its defaults, so that results are the same in every session.

    What speeds things up, such as `codegen.target` and the compiler's arguments, stays the user's choice. `set_device`
    would reset the user's own device, so the device in use is exchanged without it.
    """
    devices = sys.modules[RuntimeDevice.__module__]  # brian2.devices.device is also the name of a proxy
    device, preferences = devices.active_device, {key: b2.prefs[key] for key in _DECISIVE}
    devices.active_device = runtime_device
    try:
        for key, value in _DECISIVE.items():
            b2.prefs[key] = value
        yield
    finally:
        devices.active_device = device
        for key, value in preferences.items():
            b2.prefs[key] = value
