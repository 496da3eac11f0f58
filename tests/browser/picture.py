"""Takes the README's picture from the running page: python -m tests.browser.picture"""

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from pg_core.datasets.folders import sample_title
from tests.browser.conftest import QUIET, ROOT, start_server, stop_server


def main() -> None:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        process, url = start_server(Path(folder) / "log.txt")
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        page = browser.new_page(viewport={"width": 1440, "height": 1010})
        try:
            page.goto(url)
            page.get_by_label("or a sample", exact=True).click(timeout=60_000)
            page.get_by_role("option", name=sample_title("coffee"), exact=True).click()
            expect(page.get_by_text("windows are not certified. Smallest margin")).to_be_visible(
                timeout=60_000
            )
            page.wait_for_function(
                "document.querySelector('.pg-plot')?._fullData?.some("
                "(trace) => trace.name === 'not certified' && trace._length)"
            )
            page.wait_for_timeout(2000)  # for the fading in of what is new
            page.screenshot(path=ROOT / "assets" / "page.png")
        finally:
            browser.close()
            stop_server(process)


if __name__ == "__main__":
    main()
