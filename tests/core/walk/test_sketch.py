"""Where a warp of a portrait is not to be trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.face.align import AlignOptions, align
from followemoji_core.face.controls import Controls
from followemoji_core.walk.sketch import sketch_report


@pytest.mark.parametrize("portrait, edit, words", [(0, 0, []), (60, 0, ["turned by 6"]), (0, 20, ["1 of 2 frames"])])
def test_warp_of_turned_heads_is_told(portrait, edit, words):
    person, rest = Person.of(3), Acting.rest(2)
    face = person.act(replace(rest, turns=rest.turns + np.array([portrait, 0, 0])), (256, 256)).frame(0)
    still = person.act(rest, (256, 256))
    turned = align(face, replace(still, edit=Controls.of({"headYaw": np.array([0, edit])}, 2)), AlignOptions())
    report = sketch_report(face, turned)
    assert len(report) == len(words) and all(word in sentence for word, sentence in zip(words, report, strict=True))
