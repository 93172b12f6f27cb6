"""Pictures that stand within a page."""

import base64
from pathlib import Path


def embedded(path: Path) -> dict[str, str]:
    """Read a picture for a page that holds all it shows: its name, and the file in base 64."""
    return {"name": path.stem.replace("_", " "), "data": base64.b64encode(path.read_bytes()).decode()}
