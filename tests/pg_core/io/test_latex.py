"""Every sign that LaTeX would take for its own is escaped, and a table has a line for each row."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_core.io.latex import escaped, table, tabular


@pytest.mark.parametrize("sign", "%&_#${}")
def test_a_sign_with_a_meaning_is_behind_a_backslash(sign):
    assert escaped(f"a{sign}b") == f"a\\{sign}b"


@given(st.text("ab%&_#${}~^\\ "))
def test_unescaped_again_the_text_is_the_same(text):
    words = {r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^"}
    rest, read = escaped(text), ""
    while rest:
        name = next((word for word in words if rest.startswith(word)), None)
        if name:
            read, rest = read + words[name], rest[len(name) :]
        elif rest[0] == "\\":
            read, rest = read + rest[1], rest[2:]
        else:
            assert rest[0] not in "%&_#${}~^"
            read, rest = read + rest[0], rest[1:]
    assert read == text


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('a < b > c | "d"', r"a \textless{} b \textgreater{} c \textbar{} \symbol{34}d\symbol{34}"),
        ("[2ex] * `e`", r"{[}2ex] {*} \`{}e\`{}"),
        ("a--b''c", r"a-{}-b'{}'c"),
        ("Ångström, naïve, Łódź", r"\r{A}ngstr\"{o}m, na\"{\i}ve, \L{}\'{o}d\'{z}"),
        ("ế x\u0302 ß", r"\'{\^{e}} x\^{} \ss{}"),
        ("猫 Ж", "猫 Ж"),
        ("\x1b[31m\n\u202e", r"\textbackslash{}x1b{[}31m\textbackslash{}n\textbackslash{}u202e"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
    ],
)
def test_signs_accents_and_ligatures_are_printed_as_they_are(text, printed):
    assert escaped(text) == printed


@given(st.text())
def test_no_text_ends_a_cell_a_line_or_a_group(text):
    line = tabular("l", ["a"], [[text]]).split("\n")[4]
    assert line.endswith(r" \\")
    bare = re.sub(
        r"\\(textbackslash|textasciitilde|textasciicircum|symbol|[^a-zA-Z])", "", line.removesuffix(r" \\")
    )
    assert bare.count("{") == bare.count("}")
    assert not set("%&_#$") & set(bare)
    assert not line.startswith(("[", "*"))


def test_a_table_has_a_line_for_each_row_and_a_cell_for_each_column():
    table = tabular("lrr", ["name", "n", "value"], [["a & b", 3, -0.25], ["c", 0, 1e-9]])
    rows = [line for line in table.splitlines() if line.endswith(r"\\")]
    assert rows == [
        r"name & n & value \\",
        r"a \& b & 3 & $-$0.2500 \\",
        r"c & 0 & 0.0000 \\",
    ]
    assert [table.count(rf"\{rule}rule") for rule in ("top", "mid", "bottom")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("count", "package"), [(1, "{booktabs}"), (40, "{booktabs}"), (41, "{booktabs,longtable}")]
)
def test_a_table_has_a_caption_and_a_label_and_goes_on_over_pages_if_it_is_long(count, package):
    text = table("l", ["a"], [["x"]] * count, "50 % of a_b", "some-rows")
    assert text.startswith(rf"% \usepackage{package}")
    assert r"\caption{50 \% of a\_b}" in text
    assert r"\label{tab:some-rows}" in text
    assert text.count("x \\\\") == count
    assert text.count(r"\begin") == text.count(r"\end{")
