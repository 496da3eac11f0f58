"""The toy board in the browser: a board in; what a person does to it with mouse or keyboard out."""

from collections.abc import Callable

from app.components.component import component
from pg_core.defences.patchguard.boards import Board
from pg_core.defences.patchguard.cases import regions
from pg_core.geometry import Window


def board_canvas(board: Board, brush: float, spoken: str, key: str, on_edit: Callable[[], None]) -> None:
    """Draw a board with what Algorithm 1 makes of it, and call back after an edit: `edit` of the state under the key
    then holds its kind (paint, move or undo) and, by its kind, the cells and their value or the row and column."""
    detected = board.masking.window(0)
    component("board")(
        key=key,
        data={
            "values": board.attacked[0].tolist(),
            "window": _sides(board.window),
            "detected": None if detected is None else _sides(detected),
            "regions": regions(board.windows.map_size, detected, board.window).tolist(),
            "positions": list(board.windows.shape),
            "brush": brush,
            "spoken": spoken,
        },
        on_edit_change=on_edit,
    )


def _sides(window: Window) -> list[int]:
    return [window.top, window.left, window.height, window.width]
