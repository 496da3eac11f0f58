"""Eight people at once on one server: python -m tests.endurance.browsers [--people 8] [--minutes 10]

Each uploads photo after photo, small and large, in several formats, drags the patch now and then, and reads the
numbers that the page shows. All of them are computed again afterwards, by the library, from the same bytes. It
prints how many were equal, and the memory of the server after its first ten uploads, at its peak, and at rest at
the end; the exit code is 1 if a number differs, an error was shown, or the memory at the end is more than 1.2 times
that after ten uploads.
"""

import argparse
import asyncio
import io
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

from pg_core import RobustMasking, Threat, analyse, load_model
from pg_core.photos.framing import square
from tests.browser.conftest import QUIET, start_server, stop_server

_FORMATS = (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WebP"))
_SIDES = ((300, 300), (640, 480), (480, 960), (1500, 1000), (4000, 3000))
_PATIENCE = 240_000
"""Milliseconds that a page may take, with all others at work."""
_REST = 20
"""Seconds after which the server has come to rest."""
_RUNNING = '[data-testid="stApp"][data-test-script-state="notRunning"]'


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page said of a photo."""

    photo: bytes
    statement: str
    undefended: str
    prediction: str
    proved: str
    margin: str


async def _person(browser: Browser, url: str, number: int, until: float, shown: list[Shown]) -> list[str]:
    errors: list[str] = []
    context = await browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(_PATIENCE)
    page = await context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(url)
    await page.wait_for_selector('[data-testid="stMetricValue"], [data-testid="stException"]')
    if await page.get_by_test_id("stException").count():
        return ["the first page is an error"]
    rng = np.random.default_rng(number)
    turn = 0
    while time.monotonic() < until:
        name, data = _photo(rng, f"{number}-{turn}")
        before = await _numbers(page)
        await page.locator("input[type=file]").first.set_input_files(
            {"name": name, "mimeType": "image/any", "buffer": data}
        )
        seen = await _settled(page, name, before)
        shown.append(Shown(data, *seen))
        if turn % 3 == 2:
            await _drag(page, rng)
            again = await _settled(page, name, None)
            shown.append(Shown(data, *again))
        errors += [
            f"{name}: {await box.inner_text()}" for box in await page.get_by_test_id("stException").all()
        ]
        turn += 1
    await context.close()
    return errors


async def _settled(page: Page, name: str, before: list[str] | None) -> list[str]:
    """What the page says when its numbers are about this photo and have come to rest."""
    await page.get_by_text(name, exact=True).filter(visible=True).first.wait_for()
    last, since = None, time.monotonic()
    while True:
        await page.wait_for_selector(_RUNNING)
        found = await _numbers(page)
        if found == last and found and found != before:
            return found
        last = found
        if time.monotonic() - since > _PATIENCE / 1000:
            raise TimeoutError(f"the page did not come to rest over {name}: {found}")
        await asyncio.sleep(0.5)


async def _numbers(page: Page) -> list[str]:
    return await page.evaluate(
        """() => {
            const alerts = [...document.querySelectorAll('[data-testid="stAlert"]')].map(box => box.innerText);
            const verdict = alerts.find(text => /^[✔✘?]/.test(text.trim()));
            const metrics = [...document.querySelectorAll('[data-testid="stMetric"]')];
            const value = name => metrics.find(box => box.innerText.startsWith(name))
                ?.querySelector('[data-testid="stMetricValue"]')?.innerText;
            const names = ['Clean photo: undefended', 'Clean photo: defended', 'Windows proved', 'Smallest margin'];
            const found = [verdict, ...names.map(value)];
            return found.some(text => text === undefined) ? [] : found.map(text => text.trim());
        }"""
    )


async def _drag(page: Page, rng: np.random.Generator) -> None:
    await page.locator(".pg-plot").scroll_into_view_if_needed()
    box = await page.locator(".pg-patch").bounding_box()
    if box is None:
        return
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 3
    await page.mouse.move(x, y)
    await page.mouse.down()
    for _ in range(8):
        x, y = x + rng.uniform(-15, 15), y + rng.uniform(-15, 15)
        await page.mouse.move(x, y)
        await asyncio.sleep(0.05)
    await page.mouse.up()


def _photo(rng: np.random.Generator, name: str) -> tuple[str, bytes]:
    """A photo that nobody has uploaded before."""
    suffix, image_format = _FORMATS[rng.integers(len(_FORMATS))]
    width, height = _SIDES[rng.integers(len(_SIDES))]
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    data = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(data, image_format)
    return f"{name}.{suffix}", data.getvalue()


def _computed(shown: Shown, model, defence, threat) -> Shown:
    with tempfile.NamedTemporaryFile() as file:
        file.write(shown.photo)
        file.flush()
        found = analyse(file.name, model, defence, threat)
    certificate = found.certificate
    return Shown(
        shown.photo,
        found.sentence(),
        found.undefended_prediction,
        found.prediction,
        f"{certificate.proved.sum()} of {certificate.windows.count}",
        f"{certificate.margin.min():+.3f}",
    )


def _equal(shown: Shown, expected: Shown) -> bool:
    numbers = ("undefended", "prediction", "proved", "margin")
    return expected.statement in shown.statement and all(
        getattr(shown, name) == getattr(expected, name) for name in numbers
    )


def _memory(process: int, entry: str) -> float:
    """MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(entry)) / 2**10


async def _watch(process: int, shown: list[Shown], after: list[float]) -> None:
    while len({id(own.photo) for own in shown}) < 10:
        await asyncio.sleep(0.5)
    after.append(_memory(process, "VmRSS"))


async def _all(url: str, people: int, minutes: float, process: int) -> tuple[list[Shown], list[str], float]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    shown: list[Shown] = []
    after: list[float] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=QUIET)
        until = time.monotonic() + 60 * minutes
        watch = asyncio.create_task(_watch(process, shown, after))
        errors = await asyncio.gather(*(_person(browser, url, n, until, shown) for n in range(people)))
        watch.cancel()
        await browser.close()
    return shown, [error for own in errors for error in own], after[0] if after else float("nan")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server, url = start_server(Path(folder) / "log.txt")
        try:
            shown, errors, after_ten = asyncio.run(_all(url, options.people, options.minutes, server.pid))
            time.sleep(_REST)  # at work the server takes half a gigabyte more, for a second
            peak, end = _memory(server.pid, "VmHWM"), _memory(server.pid, "VmRSS")
        finally:
            stop_server(server)
        log = (Path(folder) / "log.txt").read_text(errors="replace")
    model = load_model("tiles")
    threat = Threat(square(0.02, model.image_size))
    defence = RobustMasking(model.receptive_field.window_size(threat.patch_size), evidence=model.evidence)
    wrong = [own for own in shown if not _equal(own, _computed(own, model, defence, threat))]
    tracebacks = log.count("Traceback")
    photos = len({id(own.photo) for own in shown})
    print(
        f"{options.people} people, {options.minutes:g} minutes: {photos} photos, {len(shown)} readings, {len(wrong)} "
        f"of them not as computed; {len(errors)} errors in browsers, {tracebacks} tracebacks of the server; memory "
        f"{after_ten:.0f} MB after ten photos, {end:.0f} MB at the end, {peak:.0f} MB at its peak"
    )
    for own in wrong[:3]:
        print(own.statement, own.margin, _computed(own, model, defence, threat))
    print(*errors[:5], sep="\n")
    return int(bool(wrong or errors or tracebacks or end > 1.2 * after_ten))


if __name__ == "__main__":
    sys.exit(main())
