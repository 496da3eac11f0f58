"""A dropped folder is measured as the command measures it, and nobody else, and no disk, sees its photos."""

import hashlib
import io
import threading
from functools import cache

import pytest
from PIL import Image

from app.cache import runs, tables
from app.cache.runs import PhotoRun, Plan, dropped
from app.cache.searches import Desk, End
from app.views.atlas import figure, results
from app.views.atlas.filters import Filters
from app.views.atlas.results import Selection
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.base import Verdict
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.cases import evaluation_cases
from pg_core.evaluation.outcome_table import open_table
from pg_core.evaluation.run import evaluate
from pg_core.geometry import Window
from pg_core.networks import load_model
from pg_core.photos.read import ImageError
from tests.hostile.names import FILE
from tests.tables_of_runs import MASKING, write_table

PATIENCE = 120
CLASSES = ("tench", "cassette player")


@cache
def photo(number):
    saved = io.BytesIO()
    Image.effect_noise((32, 32), 20 + 9 * number).convert("RGB").save(saved, "png")
    return saved.getvalue()


@pytest.fixture(scope="module")
def network():
    return load_model("cifar10")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The only place where a run may write."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def run_of(network, files, present=lambda: True, until=600):
    found = dropped(files, network.classes)
    return PhotoRun(network, Plan(found.photos, ("masking",), ((5, 5),)), 0, present, until)


def handed_in(run):
    Desk(1, "run of a test").hand_in(run)
    assert run.join(PATIENCE)
    return run


def rows(atlas):
    return sorted(atlas.ask("select sha256, label, prediction, verdict, margin, rival from photos"))


def test_a_dropped_folder_says_what_the_command_says_and_leaves_no_file(network, tmp_path, temporary):
    files = [
        (f"photos/{name}/{number}.png", photo(number)) for number, name in enumerate(network.classes[:4])
    ]
    for name, data in files:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(data)
    config = DefenceConfig(network.receptive_field, network.image_size, network.evidence, (5, 5))
    cases = evaluation_cases(config, ((5, 5),), ("masking",))
    evaluate(network, labelled_photos(tmp_path / "photos", network.classes), cases, tmp_path / "table")
    run = handed_in(run_of(network, files))
    assert run.end is End.DONE
    own = tables.own_table(tables.digest_of(run.parts), run.parts)
    assert rows(own) == rows(tables.Atlas(open_table(tmp_path / "table")))
    assert list(temporary.iterdir()) == []


def test_a_photo_that_cannot_be_read_stops_no_run(network, temporary):
    run = handed_in(run_of(network, [("a.png", photo(1)), ("b.png", b"nothing")]))
    own = tables.own_table(tables.digest_of(run.parts), run.parts)
    assert [row[0] for row in rows(own)] == [hashlib.sha256(photo(1)).hexdigest()]
    assert [runs.why_not(one) is None for one in run.plan.photos] == [True, False]


@pytest.mark.parametrize(("until", "end"), [(600, End.STOPPED), (-1, End.TIME)])
def test_a_run_that_is_stopped_keeps_what_it_has_measured(network, temporary, until, end):
    run = run_of(network, [(f"{number}.png", photo(number)) for number in range(4)], until=until)
    if end is End.STOPPED:
        run.stop()
    run.work()
    assert run.end is end
    own = tables.own_table(tables.digest_of(run.parts), run.parts)
    assert len(rows(own)) == 1
    assert list(temporary.iterdir()) == []


def test_one_run_is_on_the_server_at_a_time_and_the_next_begins_by_itself(network, temporary):
    desk, first = Desk(1, "run of a test"), run_of(network, [("a.png", photo(1))])
    second = run_of(network, [("b.png", photo(2))])
    second.owner, held = 1, threading.Event()
    work = first.work
    first.work = lambda: (held.wait(PATIENCE), work())
    desk.hand_in(first)
    desk.hand_in(second)
    assert desk.ahead(second) == 0
    held.set()
    assert first.join(PATIENCE)
    assert second.join(PATIENCE)
    assert second.parts


