"""The page in headless Chromium, as a reader sees and uses it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from results.analysis.comparison.studies import ComparedStudy, compare_studies
from results.analysis.reported import Results
from results.page.comparison.build import write_comparison
from results.page.origin import PageOrigin
from results.page.writing import write_page

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

CHARTS = ("tradeoff", "ranking", "factors", "tasks", "gains", "task-map", "curves", "agreement", "vectors", "tree")
CHARTS += ("profiles", "improvement", "relative", "variance", "storage", "growth")
HOSTILE = "</script><script>window.broken = true</script><img src=x onerror='window.broken = true'>\u202e"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, make_study, tables_of, write_rich) -> Path:
    """The page of a made-up study with everything on it, initializations included."""
    study = make_study()
    levels = {"embedding+normal(0.9,0.7)": "normal(0.9,0.7)", "embedding+disjoint(0)-frozen": "disjoint(0)-frozen"}
    study.trials["initialization"] = study.trials["arm"].map(levels).fillna("ones")
    tables = tables_of(study)
    return write_rich(tables, tmp_path_factory.mktemp("report"))


def point_of(browser: Any, chart: str, arm: str) -> tuple[float, float]:
    """Where the point of an arm is on the screen."""
    return browser.value(
        f"""(() => {{
          const node = document.querySelector('[data-chart={chart}]'), chart = echarts.getInstanceByDom(node);
          node.scrollIntoView({{block: 'center'}});
          const at = chart.getOption().series.findIndex((one) => one.type === 'scatter');
          const id = data_of().arms.find((arm) => arm.name === {json.dumps(arm)}).id;
          const found = chart.getOption().series[at].data.find((one) => one.arm === id);
          const [x, y] = chart.convertToPixel({{seriesIndex: at}}, found.value), box = node.getBoundingClientRect();
          return [box.x + x, box.y + y];
        }})()""".replace("data_of()", "JSON.parse(document.getElementById('data').textContent)")
    )


def tooltip(browser: Any, chart: str, arm: str) -> str:
    x, y = point_of(browser, chart, arm)
    for step in (-4, 0):
        browser.page.mouse.move(x + step, y)
    tip = browser.page.locator(f"[data-chart={chart}] .tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text(
        re.compile(rf"^\s*{re.escape(arm)}\n"), use_inner_text=True
    )  # not that of another point
    return tip.inner_text()


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (390, False)], ids=["wide", "dark", "narrow"])
def test_every_figure_is_drawn_and_nothing_complains(browser: Any, page: Path, width: int, dark: bool) -> None:
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(page, width=width, dark=dark)
    for chart in CHARTS:
        marks = browser.value(f"document.querySelectorAll('[data-chart={chart}] svg path').length")
        canvas = browser.value(f"document.querySelectorAll('[data-chart={chart}] canvas').length")
        assert marks > 5 or canvas, chart
        label = browser.value(f"document.querySelector('[data-chart={chart}]').getAttribute('aria-label')")
        assert len(label) > 20, chart
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.complaints == []
    assert {address.partition(":")[0] for address in browser.requests} <= {"file", "data", "about"}


def test_a_pointer_on_a_point_names_its_arm(browser: Any, page: Path) -> None:
    browser.open(page)
    for chart in ("tradeoff", "ranking"):
        told = tooltip(browser, chart, "late")
        assert told.startswith("late\ntriplet accuracy 0.8")
        assert "n = 3" in told


def test_filters_search_and_order_are_kept_in_the_address(browser: Any, page: Path) -> None:
    browser.open(page)
    rows = "[...document.querySelectorAll('#arms-table tbody tr')]"
    shown = f"{rows}.filter((row) => !row.hidden).map((row) => row.cells[0].innerText)"
    everything = browser.value(shown)
    browser.value(
        "(() => { const select = document.querySelector('[data-filter=placement]'); select.value = 'late';"
        " select.dispatchEvent(new Event('change')); })()"
    )
    assert browser.value(shown) == ["late", "late+network_per_task"]
    chart = "echarts.getInstanceByDom(document.querySelector('[data-chart=tradeoff]'))"
    points = f"{chart}.getOption().series.at(-1).data.length"
    assert browser.value(points) == 2
    browser.value("document.querySelector('th[data-key=triplet_accuracy] button').click()")
    address = browser.value("location.hash")
    assert "placement=late" in address
    assert browser.value(shown) == ["late+network_per_task", "late"]
    browser.open(page, fragment=address)
    assert browser.value(shown) == ["late+network_per_task", "late"]
    assert browser.value("document.querySelector('[data-filter=placement]').value") == "late"
    browser.value("[...document.querySelectorAll('#filters button')].find((b) => b.innerText === 'Reset').click()")
    assert browser.value(shown) == everything


def test_the_keyboard_sorts_the_table_and_picks_an_arm(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.value("document.querySelector('th[data-key=added] button').focus()")
    browser.page.keyboard.press("Enter")
    expect(browser.page.locator("th[data-key=added]")).to_have_attribute("aria-sort", "descending")
    browser.value("document.querySelector('tr[data-arm] button').focus()")
    browser.page.keyboard.press("Enter")
    expect(browser.page.locator("tr[aria-selected=true]")).to_have_count(1)


STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
FORMS = ("scale_shift", "low_rank_convolution(8)", "squeeze_excite(16)", "batch_norm_statistics", "parallel_adapter")
OVERFLOW = "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('#arms .scroll'))"
COLUMNS = "[...document.querySelectorAll('#arms-table th[data-key]')].filter((head) => head.offsetWidth).length"
ALL_COLUMNS = 13


@pytest.fixture(scope="module", params=[12, 30])
def arms_page(request: Any, tmp_path_factory: Any, make_study, made_arm, tables_of) -> Path:
    """The page of a usual study: arms with names as long as they are, seven tasks whose chance levels differ."""
    arms = [made_arm("separate", (), 0.871, 7), made_arm("shared", (), 0.742)]
    arms += [
        made_arm(f"{placement}+{form}", STAGES[number:], 0.75 + 0.01 * number)
        for number, placement in enumerate(("late", "embedding", "res3..fc", "all", "res5..fc", "early"))
        for form in FORMS
    ]
    study = make_study(tuple(arms[: request.param]))
    study.task_metrics["chance"] = 0.5 + 0.01 * study.task_metrics["task"].rank(method="dense")
    worst = study.task_metrics["arm"].eq("late+scale_shift") & study.task_metrics["task"].eq("smiling")
    study.task_metrics.loc[worst, "value"] = 0.6  # another task than that of the others, with another chance level
    folder = tmp_path_factory.mktemp("arms")
    return write_page(Results.of(tables_of(study)), folder, PageOrigin())


@pytest.mark.parametrize("width", [1280, 1265], ids=["whole", "beside a scroll bar"])
def test_the_table_of_arms_fits_its_column(browser: Any, arms_page: Path, width: int) -> None:
    browser.open(arms_page, width=width)
    assert browser.value(OVERFLOW) == 0
    assert "(its chance)" in browser.value("document.querySelector('#arms-table thead').innerText")
    below = "(cell) => cell.children[1] && cell.children[1].offsetTop > cell.children[0].offsetTop + 9"
    assert not browser.value(f"[...document.querySelectorAll('#arms-table td.estimate')].some({below})")


def test_more_columns_come_by_keyboard_and_stay_in_the_address(browser: Any, arms_page: Path) -> None:
    browser.open(arms_page, width=1280)
    assert browser.value(COLUMNS) < ALL_COLUMNS
    button = browser.page.locator("button.columns")
    button.focus()
    browser.page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    assert browser.value(COLUMNS) == ALL_COLUMNS
    browser.value("document.querySelector('th[data-key=recall_at_1] button').click()")
    browser.open(arms_page, width=1280, fragment=browser.value("location.hash"))
    assert browser.value(COLUMNS) == ALL_COLUMNS
    button.focus()
    browser.page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "false")
    assert browser.value("location.hash") == ""  # nor is the table ordered by what is hidden


def test_paper_has_every_column_and_room_for_them(browser: Any, arms_page: Path) -> None:
    browser.open(arms_page, width=1032)  # A4 across, less its margins
    browser.page.emulate_media(media="print")
    try:
        assert browser.value(COLUMNS) == ALL_COLUMNS
        assert browser.value("document.getElementById('arms-table').offsetWidth") <= 1032
        assert browser.value("document.querySelector('button.columns').offsetWidth") == 0
    finally:
        browser.page.emulate_media(media="screen")


def test_a_narrow_screen_keeps_names_in_their_column(browser: Any, arms_page: Path) -> None:
    browser.open(arms_page, width=390)
    assert browser.value("document.documentElement.scrollWidth") <= 390
    wide = "(name) => name.scrollWidth > name.clientWidth"
    assert not browser.value(f"[...document.querySelectorAll('#arms-table tbody th')].some({wide})")


def test_any_two_arms_are_compared_in_a_sentence(browser: Any, page: Path) -> None:
    browser.open(page)
    said = browser.value("document.querySelector('.pair').innerText")
    assert "n = 3 common seeds" in said
    assert "Holm's correction over all" in said


def test_hostile_names_are_text(browser: Any, tmp_path: Path, make_study, tables_of) -> None:
    study = make_study()
    for frame in (study.trials, study.task_metrics, study.storage, study.failures):
        frame["arm"] = frame["arm"].replace({"late": HOSTILE})
        if "task" in frame:
            frame["task"] = frame["task"].replace({"hat": HOSTILE})
    tables = tables_of(study)
    browser.complaints.clear()
    browser.open(write_page(Results.of(tables), tmp_path, PageOrigin(HOSTILE, notes=(HOSTILE,))))
    name = HOSTILE.replace("\u202e", "\\u202e")
    assert name in browser.value("document.body.innerText")
    assert name in tooltip(browser, "ranking", name)
    assert browser.value("window.broken === undefined")
    assert browser.complaints == []


@pytest.fixture
def large(make_study, made_arm, tables_of) -> dict[str, Any]:
    """The tables of a thousand trials."""
    points = ("conv1", "res2", "res3", "res4", "res5", "fc")
    arms = tuple(
        made_arm(f"arm {number}", points[: number % 7], 0.6 + 0.002 * number, 7 if number % 10 == 0 else 1)
        for number in range(1, 101)
    )
    return tables_of(make_study(arms, seeds=(1, 2, 3, 4, 5, 6)))


def test_a_study_of_a_thousand_trials_stays_small_and_opens(browser: Any, tmp_path: Path, large, write_rich) -> None:
    assert len(large["trials"]) == 1000
    page = write_rich(large, tmp_path)
    assert page.stat().st_size < 5_000_000
    browser.complaints.clear()
    browser.open(page)
    assert browser.value("document.querySelectorAll('#arms-table tbody tr').length") == 100
    assert browser.complaints == []


@pytest.mark.parametrize(("width", "dark"), [(1400, True), (390, False)], ids=["wide", "narrow"])
def test_studies_side_by_side(browser: Any, tmp_path: Path, tables: dict[str, Any], width: int, dark: bool) -> None:
    studies = [ComparedStudy(name, Results.of(tables), {"epochs": name}) for name in ("faces", HOSTILE)]
    write_comparison(compare_studies(studies), tmp_path / "comparison.html")
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(tmp_path / "comparison.html", width=width, dark=dark)
    for chart in ("beside", "cost", "by-task"):
        assert browser.value(f"document.querySelectorAll('[data-chart={chart}] svg path').length") > 5, chart
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert HOSTILE.replace("\u202e", "\\u202e") in browser.value("document.body.innerText")
    browser.value("document.querySelector('th[data-key=\"study:0\"] button').click()")
    assert browser.value("document.querySelector('#arms-table tbody tr').innerText").startswith("separate")
    browser.value("document.querySelector('[data-numbers=tasks]').open = true")
    browser.wait("document.querySelectorAll('[data-numbers=tasks] tbody tr').length === 7")
    assert browser.value("window.broken === undefined")
    assert browser.complaints == []
    assert {address.partition(":")[0] for address in browser.requests} <= {"file", "data", "about"}


def test_axes_of_accuracies_end_at_one(browser: Any, tmp_path: Path, make_study, made_arm, tables_of) -> None:
    arms = (made_arm("shared", (), 0.8), made_arm("separate", (), 0.99, 7))
    tables = tables_of(make_study(arms, seeds=(1, 2)))
    assert tables["summary"]["triplet_accuracy_high"].max() > 1
    browser.open(write_page(Results.of(tables), tmp_path, PageOrigin()))
    for chart in ("tradeoff", "ranking", "tasks", "storage"):
        texts = browser.value(
            f"[...document.querySelectorAll('[data-chart={chart}] svg text')].map(t => t.textContent)"
        )
        numbers = [float(text) for text in texts if re.fullmatch(r"\d\.\d+", text)]
        assert max(numbers) == 1, chart


def test_it_prints(browser: Any, page: Path) -> None:
    browser.open(page, dark=True)
    assert len(browser.page.pdf()) > 50_000
    # On paper nothing shows what was picked.
    assert "share of variance for accuracy" in browser.value(
        "document.querySelector('[data-chart=variance]').textContent"
    )
