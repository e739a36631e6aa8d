"""The evaluation's report and the user study in a real browser: looked at, played by keyboard, answered to the end."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from followemoji_core.evaluation.emojibench.cases import open_bench
from followemoji_core.evaluation.emojibench.report import write_report
from followemoji_core.evaluation.emojibench.study import QUESTIONS, write_study
from followemoji_core.evaluation.emojibench.study_answers import read_study, write_result
from tests import bench_folder

METHODS = ["model", "warp", "noise"]
ORDER = "[...document.querySelectorAll('#tries video')].map((video) => video.src).join()"
SIZES = {"desk": (1600, 900), "phone": (390, 844)}


class Page:
    """A local page in a fresh context; what it complained about, and what it asked for from elsewhere."""

    def __init__(self, browser, path: Path, size: str = "desk", scheme: str = "light", mark: str = "") -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=size == "phone", offline=True
        )
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri() + mark)

    def __enter__(self):
        return self.page

    def __exit__(self, kind, error, trace) -> None:
        if kind is None:
            assert self.complaints == []
            foreign = [url for url in self.asked if not url.startswith(("file:", "data:", "blob:"))]
            assert foreign == [], "nothing is fetched, nothing is sent"
        self.context.close()


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def until(page, expression: str, arg=None) -> None:
    """Wait for it; playwright's own way is forbidden by the page's policy."""
    deadline = time.monotonic() + 30
    while not page.evaluate(expression, arg):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def shot(page, name: str) -> None:
    if folder := os.environ.get("FOLLOWEMOJI_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = bench_folder.make(tmp_path_factory.mktemp("bench"), 4)
    bench_folder.score(made, without={("self-1", "warp")})
    return made


@pytest.fixture(scope="module")
def report(bench) -> Path:
    return write_report(bench, bench.folder)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_evaluation_report_opens_without_a_word(browser, report, size, scheme):
    with Page(browser, report, size, scheme) as page:
        for player in page.locator(".player").all():
            player.scroll_into_view_if_needed()
            loaded = "(player) => [...player.querySelectorAll('video')].every((video) => video.readyState >= 2)"
            until(page, loaded, player.element_handle())
        if size == "phone":
            assert page.evaluate("document.querySelectorAll('video[src]').length") < 30, "others are let go"
        assert fits(page) and page.locator(".player").count() == 6 and page.locator("svg.plot").count() == 6
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(23, 23, 27)")
        shot(page, f"report_{scheme}_{size}")


def test_the_evaluation_report_plays_in_step_by_keyboard(browser, report):
    with Page(browser, report) as page:
        player = page.locator(".player").first
        player.locator(".play").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press(".")
        assert player.locator(".frame").text_content() == "3 / 8"
        shown = "[...document.querySelector('.player').querySelectorAll('video')].map((video) => video.currentTime)"
        assert page.evaluate(shown) == pytest.approx([2.5 / 25] * 5, abs=1e-3)
        page.keyboard.press("End")
        assert player.locator(".frame").text_content() == "8 / 8"
        page.keyboard.press("Home")
        page.keyboard.press("ArrowLeft")
        assert player.locator(".frame").text_content() == "1 / 8"
        page.keyboard.press("Space")  # the button's own
        until(page, "document.querySelector('.frame').textContent !== '1 / 8'")
        assert player.locator(".play").text_content() == "Pause"
        times = page.evaluate(shown)
        assert max(times) - min(times) <= 0.12
        page.keyboard.press("k")
        assert player.locator(".play").text_content() == "Play"
        player.locator(".seek").focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        assert player.locator(".frame").text_content() == "2 / 8"
        # What the frame shows is the frame: the block moves by 5 pixels each.
        place = """(index) => {
            const video = document.querySelectorAll('.player')[0].querySelectorAll('video')[index];
            const canvas = new OffscreenCanvas(64, 64), pen = canvas.getContext('2d');
            pen.drawImage(video, 0, 0, 64, 64);
            const data = pen.getImageData(0, 29, 64, 1).data;
            const far = Array.from({ length: 64 }, (_, column) => [0, 1, 2]
                .reduce((sum, part) => sum + Math.abs(data[4 * column + part] - data[4 * 63 + part]), 0));
            return far.findIndex((value) => value > Math.max(...far) / 2);
        }"""
        page.keyboard.press("End")
        page.wait_for_timeout(300)
        assert [page.evaluate(place, index) for index in range(5)] == pytest.approx([44] * 5, abs=1)


def test_the_evaluation_report_lets_no_string_be_markup(browser, tmp_path):
    """Every word that comes from a file is hostile; none becomes an element or runs, and all are there to be read."""
    evil = "<img src=x onerror=alert(1)><script>window.ran=1</script>\"'&{{x}}"
    bench = bench_folder.make(tmp_path, 1)
    bench_folder.score(bench, {name: f"{name} {evil}" for name in bench_folder.METHODS})
    for name in ("scores.json", "scores.csv", "benchmark.json"):
        path = tmp_path / name
        text = path.read_text("utf-8")
        if name == "scores.json":
            about = json.loads(text)
            about["methods"]["warp"] |= {"about": evil, "reason": evil}
            about["methods"]["absent"] = {"label": evil, "about": evil, "reason": evil}
            about["notes"] = [evil]
            for metric in about["metrics"].values():
                metric |= {"label": f"{metric['label']} {evil}", "about": evil, "unit": evil}
            about["metrics"]["fvd"]["missing"] = evil
            path.write_text(json.dumps(about), "utf-8")
        elif name == "scores.csv":
            quoted = evil.replace('"', '""')
            path.write_text(
                text.replace("l1,0.3,\n", f'l1,0.3,"{quoted}"\n') + f'x,self,p0,d0,warp,l1,,"{quoted}"\n', "utf-8"
            )
        else:
            about = json.loads(text)
            path.write_text(json.dumps(about | {"notes": [evil]}), "utf-8")
    with Page(browser, write_report(open_bench(tmp_path), tmp_path / "page.html")) as page:
        assert page.evaluate("[window.ran, document.scripts.length]") == [None, 1]
        assert page.locator("img[src='x'], [onerror]").count() == 0
        assert page.locator("body").inner_text().count("<img src=x onerror=alert(1)>") > 20


@pytest.fixture(scope="module")
def study(bench):
    return write_study(bench, bench.folder / "study", METHODS, cases=3, seed=5)


def rate(page, study, name: str, wanted: list[str]) -> None:
    """Answer every page by keyboard as a rater who always prefers methods in that order, looking into the key."""
    key = json.loads(study.key.read_text())
    page.keyboard.press("Tab")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    for number in range(study.cases):
        assert page.locator("#case-title").text_content() == f"Page {number + 1} of {study.cases}"
        shown = page.evaluate(
            "[...document.querySelectorAll('#questions fieldset')[0].querySelectorAll('[data-candidate]')]"
            ".map((button) => button.dataset.candidate)"
        )
        methods = {name: method for each in key["cases"].values() for name, method in each["candidates"].items()}
        letters = {methods[candidate]: chr(97 + index) for index, candidate in enumerate(shown)}
        page.keyboard.press(letters[wanted[-1]])  # a mistake, taken back
        page.keyboard.press("Backspace")
        for _ in QUESTIONS:
            assert page.locator("#next").is_disabled()
            for method in wanted[:-1]:
                page.keyboard.press(letters[method])
        page.keyboard.press("Enter")


def test_the_user_study_from_page_to_table(browser, study, tmp_path):
    """Three simulated raters, labelled so, answer by keyboard; one closes the page and goes on; their files make the
    table."""
    orders = {"Sim one": METHODS, "Sim two": METHODS, "Sim three": ["warp", "model", "noise"]}
    files, seen = [], set()
    for name, wanted in orders.items():
        with Page(browser, study.page, mark="#simulated") as page:
            assert page.locator("#simulated").is_visible()
            rate(page, study, name, wanted)
            assert "Everything is answered" in page.locator("#end-text").text_content()
            if name == "Sim two":
                page.reload()
                assert page.locator("#begin").text_content() == "Go on"
                page.locator("#begin").press("Enter")
            with page.expect_download() as download:
                page.locator("#end .save").press("Enter")
            path = tmp_path / download.value.suggested_filename
            download.value.save_as(path)
            files.append(path)
            answers = json.loads(path.read_text())
            assert answers["simulated"] is True and answers["name"] == name and len(answers["answers"]) == 3
            seen.add(answers["rater"])
    assert len(seen) == 3
    text = write_result(read_study(study.key, files), tmp_path / "result")
    assert "3 SIMULATED raters, 3 cases" in text and text.count("9 of 9 | nothing |") == 3
    result = read_study(study.key, files)
    assert result.mean_rank("identity", "model")[0] == pytest.approx(4 / 3)
    assert result.mean_rank("overall", "noise") == pytest.approx((3, 3, 3))
    assert result.agreement("expression")[0] == pytest.approx(12 * (4 + 1 + 9) / (9 * 24))
    if folder := os.environ.get("FOLLOWEMOJI_SCREENSHOTS"):
        (Path(folder) / "study.md").write_text(text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_user_study_on_a_phone(browser, study, scheme):
    """By touch; what is there can be saved at any time; people are not labelled as simulated; orders differ."""
    orders = set()
    for _ in range(2):
        with Page(browser, study.page, "phone", scheme) as page:
            assert not page.locator("#simulated").is_visible() and fits(page)
            page.locator("#name").fill("Ann")
            page.locator("#begin").tap()
            until(page, "[...document.querySelectorAll('video')].every((video) => video.readyState >= 2)")
            assert page.locator("figure video").count() == 4 and fits(page)
            orders.add(page.evaluate(ORDER))
            first = page.locator("fieldset").first
            first.get_by_label("B, no place yet").tap()
            first.get_by_label("C, no place yet").tap()
            assert first.locator(".order").text_content() == "Best first: B, C, A"
            with page.expect_download() as download:
                page.locator("#case .save").tap()
            answers = json.loads(Path(download.value.path()).read_text())
            assert answers["simulated"] is False
            ((question, ranks),) = next(iter(answers["answers"].values())).items()
            assert question == "expression" and sorted(ranks.values()) == [1, 2, 3]
            shot(page, f"study_{scheme}_phone")
    for _ in range(8):  # two people may well draw the same order of three cases and three tries
        with Page(browser, study.page) as page:
            page.locator("#name").fill("Ann")
            page.locator("#begin").click()
            orders.add(page.evaluate(ORDER))
    assert len(orders) > 1
    with Page(browser, study.page, "desk", scheme) as page:
        page.locator("#name").fill("Ann")
        page.locator("#begin").click()
        page.wait_for_timeout(300)
        shot(page, f"study_{scheme}_desk")


def test_the_user_study_is_not_stopped_by_many_videos(browser, study):
    """Browsers hold a few dozen videos: those of pages that were left are let go."""
    with Page(browser, study.page) as page:
        page.locator("#name").fill("Ann")
        page.locator("#begin").click()
        page.evaluate("for (let times = 0; times < 40; times++) { turn(1); turn(-1); }")
        until(page, "[...document.querySelectorAll('video')].every((video) => video.readyState >= 2)")
