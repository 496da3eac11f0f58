"""A certificate file checked in the browser, by JavaScript alone: neither file nor answer reaches the server."""

from app.components.component import component
from app.plots import style


def checker(key: str) -> None:
    """A place for a certificate file and its photo, what a check makes of them, and the windows of the file."""
    component("check")(
        key=key,
        data={
            "diverging": style.DIVERGING,
            "sequential": style.SEQUENTIAL,
            "malicious": style.MALICIOUS,
            "other": style.OTHER,
        },
    )
