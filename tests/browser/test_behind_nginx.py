"""The app behind Debian's nginx with assets/nginx.conf as it is but for ports and files: in a real Chromium the page
works under its headers, and a plain client is held to its limits."""

import contextlib
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from pg_core import sample_path
from tests.browser.conftest import PROXIED, ROOT, STARTING, free_port, start_server, stop_server
from tests.browser.steps import drawn, of_stage, png, settle, typed_place, upload, verdict, wait_for_panels
from tests.browser.test_check import choose, small
from tests.browser.test_drag import drag
from tests.browser.test_hostile_link import LAST

pytestmark = pytest.mark.browser
NAME, PASSWORD = "somebody", "long enough"
LOGIN = {"Authorization": "Basic " + b64encode(f"{NAME}:{PASSWORD}".encode()).decode()}
HEADERS = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": b64encode(bytes(16)).decode(),
    "Sec-WebSocket-Protocol": "streamlit",
}
SERVER = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    include /etc/nginx/mime.types;
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/patchguard.conf;
}}
"""


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Proxy(NamedTuple):
    """A running nginx, asked as by a plain client."""

    plain: int
    port: int
    trusted: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://{PROXIED}:{self.port}/patchguard/"

    def ask(self, path, method="GET", body=None, login=LOGIN, host=None, tls=True, **headers) -> Reply:
        """A request of its own connection; the name of TLS is that of the proxy, whatever the header Host says."""
        port = self.port if tls else self.plain
        connection = http.client.HTTPConnection(PROXIED, port)
        connection.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        if tls:
            connection.sock = self.trusted.wrap_socket(connection.sock, server_hostname=PROXIED)
        try:
            said = {"Host": host or f"{PROXIED}:{port}", **login, **headers}
            connection.request(method, path, body, said)
            reply = connection.getresponse()
            return Reply(
                reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
            )
        finally:
            connection.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    nginx, openssl = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("no nginx or no openssl on this machine (apt-get install nginx openssl)")
    folder = tmp_path_factory.mktemp("nginx")
    certificate, key, passwords = folder / "certificate.pem", folder / "key.pem", folder / "passwords"
    made = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-days", "1", "-subj", f"/CN={PROXIED}", "-addext", f"subjectAltName=DNS:{PROXIED}"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    hashed = subprocess.run([openssl, "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True)
    passwords.write_text(f"{NAME}:{hashed.stdout}")

    with contextlib.ExitStack() as running:
        app, app_url = start_server(folder / "app.txt", base="patchguard", host=PROXIED)
        running.callback(stop_server, app)
        plain, port = free_port(), free_port()
        site = (ROOT / "assets" / "nginx.conf").read_text(encoding="utf-8")
        for shipped, here in {
            "listen 80": f"listen 127.0.0.1:{plain}",
            "listen 443": f"listen 127.0.0.1:{port}",
            "/etc/ssl/certs/patchguard.pem": str(certificate),
            "/etc/ssl/private/patchguard.key": str(key),
            "/etc/nginx/patchguard.htpasswd": str(passwords),
            "http://127.0.0.1:8501": app_url.removesuffix("/patchguard"),
        }.items():
            assert shipped in site
            site = site.replace(shipped, here)
        (folder / "patchguard.conf").write_text(site, encoding="utf-8")
        # Its workers would read the passwords as another user, who may not enter the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(SERVER.format(folder=folder, user=user), encoding="utf-8")
        command = [nginx, "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"]
        with (folder / "nginx.txt").open("wb") as output:
            process = subprocess.Popen(command, stderr=output)
        running.callback(stop_server, process)
        wait_for(process, port, folder / "nginx.txt")
        yield Proxy(plain, port, ssl.create_default_context(cafile=certificate))


def wait_for(process, port, log) -> None:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"nginx did not start: {log.read_text()}")


def wrong(message) -> bool:
    """Whether the console tells of an error. On an inner page Streamlit first looks for the server below it, in vain:
    that is none."""
    asked = re.search(r"/patchguard/[a-z0-9]+/_stcore/(health|host-config)$", message.location["url"])
    return message.type == "error" and not (asked and "404" in message.text)


@pytest.fixture
def visitor(chromium, proxy):
    """A browser of somebody who has the password."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000}, ignore_https_errors=True)
    context.set_default_timeout(90_000)
    # The browser then sends the password with each request. Playwright's `http_credentials` answers a refusal of each,
    # and of 150 at once Chromium gives some up (ERR_TOO_MANY_RETRIES).
    page = context.new_page()
    page.goto(f"{proxy.url}_stcore/health".replace("//", f"//{NAME}:{PASSWORD}@", 1))
    assert page.inner_text("body") == "ok"
    page.close()
    yield context
    context.close()


