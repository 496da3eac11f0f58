"""What is cited of the theory is in it, and the papers that are cited are in its bibliography."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
THEORY = ROOT / "pg_core" / "theory.md"
OURS = sorted(
    path
    for folder in ("pg_core", "app", "tests")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".js", ".css") and path != Path(__file__)
)
FILES = [*OURS, ROOT / "README.md", THEORY]

CITATION = re.compile(r"(?:theory )?§\d+(?:(?:, | and | to )§\d+)*")
NUMBERS = re.compile(r"§(\d+)(?: to §(\d+))?")
KEY = re.compile(r"\[([A-Z][A-Za-z]+(?:\+\+)?)\](?!\(| = )")  # neither a link nor an assignment of JavaScript
OF_A_PAPER = re.compile(r"(?:\[[A-Za-z+]+\]|20\d\d,) (?:sections?|appendix) $")


def text_of(path: Path) -> str:
    """The file with the lines of a sentence joined, in comments too."""
    return re.sub(r"\s+(?:# )?", " ", path.read_text(encoding="utf-8"))


def prose_of(path: Path) -> str:
    """The docstrings and comments of a module, where brackets are no types; all of another file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return source
    docstrings = [
        node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\n".join([*docstrings, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


def theory_and_bibliography() -> tuple[str, str]:
    theory, bibliography = THEORY.read_text(encoding="utf-8").split("\n## Bibliography\n")
    return theory, bibliography


def sections() -> dict[int, str]:
    """The numbered sections of the theory."""
    parts = re.split(r"^## (\d+)\. ", theory_and_bibliography()[0], flags=re.MULTILINE)
    return dict(zip(map(int, parts[1::2]), parts[2::2], strict=True))


def cited_in(path: Path) -> Iterator[tuple[str, set[int], str]]:
    """Each citation: as it is written, the sections (of `§4 to §6` all three), and what comes after a comma."""
    text = text_of(path)
    for found in CITATION.finditer(text):
        numbers = {
            number
            for first, last in NUMBERS.findall(found[0])
            for number in range(int(first), int(last or first) + 1)
        }
        rest = re.match(r", (?=[A-Z])", text[found.end() :])
        yield found[0], numbers, text[found.end() + 2 : found.end() + 80] if rest else ""


def test_the_sections_are_numbered_without_a_gap():
    assert list(sections()) == list(range(1, len(sections()) + 1))


def test_every_section_and_paragraph_that_is_cited_exists():
    known = sections()
    for path in FILES:
        for citation, numbers, rest in cited_in(path):
            assert path == THEORY or citation.startswith("theory "), f"{path}: {citation}"
            assert numbers <= known.keys(), f"{path}: {citation}"
            paragraphs = re.findall(r"^### (.+)$", known[max(numbers)], flags=re.MULTILINE)
            assert not rest or rest.startswith(tuple(paragraphs)), f"{path}: {citation}, {rest}"


def test_a_section_that_is_not_of_the_theory_is_one_of_a_named_paper():
    for path in FILES:
        text = text_of(path)
        for found in re.finditer(r"\b(?:[Ss]ections?|[Aa]ppendix) (?=\d|[A-Z]\b)", text):
            cited = text[found.start() - 40 : found.end() + 10]
            assert OF_A_PAPER.search(text[: found.end()]), f"{path}: {cited}"


def test_every_section_is_cited_by_a_module_or_says_that_it_is_background():
    modules = [path for path in OURS if path.is_relative_to(ROOT / "pg_core")]
    cited = {number for path in modules for _, numbers, _ in cited_in(path) for number in numbers}
    background = {number for number, section in sections().items() if "\n*Background: " in section}
    assert cited | background == sections().keys()


def test_every_paper_that_is_cited_by_a_key_is_in_the_bibliography():
    defined = re.findall(r"^- \*\*\[(.+?)\]\*\* ", theory_and_bibliography()[1], flags=re.MULTILINE)
    assert len(defined) == len(set(defined))
    for path in FILES:
        assert set(KEY.findall(prose_of(path))) <= set(defined), path
