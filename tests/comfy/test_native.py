"""The native MODEL in ComfyUI's own samplers: in ComfyUI's own process where numbers are compared, and on servers."""

from __future__ import annotations

import pytest

from tests import weights
from tests.comfy import graphs
from tests.comfy.in_process import in_comfy
from tests.comfy.server import PromptFailed, PromptInterrupted
from tests.comfy.test_host import PACK_LOADED
from tests.conftest import comfy_tree

BOTH = ["server", "old_server"]
# The small model and a drawn person at 64 px; what is compared are latents of unit variance.
SCENE = (
    PACK_LOADED
    + """
    import comfy.model_management, comfy.sample, comfy.samplers, comfy.sd, comfy.utils
    from pack.followemoji_core.drawn import Acting, Person, paint
    from pack.followemoji_core.errors import InputError
    from pack.followemoji_core.face.align import align
    from pack.followemoji_core.model.weights.files import CheckpointFiles, find_files
    from pack.followemoji_core.small import SMALL_MODEL, SMALL_VAE
    from pack.followemoji_core.walk.given import GivenFrames
    from pack.followemoji_core.walk.settings import Settings
    from pack.nodes import ApplyNative, EncodeAppearance, PublishedSigmas
    from pack.nodes.host.encoders import OwnImageEncoder
    from pack.nodes.host.loading import load_model
    from pack.nodes.host.run import run

    torch.inference_mode().__enter__()  # as ComfyUI runs nodes
    SCALE = 0.18215
    small = Path(SMALL_MODEL)
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(SMALL_VAE)))

    def drawn(frames, motion=3):
        person = Person.of(20_000_007)
        rest = person.act(Acting.rest(), (64, 64))
        driving = person.act(Acting.random(motion, frames, from_rest=True), (64, 64))
        pictures = [torch.from_numpy(paint(person, faces)).float() / 255 for faces in (rest, driving)]
        return pictures[0], pictures[1], align(rest.frame(0), driving)

    def encoded(model, portrait):
        return EncodeAppearance.execute(vae, OwnImageEncoder(model), portrait, model).args[0]

    def far(one, other):
        return float(((one - other) * SCALE).abs().max())

    def ours(model, appearance, landmarks, given=None, **settings):
        quiet = lambda *told: None
        store = run(model, appearance, landmarks, Settings(**settings), quiet, quiet, given=given)
        return store.latents / SCALE

    def sampled(native, positive, negative, latent, steps=2, cfg=2.0, sampler="euler", scheduler="sgm_uniform", **more):
        samples = latent["samples"]
        noise = comfy.sample.prepare_noise(samples, 1, latent.get("batch_index"))
        more |= dict(noise_mask=latent.get("noise_mask"), disable_pbar=True, seed=1)
        return comfy.sample.sample(native, noise, steps, cfg, sampler, scheduler, positive, negative, samples, **more)

    def by_sigmas(native, positive, negative, latent, sigmas, cfg):
        samples, euler = latent["samples"], comfy.samplers.sampler_object("euler")
        noise = comfy.sample.prepare_noise(samples, 1)
        args = (native, noise, cfg, euler, sigmas, positive, negative, samples)
        return comfy.sample.sample_custom(*args, disable_pbar=True, seed=1)

    def load_small():
        model = load_model(find_files(small), "fp32")
        portrait, truth, landmarks = drawn(4)
        appearance = encoded(model, portrait)
        return model, appearance, landmarks, truth, ApplyNative.execute(model, appearance, landmarks).args
"""
)

