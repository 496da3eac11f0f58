"""How long the page takes to appear and to show its first analysis, after `streamlit run`, in a real Chromium.

    python -m tests.benchmarks.bench_start

Prints the first contentful paint, the title, the verdict and the panels, and exits with 1 beyond the targets
(2 s, and 10 s for the analysed sample, on 2 quiet cores with a warm disk).
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import QUIET, start_server, stop_server

PAINT, ANALYSED = 2.0, 10.0


def main() -> int:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        start = time.perf_counter()
        process, url = start_server(Path(folder) / "log.txt")
        try:
            page.goto(url, wait_until="commit")
            committed = time.perf_counter() - start
            page.get_by_role("heading", name="PatchGuard Explorer").wait_for()
            title = time.perf_counter() - start
            page.get_by_text("Smallest margin").wait_for(timeout=120_000)
            verdict = time.perf_counter() - start
            page.wait_for_function("document.querySelector('.pg-stage')?.pgComponent?.draws > 0")
            panels = time.perf_counter() - start
            paints = page.evaluate(
                "performance.getEntriesByName('first-contentful-paint').map((e) => e.startTime)"
            )
        finally:
            browser.close()
            stop_server(process)
    paint = committed + paints[0] / 1000
    print(f"page served {committed:.2f} s, first contentful paint {paint:.2f} s, title {title:.2f} s")
    print(f"verdict {verdict:.2f} s, panels {panels:.2f} s after the start of the server")
    return 0 if paint <= PAINT and panels <= ANALYSED else 1


if __name__ == "__main__":
    sys.exit(main())
