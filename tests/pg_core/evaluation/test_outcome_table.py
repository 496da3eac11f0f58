"""The table of a run: what is asked of it, and that one from elsewhere is believed only if a run could have written
it."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pg_core.datasets.folders import labelled_photos
from pg_core.defences.base import Claim, Verdict
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.cases import configure_run, evaluation_cases
from pg_core.evaluation.judging import judge
from pg_core.evaluation.outcome_columns import COLUMNS, METADATA, Run, name_of, text_of
from pg_core.evaluation.outcome_table import as_lines, open_table
from pg_core.evaluation.outcome_writer import writing
from pg_core.evaluation.outcomes import setting_keys
from pg_core.evaluation.run import evaluate
from pg_core.io.files import FileError
from pg_core.io.json import from_json
from tests.colours import Colours
from tests.pg_core.evaluation.test_resuming import paint

CONFIG = DefenceConfig(Colours.receptive_field, Colours.image_size, Colours.evidence, (4, 4))
CASES = evaluation_cases(CONFIG, ((4, 4), (8, 8)), ("masking", "undefended", "detection"))
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("val")
    for label, name in enumerate(Colours.classes):
        (folder / name).mkdir()
        for number in range(3):
            paint(folder / name / f"{number}.png", 3 * label + number)
    return labelled_photos(folder, Colours.classes)


@pytest.fixture(scope="module")
def written(photos, tmp_path_factory):
    """The one part of a table."""
    folder = tmp_path_factory.mktemp("run") / "table"
    evaluate(Colours(), photos, CASES, folder)
    (part,) = folder.glob("part-*.parquet")
    return part.read_bytes()


@pytest.fixture
def table(written, tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "part-00000001.parquet").write_bytes(written)
    return tmp_path / "table"


def test_the_table_says_for_every_window_what_the_certificates_say(photos, table):
    model, opened = Colours(), open_table(table)
    evaluation = evaluate(model, photos, CASES)
    assert [{name: share.count for name, share in own.items()} for own in opened.verdicts().values()] == [
        {Verdict(name): count for name, count in run.counted.items()} for run in evaluation.runs
    ]
    for key, case in zip(setting_keys(opened.run.configuration), CASES, strict=True):
        failing = []
        for photo in photos:
            pixels = photo.framed(model.image_size, model.part).pixels
            certificate = case.defence.certify(model.local_logits(pixels), photo.label, evaluation.delta)
            failing.append(~certificate.proved)
        assert np.allclose(opened.failing(key), np.mean(failing, axis=0), atol=1e-12)
    with pytest.raises(ValueError, match="expected the key of a setting"):
        opened.failing("ab" * 32)


def test_the_columns_of_the_defence_are_those_of_its_setting(table):
    asked = (
        "select distinct defence, patch_height, patch_width, threshold, claim, network, evidence, parameters"
    )
    rows = set(open_table(table).query(f"{asked} from outcomes"))
    assert len(rows) == len(CASES)
    masking = '{"bound":"sound","clip_high":null,"evidence":"logits","threshold":0}'
    assert ("masking", 8, 8, 0.0, Claim.LABEL, "colours", "logits", masking) in rows
    assert ("undefended", 4, 4, None, Claim.NOTHING, "colours", None, "{}") in rows


def test_lines_are_the_rows_in_the_order_of_the_photos_without_the_windows(table):
    lines = [from_json(line) for line in as_lines(open_table(table)).splitlines()]
    assert list(lines[0]) == [name for name in COLUMNS.names if name not in ("margins", "rivals")]
    assert [line["photo"] for line in lines] == sorted(line["photo"] for line in lines)
    assert len(lines) == 9 * len(CASES)
    assert all((line["defence"] == "undefended") == (line["margin"] is None) for line in lines)


@pytest.mark.parametrize("name", ["a/cat.png", "caf\udce9.png", "a'b\x1b\n.png", "猫.png"])
def test_any_name_of_a_photo_is_found_again(photos, tmp_path, name):
    assert name_of(text_of(name)) == name
    (path,) = (photo.path for photo in photos[:1])
    kind = type(photos[0])
    odd = kind(path, name, 0, photos[0].hashed().sha256)
    configuration = configure_run(Colours(), CASES, None)
    keyed = dict(zip(setting_keys(configuration), CASES, strict=True))
    run = Run(configuration, tuple(dict(case.parameters) for case in CASES), "val")
    (results,) = judge(np.random.default_rng(0).normal(size=(1, 3, 10, 14)), (odd,), keyed)
    with writing(tmp_path / "table", run) as writer:
        writer.add(results)
        writer.flush()
    with writing(tmp_path / "table", run) as writer:
        assert writer.known(odd) == {result.setting: result.counted for result in results}
        assert list(writer.contents()) == [name]


def test_an_alert_is_no_class_in_the_table_and_an_alert_again_when_a_run_goes_on(photos, tmp_path):
    (case,) = evaluation_cases(CONFIG, ((4, 4),), ("detection",))
    config = replace(CONFIG, settings={"alert_threshold": 0.0})
    cases = (case, *evaluation_cases(config, ((4, 4),), ("detection",)))
    first = evaluate(Colours(), photos, cases, tmp_path / "table")
    counted = first.runs[1].counted["alert"]
    assert counted > 0
    assert open_table(tmp_path / "table").query(
        "select count(*) from outcomes where prediction is null and verdict = 'alert'"
    ) == [(sum(run.counted["alert"] for run in first.runs),)]
    assert evaluate(Colours(), photos, cases, tmp_path / "table") == first


def changed(table, change=lambda rows: rows, metadata=lambda said: said):
    """The same part with other rows, or another configuration."""
    (part,) = table.glob("part-*.parquet")
    rows, said = change(pq.read_table(part)), metadata(pq.read_metadata(part).metadata[METADATA])
    rows = rows.replace_schema_metadata(None)
    with pq.ParquetWriter(part, rows.schema, store_schema=False) as file:
        file.write_table(rows)
        file.add_key_value_metadata({METADATA: said})


def of_schema_1(table):
    """Make the one part such a part as runs wrote before rows had ranks."""
    changed(
        table,
        lambda rows: rows.drop_columns(["rank", "least_rank"]),
        lambda said: said.replace(b'"schema": 2', b'"schema": 1'),
    )


def test_the_ranks_of_a_row_are_those_of_its_certificate(photos, table):
    model, opened = Colours(), open_table(table)
    asked = "select setting, rank, least_rank from outcomes where photo = ?"
    for photo in photos:
        local_logits = model.local_logits(photo.framed(model.image_size, model.part).pixels)
        rows = {key: ranks for key, *ranks in opened.query(asked, [photo.name])}
        for key, case in zip(setting_keys(opened.run.configuration), CASES, strict=True):
            certificate = case.defence.certify(local_logits, photo.label)
            ranked = case.name == "masking"
            assert rows[key] == ([certificate.rank, certificate.worst_rank] if ranked else [None, None])


def test_a_table_without_ranks_is_still_read_and_still_gone_on_from(photos, table):
    newer = open_table(table)
    asked = "select * exclude (seconds, rank, least_rank) from outcomes order by photo, setting"
    rows, verdicts = newer.query(asked), newer.verdicts()
    of_schema_1(table)
    older = open_table(table)
    assert (older.query(asked), older.verdicts()) == (rows, verdicts)
    assert older.query("select distinct rank, least_rank from outcomes") == [(None, None)]
    assert all(from_json(line)["least_rank"] is None for line in as_lines(older).splitlines())
    more = (*CASES, *evaluation_cases(CONFIG, ((4, 4),), ("clipping",)))
    assert evaluate(Colours(), photos, more, table).runs == evaluate(Colours(), photos, more).runs
    mixed = open_table(table)
    assert mixed.query("select defence, count(rank), count(least_rank) from outcomes group by all") == [
        (name, 9 * (name == "clipping"), 9 * (name == "clipping"))
        for (name,) in mixed.query("select defence from outcomes group by all")
    ]


def test_parts_with_and_without_ranks_are_put_together(photos, table, monkeypatch):
    of_schema_1(table)
    monkeypatch.setattr("pg_core.evaluation.outcome_writer._SMALL_PARTS", 2)
    more = (*CASES, *evaluation_cases(CONFIG, ((4, 4),), ("clipping",)))
    evaluate(Colours(), photos, more, table)
    assert len(list(table.glob("part-*"))) == 1
    assert open_table(table).query("select count(*), count(rank) from outcomes") == [(9 * len(more), 9)]


def test_the_best_k_are_not_counted_from_rows_without_ranks(photos, table):
    of_schema_1(table)
    with pytest.raises(ValueError, match="got a row without one, of an earlier version: name another table"):
        evaluate(Colours(), photos, CASES[:1], table, top=(2,))


def with_first(name, value):
    """Another value in the first row."""

    def change(rows):
        values = rows[name].to_pylist()
        values[0] = value(values[0]) if callable(value) else value
        at = rows.schema.get_field_index(name)
        return rows.set_column(at, rows.schema.field(name), pa.array(values, rows.schema.field(name).type))

    return change


SPOILT = {
    "hash": with_first("sha256", "ab"),
    "label": with_first("label", 3),
    "undefended": with_first("undefended", -1),
    "prediction": with_first("prediction", 99),
    "verdict unknown": with_first("verdict", "perhaps"),
    "verdict of another prediction": with_first("verdict", "alert"),
    "verdict of another claim": with_first("verdict", "unproved"),
    "margin": with_first("margin", float("nan")),
    "margin of another window": with_first("margin", -1e9),
    "delta": with_first("delta", -1.0),
    "delta infinite": with_first("delta", float("inf")),
    "tolerance": with_first("tolerance", float("nan")),
    "worst": with_first("worst_row", 1000),
    "rival": with_first("rival", 2000),
    "case": with_first("figure5_case", "V"),
    "positions": with_first("positions", "nowhere"),
    "rows": with_first("position_rows", 2**31 - 1),
    "margins too few": with_first("margins", lambda values: values[:-1]),
    "margins NaN": with_first("margins", lambda values: [*values[:-1], float("nan")]),
    "margins smaller": with_first("margins", lambda values: [*values[:-1], -1e30]),
    "rivals": with_first("rivals", lambda values: [*values[:-1], 30]),
    "setting": with_first("setting", "ab" * 32),
    "defence": with_first("defence", "masking of another kind"),
    "parameters": with_first("parameters", "{}1"),
    "rank": with_first("rank", 0),
    "rank without the other": with_first("least_rank", None),
    "rank above all classes": with_first("least_rank", 4),
    "rank of another verdict": with_first("least_rank", lambda least: 2 if least == 1 else 1),
    "twice": lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_row_that_no_run_writes_is_refused_and_measured_again_by_a_run(photos, table, kind):
    changed(table, SPOILT[kind])
    with pytest.raises(ValueError, match=r"^part-00000001\.parquet: ") as refused:
        open_table(table)
    assert "\n" not in str(refused.value)
    evaluation = evaluate(Colours(), photos, CASES, table)
    assert evaluation.spoilt == ("part-00000001.parquet",)
    assert "1 spoilt part left out, and measured again: part-00000001.parquet" in str(evaluation)
    assert evaluation.runs == evaluate(Colours(), photos, CASES).runs


@pytest.mark.parametrize("damage", ["cut", "empty", "zeros", "text", "middle"])
def test_a_damaged_part_costs_that_part_alone(photos, table, damage, monkeypatch, tmp_path):
    monkeypatch.setattr("pg_core.evaluation.outcome_writer._SECONDS", 0.0)
    evaluate(Colours(), photos, CASES, tmp_path / "many")
    parts = sorted((tmp_path / "many").glob("part-*"))
    assert len(parts) == 9
    content = parts[3].read_bytes()
    half = len(content) // 2
    parts[3].write_bytes(
        {
            "cut": content[:half],
            "empty": b"",
            "zeros": bytes(len(content)),
            "text": b"photo,label\n" * 100,
            "middle": content[:100] + bytes(half) + content[100 + half :],
        }[damage]
    )
    with pytest.raises(ValueError, match=r"part-00000004\.parquet"):
        open_table(tmp_path / "many")
    model = Colours()
    evaluation = evaluate(model, photos, CASES, tmp_path / "many")
    assert evaluation.spoilt == ("part-00000004.parquet",)
    assert (tmp_path / "many" / ".part-00000004.parquet.spoilt").exists()
    asked = "select * exclude (seconds) from outcomes order by photo, setting"
    assert open_table(tmp_path / "many").query(asked) == open_table(table).query(asked)


FOREIGN = {
    "no configuration": lambda said: b"",
    "no JSON": lambda said: b"{",
    "nested": lambda said: b"[" * 100_000,
    "another version": lambda said: said.replace(b'"schema": 2', b'"schema": 3'),
    "the version before": lambda said: said.replace(b'"schema": 2', b'"schema": 1'),
    "no version": lambda said: said.replace(b'"schema": 2', b'"schema": [2]'),
    "no classes": lambda said: said.replace(b'"classes"', b'"clases"'),
    "parameters too few": lambda said: said.replace(b'"parameters": [{', b'"parameters": [[{'),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_part_with_another_configuration_is_refused_and_kept(photos, table, kind):
    changed(table, metadata=FOREIGN[kind])
    (part,) = table.glob("part-*")
    before = part.read_bytes()
    for use in (open_table, lambda folder: evaluate(Colours(), photos, CASES, folder)):
        with pytest.raises(ValueError, match=r"part-00000001\.parquet: "):
            use(table)
    assert part.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.drop_columns(["margins"]),
        lambda rows: rows.append_column("more", pa.array([1] * len(rows))),
        lambda rows: rows.set_column(2, "label", rows["label"].cast(pa.string())),
    ],
)
def test_a_part_with_other_columns_is_refused(table, change):
    changed(table, change)
    with pytest.raises(ValueError, match="expected the columns of a run's table, got others"):
        open_table(table)


def test_a_pipe_in_the_place_of_a_part_is_not_opened(table):
    os.mkfifo(table / "part-00000002.parquet")
    with pytest.raises(FileError, match=r"part-00000002\.parquet: expected a file, got a pipe"):
        open_table(table)


def test_a_folder_without_a_table_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "none", tmp_path / "caf\udce9"):
        with pytest.raises(ValueError, match="expected "):
            open_table(folder)


@pytest.mark.parametrize("name", ["run [1]", "a=b", "it's *", "what?", "猫", "run;drop"])
def test_a_folder_may_have_any_name_that_is_text(table, name):
    (table.parent / name).mkdir()
    renamed = table.rename(table.parent / name / "table")
    assert open_table(renamed).query("select count(*) from outcomes") == [(9 * len(CASES),)]
    assert len(open_table(renamed).query("describe outcomes")) == len(COLUMNS.names)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "copy outcomes to '/tmp/elsewhere.csv'",
        "install httpfs",
        "set memory_limit = '100GB'",
        "select * from nowhere",
        "select (",
    ],
)
def test_a_query_reads_the_table_and_nothing_else(table, sql):
    with pytest.raises(ValueError, match=r"^table: .+$"):
        open_table(table).query(sql)


def test_a_table_is_read_while_a_run_writes_it_and_puts_parts_together(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("pg_core.evaluation.outcome_writer._SECONDS", 0.0)
    monkeypatch.setattr("pg_core.evaluation.outcome_writer._SMALL_PARTS", 3)
    counts, parts = [], []

    def look(progress):
        counts.append(open_table(tmp_path / "table").query("select count(*) from outcomes")[0][0])
        parts.append(len(list((tmp_path / "table").glob("part-*"))))

    evaluate(Colours(), photos, CASES, tmp_path / "table", report=look)
    assert counts == [len(CASES) * (number + 1) for number in range(9)]
    assert max(parts) <= 3
    opened = open_table(tmp_path / "table")
    assert opened.run.configuration.settings == tuple(case.setting for case in CASES)


def test_parts_that_were_put_together_by_a_run_that_was_killed_count_once(photos, table, monkeypatch):
    monkeypatch.setattr(Path, "unlink", lambda path, **options: None)
    monkeypatch.setattr("pg_core.evaluation.outcome_writer._SECONDS", 0.0)
    monkeypatch.setattr("pg_core.evaluation.outcome_writer._SMALL_PARTS", 3)
    killed = table.parent / "killed"
    evaluate(Colours(), photos, CASES, killed)
    assert len(list(killed.glob("part-*.parquet"))) > 9
    asked = "select * exclude (seconds) from outcomes order by photo, setting"
    assert open_table(killed).query(asked) == open_table(table).query(asked)
    monkeypatch.undo()
    assert evaluate(Colours(), photos, CASES, killed) == evaluate(Colours(), photos, CASES, table)
    assert open_table(killed).query(asked) == open_table(table).query(asked)
    assert len(list(killed.glob("part-*.parquet"))) < 4


def test_a_second_process_on_the_same_table_is_refused_until_the_first_has_ended_in_any_way(table):
    holding = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from pg_core.io.lock import locked
with locked(Path({str(table)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    from pg_core.io.lock import locked

    with subprocess.Popen([sys.executable, "-c", holding], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        try:
            with pytest.raises(FileError, match="table: another run writes into this folder"), locked(table):
                pass
        finally:
            process.kill()
    with locked(table):
        pass
