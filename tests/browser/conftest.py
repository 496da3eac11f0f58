"""A server of the app and a real Chromium; skipped, with the reason, where there is no Chromium."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=60_000)
STARTING = 120
"""Seconds that a server may take to answer on a busy machine."""
PROXIED = "patchguard.example"
"""The host of the proxy that `test_behind_nginx` starts."""
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    f"--host-resolver-rules=MAP {PROXIED} 127.0.0.1",
]
"""Chromium asks no other host for anything."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(
    log: Path,
    program: str = "streamlit",
    page: str = "app/main.py",
    base: str = "",
    host: str = "",
    checkout: Path = ROOT,
) -> tuple[subprocess.Popen[bytes], str]:
    """The app on a free port, as the README starts it; or another page, or run by a module in Streamlit's place, or
    under a base path for a proxy of this host, or out of another checkout."""
    port = free_port()
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    if base:
        options += ["--server.baseUrlPath", base, "--server.allowedHosts", host]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", program, "run", page, *options],
            cwd=checkout,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}/{base}".rstrip("/")
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
            return process, url
        time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"the app did not start: {log.read_text()}")


def stop_server(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def app_url(tmp_path_factory):
    process, url = start_server(tmp_path_factory.mktemp("server") / "log.txt")
    yield url
    stop_server(process)


@pytest.fixture(scope="session")
def chromium():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium, or set CHROMIUM)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, app_url):
    """Opens the page in a browser of its own; every error in the page's own code fails the test."""
    contexts, errors = [], []

    def open_it(width=1400, height=1000, path=""):
        context = chromium.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(90_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{app_url}/{path}")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert errors == []
