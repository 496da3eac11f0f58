"""What a person does on the page, and what they see of it; the steps of the browser tests."""

import io
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from pg_core.datasets.folders import sample_title

VERDICT = re.compile(r"Certified\.|Not certified|Undecided|Nothing")
COMPONENTS = Path(__file__).parents[2] / "app" / "components"
NOWHERE = "http://modules.invalid"
STAGE = "document.querySelector('.pg-stage').pgComponent"


def verdict(page: Page):
    return page.get_by_test_id("stAlert").filter(has_text=VERDICT).first


def metric(page: Page, name: str):
    with_name = page.get_by_test_id("stMetric").filter(has=page.get_by_text(name, exact=True))
    # While a run replaces the elements of the last one, both are there for a moment, the new one first.
    return with_name.get_by_test_id("stMetricValue").first


def wait_for_panels(page: Page) -> None:
    expect(verdict(page)).to_be_visible()
    page.wait_for_function("document.querySelector('.pg-stage')?.pgComponent?.draws > 0")


def drawn(page: Page) -> int:
    return page.evaluate("document.querySelector('.pg-stage').pgComponent.draws")


def choose_sample(page: Page, name: str) -> None:
    """Choose a sample, and wait until its panels are drawn."""
    before = drawn(page)
    choose(page, "or a sample", sample_title(name))
    page.wait_for_function(f"{STAGE}.draws > {before}")
    # The stage is drawn before the run ends, which may still replace fields.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def at_panel(page: Page, panel: int, row: float, column: float) -> tuple[float, float]:
    """Where a row and column of a panel's axes lie on the page."""
    suffix = "" if panel == 1 else str(panel)
    page.locator(".pg-plot").scroll_into_view_if_needed()
    return tuple(
        page.evaluate(
            """([suffix, row, column]) => {
                const plot = document.querySelector('.pg-plot'), box = plot.getBoundingClientRect();
                const x = plot._fullLayout['xaxis' + suffix], y = plot._fullLayout['yaxis' + suffix];
                return [box.left + x._offset + x.l2p(column), box.top + y._offset + y.l2p(row)];
            }""",
            [suffix, row, column],
        )
    )


def choose(page: Page, label: str, option: str) -> None:
    field = page.get_by_label(label, exact=True).first
    field.scroll_into_view_if_needed()
    # A list that is open closes when the page is scrolled, of which the browser tells with the next frame.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    field.click()
    page.get_by_role("option", name=option, exact=True).click()


def upload(page: Page, name: str, data: bytes, nth: int = 0) -> None:
    page.locator("input[type=file]").nth(nth).set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": data}
    )


def png(photo: Image.Image) -> bytes:
    data = io.BytesIO()
    photo.save(data, "PNG")
    return data.getvalue()


def of_stage(page: Page, expression: str):
    """A value out of the stage in the browser, such as `box` or `placement`."""
    return page.evaluate(f"{STAGE}.{expression}")


def settle(page: Page) -> None:
    """Wait until Python has drawn the place where the patch came to rest."""
    page.wait_for_function(
        "!document.querySelector('.pg-is-moving') && "
        "document.querySelector('.pg-readout').innerText.includes('Prediction on the patched image')"
    )


def readout(page: Page) -> dict[str, str]:
    """What stands under the stage about the patch where it is: the meaning of each term."""
    return page.evaluate(
        """Object.fromEntries([...document.querySelectorAll('.pg-readout dt')].map(
            (term) => [term.innerText, term.nextElementSibling.innerText.trim()]))"""
    )


def in_the_patch(page: Page) -> tuple[float, float]:
    """A point inside the patch, on the page."""
    page.locator(".pg-plot").scroll_into_view_if_needed()
    box = page.locator(".pg-patch").bounding_box()
    return box["x"] + box["width"] / 3, box["y"] + box["height"] / 3


def pixels(page: Page, count: int) -> float:
    """The width of so many pixels of the image on the page."""
    (left, _), (right, _) = at_panel(page, 1, 0, 0), at_panel(page, 1, 0, count)
    return right - left


def by(page: Page, rows: int, columns: int) -> tuple[float, float]:
    """How far so many pixels of the image are, across and down the page."""
    return pixels(page, columns), pixels(page, rows)


def hold(page: Page, rows: int, columns: int) -> None:
    """Take the patch with the mouse, and move it by so many pixels of the image without letting go."""
    x, y = in_the_patch(page)
    across, down = by(page, rows, columns)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y + down, steps=12)


def drag(page: Page, rows: int, columns: int) -> None:
    """The same, and let go."""
    hold(page, rows, columns)
    page.mouse.up()


def typed_place(page: Page) -> list[int]:
    """What the fields under the stage say: they are written by Python."""
    names = ("Top (px)", "Left (px)", "Height (px)", "Width (px)")
    return [int(page.get_by_label(name, exact=True).input_value()) for name in names]


def bare_page(chromium) -> Page:
    """A page with nothing on it, of no secure context, which can import the modules of the components."""
    page = chromium.new_page()
    page.route(f"{NOWHERE}/", lambda route: route.fulfill(content_type="text/html", body=""))
    page.route(f"{NOWHERE}/*.js", lambda route: route.fulfill(path=COMPONENTS / Path(route.request.url).name))
    page.goto(f"{NOWHERE}/")
    return page
