"""The page that checks certificate files, in a real Chromium: its answers, its map, and that it needs no network."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

import pg_core
from app.components.component import MODULES_URL
from pg_core import Threat, examine, sample_path
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.proofs.statement import Subject, prove, serialised
from tests.browser.steps import wait_for_panels
from tests.browser.test_accessible import violations
from tests.browser.test_checker_code import in_python
from tests.pg_core.proofs.drawn import SUBJECT, features_of
from tests.pg_core.proofs.write_corpus import FOLDER

pytestmark = pytest.mark.browser
PHOTO = sample_path("coffee")
PROVED = (
    ((8, 8), "masking", {"threshold": 0.0}),
    ((8, 8), "masking", {"threshold": 0.2}),
    ((8, 8), "feature-masking", {}),
    ((1, 1), "clipping", {}),
)
"""Patch, defence and settings with which `imagenette` certifies the photo."""
HOSTILE = "<img src=x onerror=alert(1)>'</p><script>alert(2)</script>"


def proof_of(patch, defence, settings):
    analysis = pg_core.certify(PHOTO, "imagenette", patch=patch, defence=defence, settings=settings)
    digest = hashlib.sha256(PHOTO.read_bytes()).hexdigest()
    return serialised(prove(analysis, Subject(PHOTO.name, digest, "cd" * 32, "cpu")))


@pytest.fixture(scope="module")
def proof():
    return proof_of(*PROVED[1])


def small(lead=3.0, label="class 0"):
    """The statement of a small map, certified where its label leads by enough."""
    local_logits = np.random.default_rng(0).uniform(0, 1, (3, 8, 8))
    local_logits[0] += lead
    statement = prove(examine(features_of(local_logits), RobustMasking((2, 2), 0.2), Threat((2, 2))), SUBJECT)
    text = serialised(statement).decode()
    return text.replace("class 0", json.dumps(label)[1:-1]).encode()


@pytest.fixture
def page(open_page):
    page = open_page(path="check")
    page.wait_for_function("document.querySelector('.pg-check')?.pgComponent")
    return page


def choose(page, data, name="photo.proof.json", field="Certificate file"):
    """Choose a file, and wait for what is said of it."""
    before = page.evaluate("document.querySelector('.pg-check').pgComponent.checks")
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    page.get_by_label(field).set_input_files(file)
    page.wait_for_function(f"document.querySelector('.pg-check').pgComponent.checks > {before}")
    return page.locator(".pg-answer").inner_text()


def window(page):
    return page.locator(".pg-window-words").inner_text()


def test_proofs_of_a_sample_are_proved_under_each_defence_by_a_worker(page):
    for patch, defence, settings in PROVED:
        data = proof_of(patch, defence, settings)
        with page.expect_worker():
            told = choose(page, data)
        assert told.startswith(f"✔ Proved: {json.loads(data)['predicate']['claim']['words']}")
        assert "level arithmetic" in told
        assert "the file names 'coffee.png'" in told
        assert "On trust: that this network says this of this photo; subject, network, framing" in told
        counts = page.locator(".pg-counts").inner_text()
        assert re.search(r"on a map of 18x18: (\d+) proved, 0 not certified, 0 undecided\.$", counts)


def test_a_file_that_is_checked_without_a_network_is_proved(page, proof):
    page.context.set_offline(True)
    assert choose(page, proof).startswith("✔ Proved: ")
    assert choose(page, b"{}").startswith("✘ Refused: ")
    assert choose(page, PHOTO.read_bytes(), "coffee.png", "Its photo, if you have it").startswith("✘ Refused")
    assert choose(page, proof).startswith("✔ Proved: ")
    page.context.set_offline(False)


def test_nothing_of_a_file_or_of_its_photo_is_sent(page, app_url, proof):
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append(socket.url)))
    page.reload()
    page.wait_for_function("document.querySelector('.pg-check')?.pgComponent")
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
    page.wait_for_load_state("networkidle")
    assert sent  # what is sent at the beginning is noticed
    sent.clear()
    page.on("request", lambda request: sent.append(request.url))
    choose(page, proof)
    choose(page, PHOTO.read_bytes(), "coffee.png", "Its photo, if you have it")
    modules = f"{app_url}/{MODULES_URL}/"  # of other pages, fetched ahead
    assert [url for url in sent if not url.startswith(("blob:", modules))] == []


def test_a_changed_digit_is_refused_with_the_field_that_checker_py_names(page, proof):
    start, fields = proof.index(b'"windows":'), set()
    for at in (n for n in range(start, len(proof)) if proof[n : n + 1].isdigit() and n % 900 == 0):
        changed = proof[:at] + str((proof[at] - 47) % 10).encode() + proof[at + 1 :]
        outcome, field, _ = in_python(changed)
        told = choose(page, changed)
        assert outcome != "proved"
        assert told.startswith(f"✘ Refused: {field}: " if outcome == "refused" else "✘ Unreadable: ")
        expect(page.locator(".pg-check-windows")).to_be_hidden()
        fields.add(field)
    assert any(field and field.startswith("windows.") for field in fields)


def test_a_photo_is_compared_by_its_sha256(page, proof):
    choose(page, proof)
    own = choose(page, PHOTO.read_bytes(), "mine.png", "Its photo, if you have it")
    assert own.startswith("✔ Proved: ")
    assert "'mine.png' is the photo: its SHA-256 is the one in the file." in own
    other = choose(page, b"another", "other.png", "Its photo, if you have it")
    assert other.startswith("✘ Refused: subject[0].digest.sha256: expected ")
    assert "it is about another photo" in other
    assert choose(page, proof).startswith("✔ Proved: ")  # another file is about another photo


def test_what_is_not_certified_is_refused_as_a_claim_and_its_windows_are_drawn(page):
    told = choose(page, small(lead=0.02))
    assert told.startswith("✘ Refused: claim.verdict: not certified at window (0, 0): nothing is proved")
    assert "What the file says follows from its evidence, window by window." in told
    expect(page.locator(".pg-counts")).to_contain_text("49 not certified")
    assert "✘ not certified, margin -" in window(page)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b'{"a": 1}', b"[" * 5000, b"5" * 5000], ids=len)
def test_what_is_no_certificate_file_is_unreadable(page, data):
    assert choose(page, data).startswith("✘ Unreadable: 'photo.proof.json': expected ")
    expect(page.locator(".pg-check-windows")).to_be_hidden()


def test_a_file_that_is_too_large_is_not_even_read(page):
    page.evaluate(
        """() => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(2 ** 26 + 1)], 'large.json'));
            files.items.add(new File(['x'], 'photo.jpg'));
            const drop = new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true });
            document.querySelector('h2').dispatchEvent(drop);
        }"""
    )
    expect(page.locator(".pg-answer")).to_contain_text(
        "Unreadable: 'large.json': expected a file of at most 64 MB"
    )


def test_a_proof_and_its_photo_are_dropped_together(page, proof):
    files = [base64.b64encode(data).decode() for data in (PHOTO.read_bytes(), proof)]
    page.evaluate(
        """(texts) => {
            const files = new DataTransfer();
            texts.forEach((text, at) => files.items.add(new File(
                [Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))], ['a.png', 'a.proof.json'][at])));
            const drop = new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true });
            document.querySelector('h2').dispatchEvent(drop);
        }""",
        files,
    )
    expect(page.locator(".pg-answer")).to_contain_text("Proved")
    expect(page.locator(".pg-answer")).to_contain_text("'a.png' is the photo")


def test_whatever_a_file_or_its_name_says_is_shown_as_text(page):
    assert HOSTILE in choose(page, small(label=HOSTILE), f"{HOSTILE.replace('/', ':')}.json")
    assert f"Evidence for {HOSTILE}" in page.locator(".pg-two-maps canvas").last.get_attribute("aria-label")
    assert HOSTILE in page.locator(".pg-two-maps").inner_text()
    assert "<img" in choose(page, b"no", "<img src=x onerror=alert(3)>.json")
    assert page.locator(".pg-check").locator("img, script, a").count() == 0


def test_the_windows_are_read_by_the_keyboard_and_by_the_pointer(page, proof):
    choose(page, proof)
    worst, map_ = window(page), page.get_by_role("application", name="Margins of all windows")
    assert "✔ certified, margin +" in worst
    map_.focus()
    for _ in range(20):
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
    assert window(page).startswith("Window at row 0, column 0: ")
    expect(page.locator(".pg-check-windows .pg-live")).to_have_text(window(page))
    page.keyboard.press("ArrowDown")
    picked = window(page)
    assert picked.startswith("Window at row 1, column 0: ")
    box = map_.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    assert window(page).startswith("Window at row 14, column 14: ")
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] - 40)
    assert window(page) == picked


def test_the_margin_and_the_rival_of_every_window_are_those_of_the_file(page):
    data = small(lead=0.3)
    statement = json.loads(data)["predicate"]
    choose(page, data)
    page.get_by_role("application", name="Margins of all windows").focus()
    for _ in range(7):
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
    for n, rival in enumerate(statement["windows"]["rival"][:7]):
        assert re.match(
            rf"Window at row 0, column {n}: . [a-z ]+, margin [-+\d.e]+ against 'class {rival}';",
            window(page),
        )
        page.keyboard.press("ArrowRight")


def test_places_of_the_patch_are_drawn_in_place_of_windows(page):
    data = (FOLDER / "good-smoothing.proof.json").read_bytes()
    places = len(json.loads(data)["predicate"]["windows"]["rival"])
    assert choose(page, data).startswith("✔ Proved: ")
    expect(page.locator(".pg-counts")).to_contain_text(
        f"{places} places of the patch, each in a window of 1x"
    )
    assert window(page).startswith("Place of the patch from column ")
    page.get_by_role("application", name="Margins of all windows").focus()
    for _ in range(places):
        page.keyboard.press("ArrowRight")
    assert window(page).startswith(f"Place of the patch from column {places - 1} on: ✔ certified")


def test_a_check_that_takes_too_long_is_ended_and_said_so(open_page):
    page = open_page(path="check")
    page.wait_for_function("document.querySelector('.pg-check')?.pgComponent")
    page.evaluate(
        """() => {
            window.ended = 0;
            window.Worker = class { postMessage() {} terminate() { window.ended += 1; } };
            const after = window.setTimeout;
            window.setTimeout = (done, time, ...rest) => after(done, time === 60000 ? 10 : time, ...rest);
        }"""
    )
    assert choose(page, small()).startswith("? Not checked: it takes longer than 60 seconds here")
    assert page.evaluate("ended") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["wide", "phone"])
def test_an_answer_and_its_windows_are_within_reach_and_on_the_screen(open_page, scheme, size):
    page = open_page(*size, path="check")
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("document.querySelector('.pg-check')?.pgComponent")
    choose(page, small(lead=0.3))
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
    assert violations(page) == []
    for part in page.locator(".pg-check *:visible").all():
        box = part.bounding_box()
        assert box["x"] + box["width"] <= size[0]


def test_a_certificate_goes_as_a_file_from_the_page_that_shows_it_to_the_page_that_checks_it(open_page):
    page = open_page(path="?network=imagenette&size=8x8&photo=coffee")
    wait_for_panels(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Certificate as a file").click()
    assert download.value.suggested_filename == "coffee.proof.json"
    data = download.value.path().read_bytes()
    page.get_by_role("link", name="Check a certificate").click()
    page.wait_for_function("document.querySelector('.pg-check')?.pgComponent")
    assert choose(page, data).startswith("✔ Proved: No 8x8-pixel patch anywhere")
    with page.expect_download() as download:
        page.get_by_role("button", name="checker.py").click()
    assert download.value.path().read_bytes().startswith(b'"""Checks a certificate file')
