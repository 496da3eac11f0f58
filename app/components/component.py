"""What the components share: how Streamlit is told of one, and where the browser finds its JavaScript and Plotly's.

Streamlit hands out every file in the folder of a component of its first kind. The modules lie beside Python files, so
they alone are copied to a folder of their own; one hash of them all stands in its address and so in that of whatever
they import, and no browser takes a module of another version for one of these.
"""

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock

import plotly
import streamlit as st
from streamlit.components.v1 import declare_component

_HERE = Path(__file__).parent
_MODULES = {path.name: path.read_bytes() for path in sorted(_HERE.glob("*.js"))}


def version(modules: dict[str, bytes]) -> str:
    """Another one for other modules: 16 hexadecimal digits of the hash of their names and contents."""
    listed = [f"{name} {hashlib.sha256(code).hexdigest()}" for name, code in sorted(modules.items())]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()[:16]


_MODULES_NAME = f"modules-{version(_MODULES)}"
MODULES_URL = f"component/{__name__}.{_MODULES_NAME}"
"""Where Streamlit serves the modules, without a slash at the end, from the address of a page."""
PLOTLY_URL = f"component/{__name__}.plotly/plotly.min.js?{plotly.__version__}"
"""Where Streamlit serves Plotly.js. A browser may keep it: that of another version has another address."""

_serving = Lock()
_served: list[Path] = []  # the folder of the modules, last, after those that lost one


def component(name: str) -> Callable[..., object]:
    """The component whose module is {name}.js and whose styles are {name}.css beside this file."""
    serve_modules()
    return _declared(name)


def serve_modules() -> Path:
    """Let Streamlit serve the modules, and return their folder: again from a new one where a system that tidies its
    temporary files has taken one of them. It goes when the server ends."""
    with _serving:
        if not _served or not all((_served[-1] / name).is_file() for name in _MODULES):
            folder = Path(tempfile.mkdtemp(prefix="patchguard-"))
            atexit.register(remove_modules)
            for name, code in _MODULES.items():
                (folder / name).write_bytes(code)
            declare_component(_MODULES_NAME, folder)
            _served.append(folder)
        return _served[-1]


def remove_modules() -> None:
    """Delete the folders, at the end of the server."""
    while _served:
        shutil.rmtree(_served.pop(), ignore_errors=True)


@cache
def _declared(name: str) -> Callable[..., object]:
    # The folder of the plotly package that holds Plotly.js, as that of a component which no page shows: not copied.
    declare_component("plotly", Path(plotly.__file__).parent / "package_data")
    return st.components.v2.component(
        name,
        html=f'<div class="pg-{name}" data-module="{MODULES_URL}/{name}.js"></div>',
        css=(_HERE / f"{name}.css").read_text(encoding="utf-8"),
        js=_MODULES["component.js"].decode(),
        # In a shadow root Plotly loses its tool bar, its titles and its hover boxes.
        isolate_styles=False,
    )
