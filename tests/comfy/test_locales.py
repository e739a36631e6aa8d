"""The pack in other languages: every text is there, in every language."""

import pytest

from tests.list_words import LANGUAGES, LOCALES, complaints, english, texts


@pytest.fixture(scope="module")
def source():
    return english()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language, source):
    assert complaints(LOCALES / language, source) == []


def test_the_languages():
    assert {path.name for path in LOCALES.iterdir()} == set(LANGUAGES)


def test_texts_go_into_the_frontends_messages_as_they_are(source):
    """None of vue-i18n's own characters in what the frontend shows, or old ones stop at a syntax error."""
    shown = {**source, "main": {key: value for key, value in source["main"].items() if key != "followEmoji"}}
    assert [text for _, text in texts(shown) if set(text) & set("{}@|")] == []