GUIDED = (
    SCENE
    + """
    from pack.followemoji_core.diffusion.guidance import guide
    from pack.followemoji_core.diffusion.schedule import NoiseLevel, alphas_cumprod
    from pack.followemoji_core.model.conditioning import condition, unconditional
    from pack.followemoji_core.walk.landmark_features import LandmarkFeatures
    from pack.nodes.host.native_model import NativeModel

    model, appearance, landmarks, truth, (native, positive, negative, latent) = load_small()
    table = native.get_model_object("model_sampling").sigmas
    assert torch.allclose(1 / (1 + table.double() ** 2), alphas_cumprod().double(), atol=1e-6), "as published"
    features = LandmarkFeatures(model.landmark_encoder.model, landmarks, (64, 64), "cpu", torch.float32)(range(4))
    calls = []

    def counted(apply, given):
        calls.append(len(given["input"]))
        return apply(given["input"], given["timestep"], **given["c"])

    native.set_model_unet_function_wrapper(counted)
    for timestep in (999, 601, 20):
        noisy = torch.randn((4, 16, 8, 8), generator=torch.Generator().manual_seed(timestep))
        halves = [unconditional(model.network, noisy), condition(model.network, appearance.tokens, appearance.features)]
        v = guide(model.network(noisy, torch.tensor(timestep), features, halves), 2, 3.5)
        sigma = table[timestep]
        clean = NoiseLevel.of(1 / (1 + sigma**2)).recovered(noisy, v)  # core's last level is not quite all noise
        for needed, rows in ((1, [8]), (1e18, [4, 4])):  # bytes that the batched call is said to need
            native.model.memory_required = lambda shape, **about: needed if shape[0] > 4 else 1
            found = []

            def one_call(denoise, noise, sigmas, extra_args=None, **about):
                found.append(denoise(noisy * (1 + sigma**2) ** 0.5, sigma.expand(4), **extra_args))
                return noise

            calls.clear()
            guider = comfy.samplers.CFGGuider(native)
            guider.set_conds(positive, negative)
            guider.set_cfg(3.5)
            empty = torch.zeros_like(noisy)
            guider.sample(empty, empty, comfy.samplers.KSAMPLER(one_call), torch.tensor([sigma, 0.0]))
            assert calls == rows and float((found[0] - clean).abs().max()) < 1e-4, (timestep, calls)
"""
)

EULER = (
    SCENE
    + """
    def check(model, appearance, landmarks, known=None):
        native, positive, negative, latent = ApplyNative.execute(model, appearance, landmarks, *(known or ())).args
        sigmas = PublishedSigmas.execute(native, 30, 1.0).args[0]
        assert len(sigmas) == 31 and sigmas[-1] == 0
        given, made = None, slice(None)
        if known is not None:  # both ends, told beside the noise; and kept by the noise mask, which ours does not have
            given = GivenFrames((0, 3), known[0]["samples"] * SCALE, np.zeros((2, 64, 64, 3), np.uint8))
            kept, made = sampled(native, positive, negative, latent)[[0, 3]], [1, 2]
            assert far(kept, known[0]["samples"]) < 1e-4
            latent = {"samples": torch.zeros_like(latent["samples"])}
        theirs = by_sigmas(native, positive, negative, latent, sigmas, 3.5)
        distance = {
            name: far(theirs[made], ours(model, appearance, landmarks, given, seed=1, scheduler=name)[made])
            for name in ("euler", "ddim")
        }
        print(distance)
        assert distance["euler"] < 2e-3, distance

    import numpy as np

    model, appearance, landmarks, truth, _ = load_small()
    check(model, appearance, landmarks)
    mask = torch.zeros(4, 64, 64)
    mask[[0, 3]] = 1
    check(model, appearance, landmarks, ({"samples": vae.encode(truth[[0, 3]])}, mask))
    """
)

SEEDED = (
    SCENE
    + """
    from pack.followemoji_core.walk.appearance import read_appearance

    model = load_model(find_files(Path(FOLDER)), "fp32")
    torch.manual_seed(0)
    latents, tokens = torch.randn(1, 4, 8, 8), torch.randn(1, 5, model.network.config.token_width)
    appearance, landmarks = read_appearance(model.appearance_net.model, latents, tokens), drawn(4)[2]
    applied = ApplyNative.execute(model, appearance, landmarks).args
    theirs = by_sigmas(*applied, PublishedSigmas.execute(applied[0], 30, 1.0).args[0], 3.5)
    distance = far(theirs, ours(model, appearance, landmarks, seed=1, scheduler="euler"))
    print(distance)
    assert distance < 2e-3, distance
    """
)

