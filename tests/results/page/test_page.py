"""The page as a file: what it says, that it loads nothing, and that no text of users is code."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from results.analysis.reported import Results
from results.analysis.task_tree import agreement_of, task_tree, vector_similarity
from results.page.build import build_page
from results.page.library import FOLDER, SHA256, checksum
from results.page.origin import PageOrigin
from results.page.render import ASSETS, page_json
from results.plain_text import visible

HOSTILE = [
    "</script><script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "\u202eabc\u202c <!--",
    "&lt;b&gt;",
]


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._quiet = False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._quiet = tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._quiet = False

    def handle_data(self, text: str) -> None:
        self.text += "" if self._quiet else text


def embedded(html: str) -> dict:
    """The data of a page."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])


@pytest.fixture(scope="module")
def html(tables, write_rich, tmp_path_factory) -> str:
    """The page of the usual study; making it takes seconds."""
    return write_rich(tables, tmp_path_factory.mktemp("report")).read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_runs_only_its_own_scripts(html: str) -> None:
    page = Elements(html)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 3
    assert not {"iframe", "object", "embed", "base"} & set(tags)
    addresses = [
        value for _, attributes in page.elements for name, value in attributes.items() if name in {"src", "href"}
    ]
    assert all(re.match(r"#|data:image/jpeg;base64,|data:,$", address) for address in addresses)
    (policy,) = (a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert policy.count("'sha256-") == 2
    assert "unsafe-eval" not in policy


def test_the_table_shows_chance_levels_and_every_arm(html: str, tables) -> None:
    page = Elements(html)
    assert "chance 0.500" in page.text
    rows = [attributes["data-arm"] for tag, attributes in page.elements if tag == "tr" and "data-arm" in attributes]
    assert rows == tables["summary"]["arm_id"].tolist()
    for row in tables["summary"].to_dict("records"):
        assert f"{row['triplet_accuracy_mean']:.3f}" in page.text
    for part in ("test images", "best_trial_per_arm", "train seeds 1, 2, 3 (n = 3 trials per arm)"):
        assert part in page.text


def test_names_of_users_are_text_everywhere(study, tables_of, write) -> None:
    names = {"late": HOSTILE[0], "all": HOSTILE[1]}
    tasks = dict(zip(study.task_metrics["task"].unique(), HOSTILE, strict=False))
    for frame in (study.trials, study.task_metrics, study.storage, study.failures):
        for column, new in (("arm", names), ("task", tasks)):
            if column in frame:
                frame[column] = frame[column].replace(new)
    hostile = tables_of(study)
    hostile["failures"] = hostile["failures"].assign(message=HOSTILE[0])
    origin = replace(PageOrigin(), description=HOSTILE[1], notes=tuple(HOSTILE))
    html = write(hostile, origin).read_text(encoding="utf-8")
    page = Elements(html)
    assert [tag for tag, _ in page.elements].count("script") == 3
    assert not [
        1 for tag, attributes in page.elements if tag == "img" or any(key.startswith("on") for key in attributes)
    ]
    for name in HOSTILE:
        assert visible(name) in page.text
    assert "\u202e" not in html
    data = embedded(html)
    assert [arm["name"] for arm in data["arms"]] == [visible(name) for name in hostile["summary"]["arm"]]


def test_the_code_of_the_page_builds_no_html_from_text() -> None:
    for file in (ASSETS / "js").glob("*.js"):
        code = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", code), file


def test_the_library_is_the_pinned_release_with_its_licence() -> None:
    assert checksum() == SHA256
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1_500_000
    assert "Apache License" in (FOLDER / "LICENSE").read_text(encoding="utf-8")
    assert "Apache Software Foundation" in (FOLDER / "NOTICE").read_text(encoding="utf-8")


def test_a_study_without_results_has_a_page(tables, write) -> None:
    empty = {name: frame.iloc[:0] for name, frame in tables.items()}
    assert "There is no answer yet" in write(empty, PageOrigin()).read_text(encoding="utf-8")


def test_the_data_of_the_page_are_those_of_the_tables(tables) -> None:
    page = build_page(Results.of(tables), PageOrigin())
    row = tables["summary"].set_index("arm").loc["late"]
    (late,) = (arm for arm in page.arms if arm.name == "late")
    assert late.metrics["triplet_accuracy"].mean == row["triplet_accuracy_mean"]
    assert late.metrics["triplet_accuracy"].low == row["triplet_accuracy_low"]
    assert late.factors["placement"] == row["placement"]
    assert page.factors["placement"] == ("none", "embedding", "late", "all")
    assert page.failures[0].attempts == 1
    assert json.loads(page_json(page))["arms"][0]["id"] == page.arms[0].id


def test_tasks_that_share_their_factors_are_neighbours_in_the_tree() -> None:
    one, other = np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])
    similarity = vector_similarity([[np.stack([one, other, one, other])]])
    assert similarity == pytest.approx(np.array([[1, -1, 1, -1], [-1, 1, -1, 1], [1, -1, 1, -1], [-1, 1, -1, 1]]))
    tree = task_tree(similarity)
    assert {frozenset(tree.order[:2]), frozenset(tree.order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}
    assert [max(height for _, height in join) for join in tree.joins] == pytest.approx([0, 0, 2])
    assert vector_similarity([[np.ones((4, 3))]]) is None
    assert agreement_of(similarity, similarity) == pytest.approx(1)
    assert agreement_of(similarity, -similarity) == pytest.approx(-1)
