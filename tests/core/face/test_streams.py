"""Frames of several faces side by side (issue 14, sections 3 and 4)."""

from __future__ import annotations

import pytest

from followemoji_core.face.streams import at_rate, together


def test_paste_holds_the_last_frame_of_shorter_streams():
    streams = [["a"], ["x", "y", "z"]]
    assert [frames for _, frames in together("12345", streams, True)] == [["a", "x"], ["a", "y"], ["a", "z"]]
    assert "".join(picture for picture, _ in together("12345", streams, False)) == "123"
    assert "".join(picture for picture, _ in together("12", streams, False)) == "12"
    assert "".join(picture for picture, _ in together("12345", [["a"]], False)) == "12345"
    assert len(list(together("12345", [["a"]], True))) == 1


@pytest.mark.parametrize(
    "fps, rate, shown",
    [(50, 25, "acegi"), (12.5, 25, "aabbccddeeffgghhiijj"), (30, 25, "abcdeghij"), (25, 25, "abcdefghij")],
)
def test_paste_of_faces_at_other_rates_keeps_their_pace(fps, rate, shown):
    """Ten frames last as long as before, to a frame; each beat shows the frame that is due."""
    assert "".join(at_rate("abcdefghij", fps, rate)) == shown
    assert len(shown) == -(-10 * rate // fps)