PATCHED = (
    SCENE
    + """
    import comfy_extras.nodes_model_merging as merging

    model, appearance, landmarks, truth, applied = load_small()
    native, about = applied[0], applied[1:]
    plain = sampled(*applied)
    # 1. A LoRA in kohya's names for SD 1.5, against weights that were changed by hand.
    generator, lora, change = torch.Generator().manual_seed(3), {}, {}
    parameters = dict(model.network.named_parameters())
    for name in (
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v",
        "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
        "up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0",
        "up_blocks.1.attentions.1.proj_in",
        "up_blocks.0.resnets.1.conv1",
    ):
        weight = parameters[f"{name}.weight"]
        up = torch.randn(len(weight), 4, generator=generator) / 5
        down = torch.randn(4, weight[0].numel(), generator=generator) / 5
        key = "lora_unet_" + name.replace(".", "_")
        lora[f"{key}.lora_up.weight"] = up[..., None, None] if weight.ndim == 4 else up
        lora[f"{key}.lora_down.weight"] = down.reshape(4, *weight.shape[1:])
        lora[f"{key}.alpha"] = torch.tensor(2.0)
        change[f"{name}.weight"] = (up @ down).reshape(weight.shape) * 0.8 * 2 / 4
    patched, _ = comfy.sd.load_lora_for_models(native, None, lora, 0.8, 0)
    assert len(patched.patches) == 6
    with_lora = sampled(patched, *about)
    before = ours(model, appearance, landmarks, seed=1, steps=1)
    assert far(sampled(*applied), plain) == 0, "the next model in the graph, and our own sampler, are without it"
    for name, amount in change.items():
        parameters[name].data += amount
    assert far(sampled(*applied), with_lora) < 1e-5 < 0.05 < far(plain, with_lora)
    for name, amount in change.items():
        parameters[name].data -= amount

    # 2. Part of the weights stays where it was and is patched when a layer is called.
    comfy.model_management.unload_all_models()
    patched.load(comfy.model_management.get_torch_device(), lowvram_model_memory=3_000_000)
    assert patched.model.model_lowvram and 0 < patched.model.model_loaded_weight_memory < patched.model_size() / 2

    def predicted(patcher):
        patcher.pre_run()
        noise = torch.randn((4, 16, 8, 8), generator=torch.Generator().manual_seed(0))
        conds = [
            patcher.model.extra_conds(noise=noise, device=noise.device, cross_attn=tokens, **more)["followemoji"]
            for ((tokens, more),) in about[:2]
        ]
        two = torch.cat([noise, noise])
        return patcher.model.apply_model(two, torch.full((8,), 1.5), followemoji=conds[0].concat(conds[1:])) / SCALE

    partly = predicted(patched)
    comfy.model_management.unload_all_models()
    comfy.model_management.load_models_gpu([patched], force_full_load=True)
    assert not patched.model.model_lowvram and far(predicted(patched), partly) < 1e-4

    # 3. Merged, saved by Save Model, loaded by our loader; the rest from the file that it came from.
    merged = merging.ModelMergeSimple().merge(patched, native, 0.5)[0]
    folder_paths.set_output_directory(tempfile.mkdtemp())
    merging.ModelSave().save(merged, "merged")
    (file,) = Path(folder_paths.get_output_directory()).rglob("*.safetensors")
    again = load_model(CheckpointFiles(denoiser=file, appearance_net=small, landmark_encoder=small), "fp32")
    other = ApplyNative.execute(again, appearance, landmarks).args
    halfway = sampled(merged, *about)
    assert far(sampled(*other), halfway) < 1e-5 < 0.05 < far(halfway, plain)
    assert far(ours(model, appearance, landmarks, seed=1, steps=1), before) < 1e-4

    # 4. What does not go together, and what does not mix.
    text = [[torch.zeros(1, 77, 768), {}]]
    refused(InputError, lambda: sampled(native, text, text, about[2]), "reads no text", "Apply Follow-Your-Emoji")
    refused(InputError, lambda: sampled(other[0], *about), "made with another Follow-Your-Emoji model")
    short = {"samples": torch.zeros(1, 16, 8, 8)}
    refused(InputError, lambda: sampled(native, *about[:2], short), "1 latents and landmarks of 4 frames")
    wide = {"samples": torch.zeros(4, 16, 8, 16)}
    refused(InputError, lambda: sampled(native, *about[:2], wide), "128x64 pixels", "64x64")
    area = [[about[0][0][0], about[0][0][1] | {"area": (4, 4, 0, 0)}]]
    refused(InputError, lambda: sampled(native, area, *about[1:]), "sees whole frames")
    native.pre_run()
    about_control = about[0][0][1] | {"control": object(), "noise": about[2]["samples"]}
    refused(InputError, lambda: native.model.extra_conds(**about_control), "ControlNets do not work")
    apply = lambda *known: ApplyNative.execute(model, appearance, landmarks, *known)
    refused(InputError, lambda: apply({"samples": torch.zeros(4, 16, 8, 8)}), "both")
    refused(InputError, lambda: apply({"samples": torch.zeros(4, 16, 8, 8)}, torch.ones(1, 8, 8)), "1 frames")
    refused(InputError, lambda: apply({"samples": torch.zeros(4, 16, 8, 8)}, torch.ones(4, 8, 8)), "nothing to make")
    elsewhere = ApplyNative.execute(model, appearance, drawn(4, motion=8)[2]).args
    alone = sampled(*elsewhere)
    assert far(sampled(*applied), plain) < 1e-3 < 0.05 < far(alone, plain)  # weights were changed and put back
    assert far(sampled(*elsewhere), alone) == 0
    """
)

