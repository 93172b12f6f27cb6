"""Golden archives of learning rules, and sections of presets, for the test modules of several circuits."""

import sys
from pathlib import Path

import numpy as np

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HERE = Path(__file__).parent


def golden_archive(name):
    """Arrays of one archive, by name."""
    with np.load(_HERE / "golden" / "rules" / f"{name}.npz") as archive:
        return dict(archive)


def preset_sections(name):
    """Sections of one preset, by name."""
    text = (_HERE.parent / "protocols" / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
