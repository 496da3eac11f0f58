"""How many hostile files and links were tried, and what became of them, at the end of every run."""

import pytest

_COUNTED = pytest.StashKey[dict[str, dict[str, bool | None]]]()


@pytest.fixture
def counted(request):
    """Count a case of a kind, and whether it was accepted."""
    kinds = request.config.stash.setdefault(_COUNTED, {})

    def count(kind, name, accepted):
        kinds.setdefault(kind, {})[name] = accepted

    return count


def pytest_terminal_summary(terminalreporter):
    kinds = terminalreporter.config.stash.get(_COUNTED, {})
    parts = [
        f"{len(found)} {kind} ({sum(map(bool, found.values()))} accepted, "
        f"{len(found) - sum(map(bool, found.values()))} refused)"
        for kind, found in kinds.items()
    ]
    if parts:
        terminalreporter.write_line(f"hostile corpus: {', '.join(parts)}")
