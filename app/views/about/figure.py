"""The threat model in three pictures: the image with a patch, the cells that see it, and the windows that are tried.

SVGs, as images with a text for those who do not see them, in colours that are read in the light and in the dark
theme; their words stand below them, as text of the page.
"""

from base64 import b64encode

from app.plots import style

_CELL, _CELLS, _WINDOW = 20, 9, 4
_SIDE = _CELL * _CELLS
_LINE = 'stroke="#888888" stroke-width="{width}" fill="none"'


def image() -> str:
    """A photo, hinted at by a hill and a sun, with a patch, and the field of one cell that sees it."""
    patch = [
        _box(90 + 17 * (at % 2), 62 + 17 * (at // 2), 17, 0.9 if at in (0, 3) else 0.35) for at in range(4)
    ]
    field = f'stroke="{style.FOOTPRINT["color"]}" stroke-width="2" stroke-dasharray="5 3" fill="none"'
    return _svg(
        "An image with a patch, and the field of a cell that sees a part of it",
        f'<path d="M0 {_SIDE}l60 -70l40 40l30 -30l50 60z" fill="#888888" fill-opacity="0.3"/>',
        '<circle cx="40" cy="40" r="16" fill="#888888" fill-opacity="0.3"/>',
        f'<rect width="{_SIDE}" height="{_SIDE}" {_LINE.format(width=2)}/>',
        *patch,
        f'<rect x="70" y="70" width="44" height="44" {field}/>',
    )


def cells() -> str:
    """The map, and the malicious window in which all cells lie that see the patch."""
    return _svg("The cells of the map, and a window of them", _grid(), _window(2, 3))


def windows() -> str:
    """The map, and some of the windows that a proof goes through."""
    some = (_window(*at) for at in ((0, 0), (0, 1), (2, 3), (5, 5)))
    return _svg("The cells of the map, and four of its windows", _grid(), *some)


def _svg(label: str, *parts: str) -> str:
    size = _SIDE + 4
    shape = f'viewBox="-2 -2 {size} {size}" width="220" height="220"'
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" {shape}>{"".join(parts)}</svg>'
    return f'<img alt="{label}" src="data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}">'


def _grid() -> str:
    lines = "".join(f"M0 {at * _CELL}h{_SIDE}M{at * _CELL} 0v{_SIDE}" for at in range(_CELLS + 1))
    return f'<path d="{lines}" {_LINE.format(width=1)}/>'


def _window(row: int, column: int) -> str:
    return _box(column * _CELL, row * _CELL, _CELL * _WINDOW, 0.2, dashes="3 3")


def _box(left: int, top: int, side: int, opacity: float, dashes: str = "none") -> str:
    colour = style.MALICIOUS["color"]
    return (
        f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="{colour}" fill-opacity="{opacity}" '
        f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
    )
