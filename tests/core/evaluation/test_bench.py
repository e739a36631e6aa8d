"""What a guided call costs, counted: work that is not done stays undone. At commit b435091 the same counts were 37.47
TFLOP, 2,674 operations and 69.5 GB."""

import json

import torch

from followemoji_core.commands import main
from followemoji_core.evaluation.bench import GuidedCall, count_guided_call
from followemoji_core.model.config import UNetConfig
from followemoji_core.model.ops import TORCH


def test_counts_at_the_published_size(capsys):
    assert main(["bench", "--flops", "--size", "512", "--frames", "16", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    counts = facts["counts"]
    assert facts["tflop_per_guided_call"] <= 36.8
    assert counts["halves apart"]["operations"] <= 0.8 * 2674
    assert counts["halves together"]["operations"] <= 0.5 * 2674
    assert all(row["elementwise_and_copies_gb"] <= 75 for row in counts.values())


def test_attention_counts_as_one_operation_and_plain_costs_more():
    config = UNetConfig((32, 32), (True, False), 1, 4, 4, 12, 16)
    counts = count_guided_call(64, 4, config)
    plain, apart, together = (counts[form]["operations"] for form in ("plain", "halves apart", "halves together"))
    assert together < apart < plain


def test_every_form_computes_the_same():
    config = UNetConfig((32, 32), (True, False), 1, 4, 4, 12, 16)
    call = GuidedCall(64, 3, "cpu", torch.float32, config)
    plain = call(False)
    call.optimise()
    for together in (False, True):
        assert torch.allclose(call(together), plain, atol=1e-5, rtol=1e-5)


def test_a_call_is_one_graph_to_torch_compile():
    """No part of it falls out of the graph; the numbers stay."""
    call = GuidedCall(64, 2, "cpu", torch.float32, UNetConfig((32, 32), (True, False), 1, 4, 4, 12, 16))
    call.optimise()
    plain = call()
    call.denoiser.compile(dynamic=False, backend="eager", fullgraph=True)
    assert torch.allclose(call(), plain, atol=1e-5)


def test_nothing_in_a_call_waits_for_the_device():
    """On the meta device there are no numbers: whatever asked for one (.item, a boolean index, .all in an if) fails."""
    config = UNetConfig((32, 32), (True, False), 1, 4, 4, 12, 16)
    call = GuidedCall(64, 3, "meta", torch.float16, config, TORCH)
    call.optimise()
    assert call().is_meta
