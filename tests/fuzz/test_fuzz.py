"""2,000 damaged files of each kind; 100,000: python tests/fuzz/run.py --count 100000."""

from __future__ import annotations

import sys

import pytest

from tests.fuzz.kinds import KINDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and measured as Linux does")


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_result_or_an_error_of_ours_within_2_s_and_512_mb(kind):
    from tests.fuzz.run import fuzz

    found = fuzz(kind, 2000)
    assert found["cases"] == 2000 and found["read"] + found["refused"] == 2000, found["findings"]
    assert not found["findings"], f"{len(found['findings'])} findings, such as {found['findings'][:3]}"
    assert found["read"] and (found["refused"] or kind == "latents"), (
        "damage that is never, or always, seen tests nothing"
    )