WINDOWS = (
    SCENE
    + """
    import inspect, math
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode

    model = load_model(find_files(small), "fp32")
    portrait, truth, landmarks = drawn(64)
    appearance = encoded(model, portrait)
    native, *about = ApplyNative.execute(model, appearance, landmarks).args
    sigmas = PublishedSigmas.execute(native, 2, 1.0).args[0]
    refused(InputError, lambda: by_sigmas(native, *about, sigmas, 1.0), "64 frames at once", "Context Windows (Manual)")
    gaussian = ours(model, appearance, landmarks, seed=1, steps=2, guidance=1.0, scheduler="euler")
    seen = vae.decode(gaussian).clamp(0, 1)

    def windowed(fuse, **more):
        return ContextWindowsManualNode.execute(native, 16, 4, "standard_static", 1, False, fuse, 0, False, **more)

    for fuse in ("pyramid", "overlap-linear"):
        made = by_sigmas(windowed(fuse, causal_window_fix=False).args[0], *about, sigmas, 1.0)
        decibel = -10 * math.log10(float(((vae.decode(made).clamp(0, 1) - seen) ** 2).mean()))
        print(fuse, round(decibel, 1))
        assert decibel > MEASURE
    # With the frame before each window, which core adds unless told otherwise, every frame still has its landmarks.
    made = by_sigmas(windowed("pyramid").args[0], *about, sigmas, 1.0)
    assert float(((vae.decode(made).clamp(0, 1) - seen) ** 2).mean()) < 10 ** (-MEASURE / 10)
"""
)

MATRIX = (
    SCENE
    + """
    import os

    model = load_model(find_files(small), "fp32")
    portrait, truth, landmarks = drawn(2)
    applied = ApplyNative.execute(model, encoded(model, portrait), landmarks).args
    kinds = comfy.samplers.KSampler
    failed = []
    pairs = [(name, kinds.SCHEDULERS[0]) for name in kinds.SAMPLERS] + [("euler", name) for name in kinds.SCHEDULERS]
    if os.environ.get("FOLLOWEMOJI_EVERY_PAIR"):
        pairs = [(sampler, scheduler) for sampler in kinds.SAMPLERS for scheduler in kinds.SCHEDULERS]
    for sampler, scheduler in pairs:
        if not sampled(*applied, sampler=sampler, scheduler=scheduler).isfinite().all():
            failed.append((sampler, scheduler))
    print(len(pairs), "pairs, failed:", failed)
    assert failed == []
"""
)

CACHED = (
    SCENE
    + """
    import comfy.patcher_extension
    import latent_preview
    from comfy.cli_args import LatentPreviewMethod, args
    from comfy_extras.nodes_easycache import EasyCacheNode, LazyCacheNode

    model, appearance, landmarks, truth, (native, *about) = load_small()
    passes = []

    def count(executor, *given, **more):
        passes.append(1)
        return executor(*given, **more)

    for node in (None, EasyCacheNode, LazyCacheNode):
        cached = native.clone() if node is None else node.execute(native, 0.5, 0.1, 0.95, False).args[0]
        cached.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, "count", count)
        passes.clear()
        # One half: 0.3.64's own EasyCache adds what it kept of one half to both where they are computed together.
        made = sampled(cached, *about, steps=12, cfg=1.0)
        assert made.isfinite().all()
        assert len(passes) == 12 if node is None else 4 <= len(passes) < 12, (node, len(passes))

    # Previews: the file's own table of colours, in core's own previewer.
    args.preview_method = LatentPreviewMethod.Latent2RGB
    previewer = latent_preview.get_previewer(torch.device("cpu"), native.get_model_object("latent_format"))
    picture = torch.tensor(list(previewer.decode_latent_to_preview(vae.encode(truth) * SCALE).getdata())) / 255
    small_truth = torch.nn.functional.interpolate(truth[:1].movedim(-1, 1), (8, 8), mode="area")
    assert float((picture.reshape(8, 8, 3).movedim(-1, 0) - small_truth[0]).abs().mean()) < 0.1
"""
)

