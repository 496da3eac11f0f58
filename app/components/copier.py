"""Buttons that copy a link in the browser."""

from app.components.component import component


def copier(link: str, with_photo: str | None, key: str) -> None:
    """A button for a link, and one for the link with the photo in it, if there is one."""
    component("copier")(key=key, data={"link": link, "withPhoto": with_photo})
