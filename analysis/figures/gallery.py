"""Figures that lie in files, to be looked at in a notebook."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path

#: Types that a browser shows, by the endings of files.
_SHOWN = {".png": "image/png", ".gif": "image/gif", ".svg": "image/svg+xml"}


class Gallery(Mapping):
    """Files of figures by their names: ``gallery["learning_curve.png"]`` is a path. Jupyter shows the pictures.

    Parameters
    ----------
    paths : iterable of Path
    """

    def __init__(self, paths: Iterable[Path]):
        self._paths = {path.name: path for path in paths}

    def __getitem__(self, name: str) -> Path:
        return self._paths[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self):
        return len(self._paths)

    def __repr__(self):
        return "\n".join(map(str, self._paths.values()))

    def _ipython_key_completions_(self):
        return list(self._paths)

    def _repr_html_(self):
        return "".join(self._shown(path) for path in self._paths.values())

    @staticmethod
    def _shown(path: Path) -> str:
        if path.suffix not in _SHOWN or not path.exists():
            return f"<p>{escape(str(path))}</p>"
        image = base64.b64encode(path.read_bytes()).decode()
        return f'<figure><img src="data:{_SHOWN[path.suffix]};base64,{image}" alt="{escape(path.stem)}"></figure>'