HALF = (
    SCENE
    + """
    model = load_model(find_files(small), "auto")
    assert next(model.network.parameters()).dtype == torch.float16, "as --fp16-unet says"
    portrait, truth, landmarks = drawn(4)
    appearance = encoded(model, portrait)
    half = sampled(*ApplyNative.execute(model, appearance, landmarks).args)
    whole = load_model(find_files(small), "fp32")
    full = sampled(*ApplyNative.execute(whole, encoded(whole, portrait), landmarks).args)
    assert half.isfinite().all() and float(((half - full) * SCALE).abs().mean()) < 0.05
"""
)


@pytest.mark.parametrize("tree", BOTH)
def test_native_guided_call_equals_ours_batched_and_in_two_calls(tree):
    in_comfy(comfy_tree(tree), GUIDED)


@pytest.mark.parametrize("tree", BOTH)
def test_native_published_schedule_with_euler_equals_ours_and_known_frames_too(tree):
    print(in_comfy(comfy_tree(tree), EULER))


def test_native_published_schedule_with_euler_on_seeded_weights(tmp_path):
    weights.published_files(tmp_path)
    print(in_comfy(comfy_tree("server"), f"\n    FOLDER = {str(tmp_path)!r}\n" + SEEDED))


@pytest.mark.parametrize("tree", BOTH)
def test_native_lora_partial_loading_merge_and_clear_errors(tree):
    in_comfy(comfy_tree(tree), PATCHED)


def test_native_context_windows_are_near_our_gaussian_ones():
    """ComfyUI 0.3.64's own handler fails where frames are a batch: it compares their sigmas with the schedule's."""
    print(in_comfy(comfy_tree("server"), "\n    MEASURE = 45\n" + WINDOWS))


@pytest.mark.parametrize("tree", BOTH)
def test_native_every_sampler_and_every_scheduler(tree):
    """Two frames, two steps: all run and stay finite. Each sampler with one scheduler, each scheduler with one sampler;
    with FOLLOWEMOJI_EVERY_PAIR set, each with each."""
    print(in_comfy(comfy_tree(tree), MATRIX, timeout=1200))


@pytest.mark.parametrize("tree", BOTH)
def test_native_easycache_and_lazycache_save_passes_and_previews_have_colours(tree):
    in_comfy(comfy_tree(tree), CACHED)


@pytest.mark.parametrize("tree", BOTH)
def test_native_fp16_unet(tree):
    in_comfy(comfy_tree(tree), HALF, argv=("--fp16-unet",))


def applied(name: str, **sampler) -> graphs.Graph:
    return graphs.change(graphs.load(name), "KSampler", **sampler)


def test_native_cancel_and_wrong_wires(both_servers):
    """Cancel within a step; landmark images as landmarks; a MODEL where the loader's model belongs is refused."""
    graph = graphs.change(applied("ksampler", steps=500), "FollowEmojiDrawnMotion", frames=4)
    (apply,) = [node for node in graph.values() if node["class_type"] == "FollowEmojiApply"]
    graph["900"] = dict(class_type="FollowEmojiDrawLandmarks", inputs=dict(motion=apply["inputs"]["landmarks"]))
    apply["inputs"]["landmarks"] = ["900", 0]
    (sampler,) = [key for key, node in graph.items() if node["class_type"] == "KSampler"]
    prompt_id = both_servers.queue(graph)
    both_servers._wait_until(lambda: both_servers.progress(prompt_id, sampler), 120, "sample")
    both_servers.interrupt()
    with pytest.raises(PromptInterrupted):
        both_servers.wait(prompt_id)
    apply["inputs"]["model"] = graph[sampler]["inputs"]["model"]
    with pytest.raises(PromptFailed, match="return_type_mismatch|mismatch"):
        both_servers.queue(graph | {"901": dict(apply)})
