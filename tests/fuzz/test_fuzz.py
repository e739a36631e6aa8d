"""500 damaged files of each kind; 100,000: python tests/fuzz/run.py --count 100000."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("resource", reason="memory is limited and measured as Linux does")

from tests.fuzz.kinds import KINDS  # noqa: E402
from tests.fuzz.run import fuzz  # noqa: E402

COUNT = 500
pytestmark = pytest.mark.alone  # two processes, each case within 2 s


@pytest.fixture(scope="module")
def results():
    """Of all kinds, in processes of their own, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(KINDS, pool.map(lambda kind: fuzz(kind, COUNT), KINDS), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_result_or_an_error_of_ours_within_2_s_and_512_mb(results, kind):
    found = results[kind]
    assert not found["findings"], f"{len(found['findings'])} findings, such as {found['findings'][:3]}"
    assert found["cases"] == found["read"] + found["refused"] == COUNT
    assert found["read"] and (found["refused"] or kind == "latents"), (
        "damage that is never, or always, seen tests nothing"
    )