@pytest.fixture
def open_proxied(visitor, proxy):
    """Opens a page through the proxy; whatever the browser refuses or reports as an error fails the test."""
    page, errors = visitor.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            errors.append(message.text + " " + message.location["url"]) if wrong(message) else None
        ),
    )

    def wait_for_function(expression):
        deadline = time.monotonic() + STARTING
        while not page.evaluate(expression):
            assert time.monotonic() < deadline, expression
            page.wait_for_timeout(50)

    # Playwright's own is an eval in the page, which the policy refuses.
    page.wait_for_function = wait_for_function

    def open_it(path=""):
        page.goto(proxy.url + path)
        return page

    yield open_it
    assert errors == []


def test_a_photo_is_analysed_the_patch_dragged_and_an_export_taken_through_the_proxy(open_proxied, proxy):
    page = open_proxied()
    wait_for_panels(page)
    drag(page, 65, -40)
    settle(page)
    assert typed_place(page) == of_stage(page, "box") == [224, 87, 64, 64]
    before = drawn(page)
    upload(page, "mirrored.png", png(Image.open(sample_path("coffee")).transpose(Image.Transpose.ROTATE_180)))
    expect(verdict(page)).to_contain_text("espresso")
    page.wait_for_function(f"document.querySelector('.pg-stage').pgComponent.draws > {before}")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    data = download.value.path().read_bytes()
    assert data.startswith(b'"row","column",')
    export = proxy.ask(urlsplit(download.value.url).path)
    assert export.body == data
    assert export.headers["cache-control"] == "private, no-store"
    assert [cookie["secure"] for cookie in page.context.cookies()] == [True]


@pytest.mark.parametrize("path", LAST)
def test_every_page_opens_through_the_proxy_and_breaks_none_of_its_rules(open_proxied, path):
    page = open_proxied(path)
    expect(page.get_by_text(LAST[path]).first).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def test_a_certificate_file_is_checked_by_a_worker_that_the_policy_allows(open_proxied):
    page = open_proxied("check")
    page.wait_for_function("document.querySelector('.pg-check')?.pgComponent != null")
    assert choose(page, small()).startswith("✔ Proved: ")


def test_the_browser_refuses_what_the_policy_does_not_name(visitor, proxy):
    page = visitor.new_page()
    page.goto(f"{proxy.url}results")
    expect(page.get_by_text(LAST["results"]).first).to_be_visible()
    refused = page.evaluate(
        """async () => {
            const broken = [], note = (event) => broken.push(event.effectiveDirective);
            document.addEventListener('securitypolicyviolation', note);
            const script = document.createElement('script');
            script.textContent = 'window.intruder = true';
            document.head.appendChild(script);
            await fetch('https://127.0.0.1:1/').catch(() => null);
            document.head.appendChild(Object.assign(document.createElement('base'), { href: '/elsewhere/' }));
            await new Promise((resolve) => setTimeout(resolve, 200));
            return [window.intruder ?? null, broken.toSorted()];
        }"""
    )
    assert refused == [None, ["base-uri", "connect-src", "script-src-elem"]]


def test_without_a_password_there_is_no_page(proxy):
    for login in ({}, {"Authorization": "Basic " + b64encode(f"{NAME}:wrong".encode()).decode()}):
        for path in ("", "_stcore/health", "_stcore/stream", "static/js/index.js", "media/0.csv"):
            reply = proxy.ask(f"/patchguard/{path}", login=login, Origin=f"https://{PROXIED}:{proxy.port}")
            assert reply.status == 401
            assert b"Streamlit" not in reply.body
    assert proxy.ask("/patchguard/").status == 200


