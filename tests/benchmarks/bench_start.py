"""How long the page takes to appear and to show its first analysis, after `streamlit run`, in a real Chromium.

    python -m tests.benchmarks.bench_start [commit]

Starts the page of a commit (by default the one before) and then this one. Prints when it was served, its first
contentful paint, the title, the verdict and the panels, and the server's processor time, which says more on a loaded
machine. Exits with 1 beyond the targets for this one (1.5 s to the first paint, and 5 s for the analysed sample, on 2
quiet cores with a warm disk).
"""

import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright

from tests.benchmarks.bench_drag import git
from tests.browser.conftest import QUIET, ROOT, start_server, stop_server

PAINT, ANALYSED = 1.5, 5.0


def measured(playwright: Playwright, checkout: Path, log: Path) -> dict[str, float]:
    """Seconds from the start of the server of a checkout, with a browser that has never been there."""
    browser = playwright.chromium.launch(
        executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=QUIET
    )
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    spent = _spent()
    start = time.perf_counter()
    process, url = start_server(log, checkout=checkout)
    found = {}
    try:
        page.goto(url, wait_until="commit")
        found["served"] = time.perf_counter() - start
        page.get_by_role("heading", name="PatchGuard Explorer").wait_for()
        found["title"] = time.perf_counter() - start
        page.get_by_text("Smallest margin").wait_for(timeout=120_000)
        found["verdict"] = time.perf_counter() - start
        page.wait_for_function("document.querySelector('.pg-stage')?.pgComponent?.draws > 0")
        found["panels"] = time.perf_counter() - start
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        found["paint"] = found["served"] + page.evaluate(paint) / 1000
    finally:
        browser.close()
        stop_server(process)
    return found | {"spent": _spent() - spent}


def _spent() -> float:
    """Seconds of processor time of the servers that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def main() -> int:
    commit = sys.argv[1] if len(sys.argv) > 1 else "HEAD~1"
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder) / "earlier"
        git("worktree", "add", "--detach", str(earlier), commit)
        try:
            for name, checkout in ((commit, earlier), ("this page", ROOT)):
                found = measured(playwright, checkout, Path(folder) / "log.txt")
                print(
                    f"{name}: served after {found['served']:.2f} s, first contentful paint {found['paint']:.2f} s, "
                    f"title {found['title']:.2f} s, verdict {found['verdict']:.2f} s, panels {found['panels']:.2f} s; "
                    f"{found['spent']:.1f} s of processor time in the server",
                    flush=True,
                )
        finally:
            git("worktree", "remove", "--force", str(earlier))
    return 0 if found["paint"] <= PAINT and found["panels"] <= ANALYSED else 1


if __name__ == "__main__":
    sys.exit(main())
