"""The museum without a browser: each exhibit is an address, and is broken where the library breaks it."""

import pytest
from streamlit.testing.v1 import AppTest

from pg_core.analysis.exhibits import exhibits
from tests.app.test_page import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def museum():
    from app import links
    from app.views.museum import page

    links.follow()
    page.show()


@pytest.mark.parametrize("exhibit", exhibits(), ids=lambda exhibit: exhibit.name)
def test_an_exhibit_is_certified_until_it_is_broken(exhibit):
    app = AppTest.from_function(museum, default_timeout=PATIENCE)
    app.query_params["exhibit"] = exhibit.name
    app.run()
    assert not app.exception
    assert app.subheader[0].value == exhibit.title
    (before,) = [box.value for box in app.info]
    assert before == f"Without a patch the answer is class {exhibit.label}, and it is called certified."
    (table,) = [box.value for box in app.markdown if "| bound |" in box.value]
    assert table.count("✔ certified") == 1 + exhibit.holds().certified
    app.toggle(key=f"museum-break-{exhibit.name}").set_value(True).run()
    assert not app.exception
    (after,) = [box.value for box in app.error]
    broken = exhibit.broken()
    assert f"Class {int(broken.prediction.label)} wins with" in after
    assert ("the answer stays" in after) == exhibit.holds().certified