def test_plain_http_leads_to_https_and_nowhere_else(proxy):
    reply = proxy.ask("/patchguard/?photo=coffee", tls=False, host=PROXIED)
    assert reply.status == 301
    assert reply.headers["location"] == f"https://{PROXIED}/patchguard/?photo=coffee"
    assert proxy.ask("/patchguard?a=b").headers["location"] == f"{proxy.url}?a=b"


def test_another_host_is_not_answered(proxy):
    for host in ("evil.example", "127.0.0.1", "localhost:8501", f"{PROXIED}.evil.example"):
        for tls in (True, False):
            with pytest.raises(http.client.RemoteDisconnected):
                proxy.ask("/patchguard/", host=host, tls=tls)
    with (
        pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"),
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as raw,
        proxy.trusted.wrap_socket(raw, server_hostname="evil.example"),
    ):
        pass


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics",
        "/patchguard/_stcore/metrics",
        "/patchguard/_stcore/metrics/",
        "/patchguard//_stcore//metrics",
        "/patchguard/%5Fstcore/metrics?families=cache_memory_bytes",
        "/patchguard/static/..%2F_stcore/metrics",
        "/patchguard/_stcore/script-health-check",
        "/patchguard/_stcore/agent/openapi.json",
        "/patchguard/_stcore/agent/mcp",
    ],
)
def test_what_streamlit_tells_of_itself_is_closed(proxy, path):
    reply = proxy.ask(path)
    assert reply.status == 404
    assert b"nginx" in reply.body


def test_every_reply_has_the_headers_and_errors_too(proxy):
    page = proxy.ask("/patchguard/")
    script = re.search(rb'src="\./(static/js/[^"]+)"', page.body)[1].decode()
    replies = {
        200: page,
        304: proxy.ask("/patchguard/", **{"If-None-Match": page.headers["etag"]}),
        401: proxy.ask("/patchguard/", login={}),
        404: proxy.ask("/patchguard/_stcore/metrics"),
        413: proxy.ask("/patchguard/", "POST", bytes(100_000)),
        405: proxy.ask("/patchguard/", "DELETE"),
        206: proxy.ask(f"/patchguard/{script}", Range="bytes=0-9"),
    }
    for status, reply in replies.items():
        assert reply.status == status
        assert {name: reply.headers.get(name) for name in HEADERS} == HEADERS
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert "nginx/" not in reply.headers["server"]
    cookies = proxy.ask("/patchguard/_stcore/health").headers["set-cookie"]
    assert "Path=/patchguard/" in cookies
    assert cookies.lower().endswith("secure")


def test_a_page_of_another_site_opens_no_session(proxy):
    here = f"https://{PROXIED}:{proxy.port}"
    for origin, status in ((here, 101), ("https://evil.example", 403), ("null", 403), (f"{here}.evil", 403)):
        assert proxy.ask("/patchguard/_stcore/stream", Origin=origin, **UPGRADE).status == status
    assert proxy.ask("/patchguard/_stcore/stream", **UPGRADE).status == 403


def test_the_app_by_itself_opens_a_session_for_the_names_of_this_machine_only(app_url):
    port = app_url.rsplit(":", 1)[1]
    for host, status in (("127.0.0.1", 101), ("localhost", 101), ("evil.example", 403), (PROXIED, 403)):
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
        said = {"Host": f"{host}:{port}", "Origin": f"http://{host}:{port}", **UPGRADE}
        connection.request("GET", "/_stcore/stream", headers=said)
        assert connection.getresponse().status == status
        connection.close()


def test_a_body_that_is_too_large_is_refused_before_it_is_read(proxy):
    path = "/patchguard/_stcore/upload_file/session/file"
    assert proxy.ask(path, "PUT", bytes(65 * 2**20)).status == 413
    pieces = (bytes(2**20) for _ in range(65))
    assert proxy.ask(path, "PUT", pieces).status == 413


def test_a_flood_of_uploads_is_held_back(proxy):
    path = "/patchguard/_stcore/upload_file/session/file"
    statuses = [proxy.ask(path, "PUT", b"photo").status for _ in range(20)]
    assert statuses[-1] == 429
    assert set(statuses) == {403, 429}
    assert 1 <= statuses.count(403) <= 11
    # The page and what it does besides goes on.
    assert [proxy.ask("/patchguard/_stcore/health").status for _ in range(50)] == [200] * 50
