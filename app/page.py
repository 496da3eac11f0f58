"""What runs for every session: page config, navigation and the shared sidebar; no content."""

import streamlit as st

from app.document import TITLE

st.set_page_config(page_title="PatchGuard Explorer", page_icon="🛡️", layout="wide")
head = st.container(horizontal=True, vertical_alignment="center", key="head")
head.html(TITLE)
share = head.container(width="content")


def _explore() -> None:
    from app.views.explore import page as explore

    explore.show(chosen, debugger_page, about_page, story_page)


def _story() -> None:
    from app.views.story import page as story

    story.show(chosen, explore_page, attack_page, figure5_page, steps_page, museum_page)


def _debugger() -> None:
    from app.views.debugger import page as debugger

    debugger.show(chosen)


def _steps() -> None:
    from app.views.steps import page as steps

    steps.show(chosen)


def _figure5() -> None:
    from app.views.figure5 import page as figure5

    figure5.show(chosen)


def _placements() -> None:
    from app.views.placements import page as placements

    placements.show(chosen, explore_page)


def _attack() -> None:
    from app.views.attack import page as attack

    attack.show(chosen, explore_page)


def _compare() -> None:
    from app.views.compare import page as compare

    compare.show(chosen)


def _quiz() -> None:
    from app.views.quiz import page as quiz

    quiz.show(chosen)


def _museum() -> None:
    from app.views.museum import page as museum

    museum.show()


def _check() -> None:
    from app.views.check import page as check

    check.show()


def _networks() -> None:
    from app.views.networks import page as networks

    networks.show()


def _results() -> None:
    from app.views.results import page as results

    results.show(atlas_page)


def _atlas() -> None:
    from app.views.atlas import page as atlas

    atlas.show(debugger_page, chosen)


# A click on another page leaves the address bare. Said before the name of the page, the rest of the address makes one
# entry in the browser's history with it, not a second.
if len(st.query_params) == 0 and "address" in st.session_state:
    st.query_params.from_dict(st.session_state["address"])


def _about() -> None:
    from app.views.about import page as about

    about.show()


explore_page = st.Page(_explore, title="Explore", url_path="explore", default=True)
about_page = st.Page(_about, title="About", url_path="about")
debugger_page = st.Page(_debugger, title="Debugger", url_path="debugger")
story_page = st.Page(_story, title="Story", url_path="story")
figure5_page = st.Page(_figure5, title="Figure 5", url_path="figure5")
steps_page = st.Page(_steps, title="Steps", url_path="steps")
museum_page = st.Page(_museum, title="Museum", url_path="museum")
atlas_page = st.Page(_atlas, title="Atlas", url_path="atlas")
attack_page = st.Page(_attack, title="Attack", url_path="attack")
main_pages = [
    explore_page,
    debugger_page,
    figure5_page,
    steps_page,
]
other_pages = [
    story_page,
    st.Page(_quiz, title="Quiz", url_path="quiz"),
    st.Page(_placements, title="Placements", url_path="placements"),
    attack_page,
    st.Page(_compare, title="Compare", url_path="compare"),
    museum_page,
    st.Page(_check, title="Check a certificate", url_path="check"),
    st.Page(_networks, title="Networks", url_path="networks"),
    st.Page(_results, title="Results", url_path="results"),
    atlas_page,
    about_page,
]
# Before anything that can be clicked: until the browser knows the pages, a click leads to the first of them.
page = st.navigation([*main_pages, *other_pages], position="top")

# Imported after the title is on its way to the browser.
from app import links, opening, sharing, sidebar  # noqa: E402
from app.components import bar, charts  # noqa: E402
from app.state import photos  # noqa: E402
from pg_core.photos import memory  # noqa: E402

charts.preload()
bar.bar(main_pages, other_pages, page)
links.follow()
tray = st.sidebar.container()
chosen = sidebar.sidebar()
photos.door()
opening.about_the_link()
page.run()
links.write(chosen)
st.set_page_config(page_title=sharing.title(page.title, chosen))
with share:
    sharing.share(chosen)
with tray:
    opening.tray(chosen)
memory.give_back()  # about 15 ms; while a patch is dragged only the stage runs, which keeps what it needs again
