"""The atlas counts what a literal loop over the rows of a run counts, and every way to choose photos is a filter."""

import re
from dataclasses import replace
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from app.cache import tables
from app.cache.tables import Atlas
from app.state import pages
from app.views.atlas import comparison, filters, results
from app.views.atlas.filters import Filters
from app.views.atlas.results import Selection
from pg_core.defences.base import ALERT, Verdict
from pg_core.evaluation.outcome_table import open_table
from pg_core.evaluation.outcomes import setting_keys
from tests.tables_of_runs import DETECTION, FEATURES, LARGER, MASKING, MASKING_AT_03, UNDEFENDED, write_table

PATIENCE = 120
PROVABLE = (Verdict.CERTIFIED, Verdict.UNDECIDED, Verdict.NOT_CERTIFIED)
CHOSEN = (
    Filters(),
    Filters(verdict=Verdict.NOT_CERTIFIED, rival=1),
    Filters(label=2, right=True),
    Filters(right=False),
    Filters(window=(1, 2)),
    Filters(window=(0, 3), low=-0.5, high=0.25),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "made-up"


@pytest.fixture(scope="module")
def rows(folder):
    return write_table(folder)


@pytest.fixture(scope="module")
def atlas(folder, rows):
    return Atlas(open_table(folder))


def fails(row, at):
    return row.verdict not in PROVABLE or row.margins[at] <= row.tolerance


def kept(rows, atlas, trial, chosen):
    """Those of the rows of a trial that have all of the filters."""
    for row in rows:
        label = row.label if row.label is not None else row.prediction
        if (
            row.setting == atlas.keys[trial]
            and chosen.verdict in (None, row.verdict)
            and chosen.label in (None, label)
            and chosen.rival in (None, row.rivals[row.worst])
            and (chosen.window is None or fails(row, chosen.window))
            and chosen.right in (None, row.verdict not in (Verdict.MISCLASSIFIED, Verdict.ALERT))
            and (chosen.low is None or row.margin >= chosen.low)
            and (chosen.high is None or row.margin < chosen.high)
        ):
            yield row


@pytest.mark.parametrize("trial", [MASKING, UNDEFENDED, DETECTION])
@pytest.mark.parametrize("chosen", CHOSEN, ids=lambda chosen: chosen.in_link() or "all")
def test_every_number_is_that_of_a_loop_over_the_rows(rows, atlas, trial, chosen):
    selection = Selection(atlas, trial, chosen)
    own = list(kept(rows, atlas, trial, chosen))
    assert {row.photo for row in results.page_of(selection, 0, 1000)} == {row.photo for row in own}
    certified = results.certified(selection)
    assert (certified.count, certified.n) == (
        sum(row.verdict is Verdict.CERTIFIED for row in own),
        len(own),
    )
    others = list(kept(rows, atlas, trial, chosen.without("verdict")))
    for verdict, share in results.verdicts(selection).items():
        assert (share.count, share.n) == (sum(row.verdict is verdict for row in others), len(others))
    others = list(kept(rows, atlas, trial, chosen.without("window")))
    found = results.failing(selection)
    assert found.n == len(others)
    assert [list(row) for row in found.counts] == [
        [sum(fails(row, (down, across)) for row in others) for across in range(5)] for down in range(4)
    ]
    others = list(kept(rows, atlas, trial, chosen.without("verdict", "label", "rival")))
    pairs = {}
    for row in others:
        if row.verdict is selection.failing:
            label = row.label if row.label is not None else row.prediction
            pair = label, row.rivals[row.worst]
            pairs[pair] = pairs.get(pair, 0) + 1
    assert results.overtaken(selection) == pairs
    others = list(kept(rows, atlas, trial, chosen.without("low", "high")))
    histogram = results.histogram(selection)
    assert list(histogram.counts) == [
        sum(low <= row.margin < high for row in others) for low, high in pairwise(histogram.edges)
    ]
    assert sum(histogram.counts) + histogram.beyond == len(others)


def test_a_click_on_a_cell_or_a_bar_leaves_as_many_photos_as_it_counts(rows, atlas):
    selection = Selection(atlas, MASKING, Filters(right=True))
    for (label, rival), count in results.overtaken(selection).items():
        chosen = replace(selection.filters, label=label, rival=rival, verdict=selection.failing)
        assert results.certified(replace(selection, filters=chosen)).n == count
    found = results.histogram(selection)
    for (low, high), count in zip(pairwise(found.edges), found.counts, strict=True):
        chosen = replace(selection.filters, low=low, high=high)
        assert results.certified(replace(selection, filters=chosen)).n == count


@pytest.mark.parametrize("chosen", CHOSEN, ids=lambda chosen: chosen.in_link() or "all")
def test_the_query_that_is_copied_finds_the_same_photos_in_the_files(rows, atlas, folder, chosen):
    copied = chosen.copied(atlas.keys[MASKING], atlas.shapes[MASKING])
    found = duckdb.sql(copied.replace("'part-*.parquet'", f"'{folder}/part-*.parquet'")).fetchall()
    own = results.page_of(Selection(atlas, MASKING, chosen), 0, 1000)
    assert [row[0] for row in found] == [row.photo for row in own]


@given(
    st.builds(
        Filters,
        st.none() | st.sampled_from(Verdict),
        *[st.none() | st.integers(0, 9999)] * 2,
        st.none() | st.tuples(st.integers(0, 999), st.integers(0, 999)),
        st.none() | st.booleans(),
        *[st.none() | st.floats(allow_nan=False, allow_infinity=False)] * 2,
    )
)
def test_the_address_says_every_filter_and_nothing_is_lost_on_the_way(chosen):
    assert filters.read(chosen.in_link()) == chosen
    assert chosen.in_link() == "" or pages._TEXT.fullmatch(chosen.in_link())


@pytest.mark.parametrize(
    "text",
    ["photo.1", "label.-1", "label.1' or 1=1", "window.1", "low.inf", "low.nan", "right.maybe", "verdict.x"],
)
def test_what_is_no_filter_is_refused(text):
    with pytest.raises(ValueError, match=r"expected|not a valid|not enough|could not convert"):
        filters.read(text)


def by_photo(rows, atlas, trial):
    return {row.photo: row for row in kept(rows, atlas, trial, Filters())}


@pytest.mark.parametrize("chosen", CHOSEN, ids=lambda chosen: chosen.in_link() or "all")
@pytest.mark.parametrize("other", [MASKING_AT_03, UNDEFENDED, DETECTION])
def test_windows_are_won_and_lost_as_a_loop_over_the_pairs_says(rows, atlas, chosen, other):
    selection = Selection(atlas, MASKING, chosen)
    there = by_photo(rows, atlas, other)
    pairs = [(row, there[row.photo]) for row in kept(rows, atlas, MASKING, chosen)]
    found = comparison.difference(selection, other)
    assert found.n == len(pairs)
    for down in range(4):
        for across in range(5):
            at = down, across
            assert found.won[down][across] == sum(fails(a, at) and not fails(b, at) for a, b in pairs)
            assert found.lost[down][across] == sum(fails(b, at) and not fails(a, at) for a, b in pairs)
    both, won, lost, neither = comparison.counted(comparison.crossed(selection, other))
    certified = [(a.verdict is Verdict.CERTIFIED, b.verdict is Verdict.CERTIFIED) for a, b in pairs]
    assert (both, won, lost, neither) == tuple(
        certified.count(pair) for pair in ((True, True), (False, True), (True, False), (False, False))
    )


def test_trials_with_other_windows_have_no_map_of_both(atlas):
    assert comparison.difference(Selection(atlas, MASKING), LARGER) is None


def test_what_it_would_take_counts_the_photos_that_another_trial_proves(rows, atlas):
    selection = Selection(atlas, MASKING, Filters(right=True))
    here = list(kept(rows, atlas, MASKING, selection.filters))
    found = comparison.outcomes(selection)
    assert {one.trial for one in found} == {MASKING_AT_03, UNDEFENDED, DETECTION, FEATURES}
    assert [one.gained for one in found] == sorted((one.gained for one in found), reverse=True)
    proved = set()
    for one in found:
        there = by_photo(rows, atlas, one.trial)
        gained = {
            row.photo
            for row in here
            if row.verdict is not Verdict.CERTIFIED and there[row.photo].verdict is Verdict.CERTIFIED
        }
        assert one.gained == len(gained)
        assert one.lost == sum(
            row.verdict is Verdict.CERTIFIED and there[row.photo].verdict is not Verdict.CERTIFIED
            for row in here
        )
        proved |= gained
    together = comparison.together(selection)
    assert (together.count, together.n) == (
        len(proved),
        sum(row.verdict is not Verdict.CERTIFIED for row in here),
    )


def show():
    from app.views.atlas import page as atlas

    atlas.show()


@pytest.fixture
def page(folder, rows, monkeypatch):
    monkeypatch.setenv(tables.TABLES, str(folder.parent))
    monkeypatch.delenv(tables.PHOTOS, raising=False)
    app = AppTest.from_function(show, default_timeout=PATIENCE).run()
    assert not app.exception
    return app


def metrics(page):
    return {metric.label: metric.value for metric in page.metric}


def test_a_filter_is_chosen_said_in_words_and_let_go(page, rows, atlas):
    own = list(kept(rows, atlas, MASKING, Filters(verdict=Verdict.NOT_CERTIFIED, rival=1)))
    page.selectbox(key="filter-verdict").set_value("not certified")
    page.selectbox(key="filter-rival").set_value(1).run()
    assert not page.exception
    assert metrics(page)["Photos"] == f"{len(own)} of 60"
    assert [button.label for button in page.button if button.label.startswith("✕")] == [
        "✕ verdict:\u2060 not certified".replace(":\u2060", ":"),
        "✕ strongest rival: green",
    ]
    page.button(key="chip-rival").click().run()
    own = list(kept(rows, atlas, MASKING, Filters(verdict=Verdict.NOT_CERTIFIED)))
    assert metrics(page)["Photos"] == f"{len(own)} of 60"
    assert page.selectbox(key="filter-rival").value is None


def test_every_trial_and_every_look_is_shown_without_an_error(page):
    options = page.selectbox(key="atlas-trial").options
    assert len(options) == 6
    for look in ("Side by side", "What would it take?", "Photos"):
        page.segmented_control(key="atlas-look").set_value(look).run()
        for place in range(len(options)):
            page.selectbox(key="atlas-trial").select_index(place).run()
            assert not page.exception
            assert not page.error


def test_filters_that_are_kept_are_a_scenario_with_its_rate(page, rows, atlas):
    page.selectbox(key="filter-label").set_value(2).run()
    page.text_input(key="scenario-name").set_value("blue ones").run()
    next(button for button in page.button if button.label == "Keep these filters").click().run()
    share = results.certified(Selection(atlas, MASKING, Filters(label=2)))
    table = page.dataframe[-1].value.to_dict("records")
    assert table == [
        {
            "Scenario": "blue ones",
            "Defence and patch": "robust masking, T = 0, 4x4 patch",
            "Filters": "class: blue",
            "Photos": share.n,
            "Certified (95 % interval)": str(share),
        }
    ]


def test_a_window_that_another_trial_has_not_is_let_go(page):
    page.number_input(key="filter-row").set_value(3)
    page.number_input(key="filter-column").set_value(4).run()
    assert any(button.key == "chip-window" for button in page.button)
    larger = next(key for key in page.selectbox(key="atlas-trial").options if "8x8" in key)
    page.selectbox(key="atlas-trial").select(larger).run()
    assert not page.exception
    assert page.number_input(key="filter-row").value is None


def test_the_table_of_a_shipped_network_is_there_without_any_setting(monkeypatch):
    monkeypatch.delenv(tables.TABLES, raising=False)
    page = AppTest.from_function(show, default_timeout=PATIENCE).run()
    assert not page.exception
    assert list(tables.served()) == sorted(path.name for path in tables.SHIPPED.iterdir())
    assert page.selectbox(key="atlas-table").value in tables.served()
    for folder in tables.served().values():
        atlas = tables.served_table(folder)
        ((photos, certified),) = atlas.ask(
            "select count(distinct number), count(*) filter (verdict = 'certified') from photos"
        )
        assert photos >= 200
        assert certified > 0


def test_without_a_table_the_page_says_how_to_open_one(monkeypatch, tmp_path):
    monkeypatch.delenv(tables.TABLES, raising=False)
    monkeypatch.setattr(tables, "SHIPPED", tmp_path)
    page = AppTest.from_function(show, default_timeout=PATIENCE).run()
    assert not page.exception
    (told,) = page.info
    assert "--table" in told.value
    assert tables.TABLES in told.value


def test_a_damaged_table_of_the_server_is_said_in_a_sentence(folder, rows, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "part-00000001.parquet").write_bytes(next(folder.glob("part-*")).read_bytes()[:-200])
    monkeypatch.setenv(tables.TABLES, str(tmp_path))
    page = AppTest.from_function(show, default_timeout=PATIENCE).run()
    assert not page.exception
    (told,) = page.error
    assert re.search(r"broken cannot be opened\. part-00000001\.parquet", told.value.replace("\\", ""))


def test_the_keys_of_trials_are_those_of_the_run(atlas):
    assert atlas.keys == setting_keys(atlas.run.configuration)
    assert ALERT not in {pair[0] for pair in results.overtaken(Selection(atlas, DETECTION))}


def other_names(label, number):
    """Those of 40 of the photos, and others."""
    return f"{label}/{number:03}.png" if number < 40 else f"other/{number}.png"


def test_a_trial_of_another_table_is_compared_on_the_photos_with_the_same_content(rows, folder, tmp_path):
    theirs = {row.sha256: row for row in write_table(tmp_path / "other", name_of=other_names)[FEATURES::6]}
    atlas, other = Atlas(open_table(folder)), Atlas(open_table(tmp_path / "other"))
    selection = Selection(atlas, MASKING, Filters(label=1))
    own = kept(rows, atlas, MASKING, selection.filters)
    pairs = [(row, theirs[row.sha256]) for row in own if row.sha256 in theirs]
    number = atlas.beside(other, FEATURES)
    found = comparison.difference(selection, number)
    assert found.n == len(pairs) > 0
    for down in range(4):
        for across in range(5):
            at = down, across
            assert found.won[down][across] == sum(fails(a, at) and not fails(b, at) for a, b in pairs)
            assert found.lost[down][across] == sum(fails(b, at) and not fails(a, at) for a, b in pairs)
    assert sum(comparison.crossed(selection, number).values()) == len(pairs)


def test_a_trial_that_had_to_go_from_beside_others_is_not_taken_for_another_one(rows, folder):
    atlas, copy = Atlas(open_table(folder)), Atlas(open_table(folder))
    selection = Selection(atlas, MASKING)
    number = atlas.beside(copy, MASKING_AT_03)
    assert atlas.beside(copy, MASKING_AT_03) == number
    assert comparison.difference(selection, number) == comparison.difference(selection, MASKING_AT_03)
    before = results.certified(Selection(atlas, MASKING_AT_03))
    for trial in (MASKING, UNDEFENDED, DETECTION, FEATURES):
        atlas.beside(copy, trial)
    assert comparison.difference(selection, number) is None
    assert comparison.crossed(selection, number) == {}
    assert results.certified(Selection(atlas, MASKING_AT_03)) == before


def test_the_page_sets_a_trial_of_another_table_beside_one(rows, folder, tmp_path, monkeypatch):
    for name in ("first", "second"):
        write_table(tmp_path / name, name_of=other_names)
    monkeypatch.setenv(tables.TABLES, str(tmp_path))
    app = AppTest.from_function(show, default_timeout=PATIENCE)
    app.session_state["atlas-look"] = "Side by side"
    app.run()
    app.selectbox(key="atlas-beside-table").set_value("second").run()
    assert not app.exception
    assert not app.error
    (told,) = [box.value for box in app.markdown if "photos that both have" in box.value]
    assert told.startswith("Of 60 photos")
    assert "patch, colours* alone" in told
