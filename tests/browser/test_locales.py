"""The pack in Chinese, in the current frontend and in the oldest supported one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Frontend
from tests.list_words import LOCALES, read

SETTING, HINT = "Comfy.Locale", "FollowEmoji.EditorHintSeen"
EDITOR = "FollowEmojiExpressionEditor"
PUT = """async (type) => {
    window.app.graph.clear();
    const node = window.LiteGraph.createNode(type);
    window.app.graph.add(node);
    node.pos = [60, 60];
    window.app.canvas.ds.scale = 1;
    window.app.canvas.ds.offset = [300, 100];
    window.app.canvas.setDirty(true, true);
    const labels = (slots) => Object.fromEntries(slots.map((slot) => [slot.name, slot.label || slot.localized_name]));
    const [x, y] = window.app.canvasPosToClientPos(node.getConnectionPos(true, 0));
    return { title: node.title, inputs: labels(node.inputs), place: [x, y] };
}"""


@pytest.fixture
def speaking(both_servers, browser) -> Iterator[Any]:
    """speaking(language) -> a page in it; English again afterwards. The server keeps what the settings dialog sets."""
    before = both_servers.get("/settings").get(HINT, False)
    pages = []

    def speak(language: str) -> Frontend:
        both_servers.post("/settings", {SETTING: language, HINT: False})
        pages.append(Frontend(browser, both_servers))
        pages[-1].complaints.clear()  # old frontends complain of themselves when they start
        return pages[-1]

    yield speak
    both_servers.post("/settings", {SETTING: "en", HINT: before})
    for each in pages:
        each.page.close()


def test_chinese(speaking, tmp_path):
    """A node's title, an input's label and its tooltip, an editor's buttons, our setting."""
    words = read(LOCALES / "zh")
    node, said = words["nodeDefs"][EDITOR], words["main"]["followEmoji"]
    frontend = speaking("zh")
    page = frontend.page
    put = page.evaluate(PUT, EDITOR)
    assert put["title"] == node["display_name"]
    assert put["inputs"]["portrait"] == node["inputs"]["portrait"]["name"]
    page.locator(".fye-button", has_text=said["editor"]["mirror"]).wait_for()
    assert page.get_by_label(said["editor"]["mirror_hint"], exact=True).count() == 1
    page.get_by_text(said["editor"]["got_it"], exact=True).wait_for()
    x, y = put["place"]
    page.mouse.move(x + 60, y - 60)
    page.mouse.move(x + 1, y, steps=5)
    page.locator(".node-tooltip", has_text=node["inputs"]["portrait"]["tooltip"]).wait_for()
    page.screenshot(path=str(tmp_path / "chinese.png"))
    assert frontend.complaints == []
    page.evaluate("() => window.app.extensionManager.command.execute('Comfy.ShowSettingsDialog')")
    page.get_by_text("Follow-Your-Emoji", exact=True).first.click()
    page.get_by_text(words["settings"]["FollowEmoji_Preview"]["name"]).wait_for()
    page.get_by_text(words["main"]["settingsCategories"]["Sampling"]).first.wait_for()
    page.screenshot(path=str(tmp_path / "settings.png"))


def test_german_only_where_the_frontend_lets_one_choose_it(speaking):
    """1.27 takes any language that a pack brings; later ones only their own, German not among them: all is English."""
    page = speaking("de").page
    language = page.evaluate("(name) => window.app.extensionManager.setting.get(name)", SETTING)
    assert language in ("de", "en")
    german = read(LOCALES / "de")["nodeDefs"][EDITOR]["display_name"]
    assert page.evaluate(PUT, EDITOR)["title"] == {"de": german, "en": "Expression Editor"}[language]