def test_folders_that_are_classes_give_labels_and_others_none():
    found = dropped([("x/n01440764/a.png", b"1"), ("x/cassette_player/a.png", b"2")], CLASSES)
    assert {one.name: one.label for one in found.photos} == {"n01440764/a.png": 0, "cassette_player/a.png": 1}
    found = dropped([("x/cats/a.png", b"1"), ("x/dogs/a.png", b"2"), ("x/cats/notes.txt", b"")], CLASSES)
    assert {one.name: one.label for one in found.photos} == {"cats/a.png": None, "dogs/a.png": None}
    assert found.others == 1
    assert not found.labelled
    (flat,) = dropped([("x/a.png", b"1")], CLASSES).photos
    assert (flat.name, flat.label) == ("a.png", None)


@pytest.mark.parametrize(
    "name",
    ["../../etc/a.png", "/etc/a.png", "..\\..\\a.png", f"{FILE}.png", "a\0\x1b.png", "é" * 999 + ".png"],
)
def test_the_name_of_a_dropped_photo_is_a_text_and_no_path(name):
    first, second = dropped([(name, b"1"), (name, b"2")], CLASSES).photos
    assert first.name != second.name
    for one in (first, second):
        assert ".." not in one.name.split("/")
        assert not one.name.startswith("/")
        assert one.name.isprintable()
        assert len(one.name) < 450


@pytest.mark.parametrize("files", [[], [("a.txt", b"")], [(f"{number}.png", b"") for number in range(501)]])
def test_more_than_the_server_takes_is_refused_with_the_cure(files):
    with pytest.raises(ImageError, match=r"1 to 500 photos.*pg_core evaluate"):
        dropped(files, CLASSES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables") / "made-up"
    write_table(folder)
    return folder


def test_many_people_at_one_table_each_get_their_own_numbers(folder):
    atlas = tables.Atlas(open_table(folder))
    chosen = [
        Filters(),
        Filters(window=(1, 2)),
        Filters(verdict=Verdict.CERTIFIED),
        Filters(label=1, right=True),
    ]
    asked = [Selection(atlas, trial, one) for trial in range(len(atlas.keys)) for one in chosen]

    def answers(selection):
        return results.certified(selection), results.failing(selection), results.histogram(selection)

    expected, found = [answers(one) for one in asked], [[] for _ in range(4)]

    def person(number):
        for _ in range(5):
            found[number].append([answers(one) for one in asked[number::4]])

    threads = [threading.Thread(target=person, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == [[expected[number::4]] * 5 for number in range(4)]


def test_the_map_is_drawn_in_the_pixels_that_the_windows_see(network):
    atlas = tables.served_table(tables.SHIPPED / "cifar10-test-5x5")
    selection = Selection(atlas, 0)
    frame, found = results.frame(selection), results.failing(selection)
    drawn = figure.failing(found, (1, 2), "window", frame)
    heat, (shape,) = drawn.data[0], drawn.layout.shapes
    height, width = frame.image_size
    assert (heat.y[0], heat.y[-1], heat.x[0], heat.x[-1]) == (0, height, 0, width)
    for edges, spans in ((heat.y, frame.rows), (heat.x, frame.columns)):
        assert len(edges) == len(spans) + 1
        assert all(
            low <= sum(span) / 2 <= high for low, high, span in zip(edges, edges[1:], spans, strict=False)
        )
    field = network.receptive_field
    box = field.pixels(Window(1, 2, *field.window_size(selection.setting.patch_size)))
    assert (shape.y0, shape.y1, shape.x0, shape.x1) == (box.top, box.bottom, box.left, box.right)


def test_a_table_whose_windows_are_not_those_of_its_network_has_no_frame(folder):
    assert results.frame(Selection(tables.Atlas(open_table(folder)), MASKING)) is None


def test_forget_my_photos_lets_go_of_all_that_was_dropped_on_the_atlas(monkeypatch):
    from app.state import dropped as kept
    from app.state import photos

    class Running:
        running = True

    withdrawn, state = [], {"other": 1}
    monkeypatch.setattr(runs.DESK, "withdraw", withdrawn.append)
    for module in (kept, photos, photos.stickers):
        monkeypatch.setattr(module.st, "session_state", state)
    state |= dict.fromkeys((kept.TAKEN, kept.PHOTOS, kept.NAME, kept.OWN_TABLE, kept.UPLOADS), "dropped")
    state[kept.RUN] = run = Running()
    before = kept.uploader("folder"), kept.uploader("upload")
    photos._forget()
    assert withdrawn == [run]
    assert "dropped" not in state.values()
    assert kept.run() is None
    assert before != (kept.uploader("folder"), kept.uploader("upload"))
    assert state["other"] == 1
