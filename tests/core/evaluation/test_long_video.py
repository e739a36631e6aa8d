"""The comparison of strategies for long clips."""

from __future__ import annotations

import numpy as np

from followemoji_core.evaluation.long_video import MEASURES, STRATEGIES, compare, seam_ratio, write_report
from followemoji_core.walk.studio import small_studio


def test_seams_by_hand():
    """Five frames that change by 1, but by 3 into frame 3, where a window begins: borders change by (3 + 1) / 2."""
    pictures = np.full((5, 4, 4, 3), 100, np.uint8) + np.array((0, 1, 2, 5, 6), np.uint8)[:, None, None, None]
    assert seam_ratio(pictures, frozenset({3})) == 2.0 and seam_ratio(pictures, frozenset()) == 1.0


def test_the_comparison(tmp_path):
    """Every strategy, over a clip of two windows; the report says what each costs."""
    result = compare(small_studio(), people=1, frames=18)
    assert set(result) == set(STRATEGIES)
    costs = {name: row["frames evaluated per frame"] for name, row in result.items()}
    assert costs["plain"] == 1 < costs["progressive, concat"] < costs["gaussian"]
    assert all(np.isfinite([row[name] for name in MEASURES]).all() for row in result.values())
    table = write_report(result, tmp_path, people=1, frames=18)
    assert table.count("\n") == len(STRATEGIES) + 1 and (tmp_path / "long_video.png").stat().st_size > 5000
