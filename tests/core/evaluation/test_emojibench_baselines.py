"""Cases for the baselines' demo scripts, and their outputs read back: evaluation of what others made."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.errors import InputError
from followemoji_core.evaluation.emojibench import adopting
from followemoji_core.evaluation.emojibench.baselines import BASELINES, adopt, collect_outputs, export_cases
from followemoji_core.evaluation.emojibench.cases import Bench, BenchCase, open_bench, write_bench
from followemoji_core.evaluation.emojibench.drawn_cases import draw_bench
from followemoji_core.gate import parse_json
from followemoji_core.media import Clip, clip_info, read_frames, write_video
from followemoji_core.pictures import read_picture

ROOT = Path(__file__).resolve().parents[3]
FRAMES, SIDE = 4, 64

# What the public scripts parse, by argparse: options with a value, those of them that are required, and flags. Read
# at the commits that the table names; LivePortrait's are a dataclass that tyro makes options of.
FIRST_ORDER = ("--config --checkpoint --source_image --driving_video --result_video", "--config", "--cpu")
RELATIVE = "--relative --adapt_scale --find_best_frame"
PARSED = {
    "FaceVid2vid": (FIRST_ORDER[0] + " --gen --best_frame", "", RELATIVE + " --cpu --free_view"),
    "DaGAN": (FIRST_ORDER[0] + " --generator --kp_num --best_frame", "--config --generator --kp_num", RELATIVE),
    "MCNet": (
        FIRST_ORDER[0] + " --generator --kp_num --mb_channel --mb_spatial --mbunit --memsize --best_frame",
        "--config --generator --kp_num",
        RELATIVE,
    ),
    "TPS": (FIRST_ORDER[0] + " --img_shape --mode", "--config", "--find_best_frame --cpu"),
    "FADM": (
        "--inpainting_video_path --source_image_path --driving_video_path --out_video_path --pattern --log_dir",
        "",
        "",
    ),
    "MagicDance": (
        "--model_config --control_type --control_mode --img_bin_limit --num_train_steps --train_batch_size "
        "--train_dataset --local_log_dir --local_image_dir --image_pretrain_dir --local_cond_image_path "
        "--local_pose_path",
        "--local_image_dir",
        "--wonoise --use_fp16 --with_text --v4",
    ),
    "LivePortrait": ("-s -d -o", "", "--no_flag_relative_motion --no_flag_do_crop --flag_crop_driving_video"),
}
# Where each script finds its inputs among those options, and what it writes.
WRITES = {
    "FaceVid2vid": "took(o.source_image, o.driving_video); copy(o.driving_video, o.result_video)",
    "DaGAN": "took(o.source_image, o.driving_video); copy(o.driving_video, o.result_video)",
    "TPS": "took(o.source_image, o.driving_video); copy(o.driving_video, o.result_video)",
    # Three pictures side by side: prepared in the checkout, by the name of the case.
    "MCNet": "took(o.source_image, o.driving_video); "
    "copy(os.path.basename(os.path.dirname(o.driving_video)) + '.mp4', o.result_video)",
    "FADM": "took(o.source_image_path, o.driving_video_path); "
    "copy(o.driving_video_path, o.out_video_path + '/output.mp4')",
    "MagicDance": """took(o.local_cond_image_path, o.local_pose_path)
(Path(o.local_image_dir) / '0/gen_images').mkdir(parents=True)
for at, _ in enumerate(sorted(os.listdir(o.local_pose_path))):
    copy(o.local_cond_image_path, f'{o.local_image_dir}/0/gen_images/{at:03d}.jpg')""",
    "LivePortrait": "took(o.s, o.d); copy(o.d, o.o + '/source--driving_concat.mp4'); "
    "copy(o.d, o.o + '/source--driving.mp4')",
}
SCRIPT = """
import argparse, json, os, sys
from pathlib import Path
from shutil import copyfile as copy
parser = argparse.ArgumentParser(allow_abbrev=False)
for name in {values!r}: parser.add_argument(name, required=name in {required!r})
for name in {flags!r}: parser.add_argument(name, action='store_true')
o = parser.parse_args()
def took(*paths):
    assert all(os.path.exists(path) for path in paths), paths
    with open('log.jsonl', 'a') as log: log.write(json.dumps(vars(o)) + chr(10))
{writes}
"""
# The two packages that MagicDance's line calls, as far as it calls them.
LAUNCHER = """
import runpy, sys
assert sys.argv[1] == '--master_port' and sys.argv[2].isdigit()
del sys.argv[:3]
runpy.run_path(sys.argv[0], run_name='__main__')
"""
IMAGEIO = """
import shutil
imread = str
class get_reader:
    def __init__(self, path): self.path = path
    def get_meta_data(self): return {'fps': self.path}
def mimsave(path, pictures, fps):
    assert [picture[-7:] for picture in pictures] == ['000.jpg', '001.jpg', '002.jpg', '003.jpg']
    shutil.copyfile(fps, path)
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return draw_bench(tmp_path_factory.mktemp("bench"), people=2, motions=1, frames=FRAMES, size=SIDE)


def checkout(folder: Path, name: str) -> Path:
    """A stand-in for a checkout of the baseline's code: its script parses what the public one parses, and hands the
    driving clip back."""
    values, required, flags = (words.split() for words in PARSED[name])
    folder.mkdir(parents=True)
    script = SCRIPT.format(values=values, required=required, flags=flags, writes=WRITES[name])
    (folder / BASELINES[name].script).write_text(script)
    if name == "MagicDance":
        for file, text in {"torch/distributed/run.py": LAUNCHER, "imageio/v2.py": IMAGEIO}.items():
            (folder / file).parent.mkdir(parents=True)
            (folder / file).write_text(text)
            (folder / file.split("/")[0] / "__init__.py").write_text("")  # before any that is installed
    return folder


def bash(*words, **more) -> subprocess.CompletedProcess:
    env = os.environ | {"PYTHON": sys.executable, "CHECKPOINT": "we ights.pth"}
    return subprocess.run(["bash", *map(str, words)], env=env, capture_output=True, text=True, timeout=120, **more)


def mean(path: Path) -> np.ndarray:
    return np.stack(list(read_frames(Clip(path)))).mean((1, 2))


@pytest.mark.skipif(shutil.which("bash") is None, reason="run.sh is for bash")
@pytest.mark.parametrize("name", BASELINES)
def test_evaluation_of_a_baseline_from_export_to_outputs(bench, name, tmp_path):
    out = tmp_path / "it's a (1) $HOME"
    files = export_cases(bench, name, out)
    folder, baseline = out / name, BASELINES[name]
    assert {path.relative_to(folder).as_posix() for path in files} == {
        "run.sh",
        "cases.json",
        *(f"{case.id}/{file}" for case in bench.cases for file in ("source.png", "driving.mp4")),
    }
    side = baseline.side or SIDE
    for case in bench.cases:
        frames = np.stack(list(read_frames(Clip(folder / case.id / "driving.mp4"))))
        assert frames.shape == (FRAMES, side, side, 3) and clip_info(Clip(folder / case.id / "driving.mp4")).fps == 25
        assert np.abs(frames.mean((1, 2)) - case.driving_frames().mean((1, 2))).max() < 3
        assert read_picture(folder / case.id / "source.png").shape == (side, side, 3)
        if baseline.poses:
            (folder / case.id / "poses").mkdir()
            for frame in range(FRAMES):
                (folder / case.id / "poses" / f"{frame:04d}.png").write_bytes(b"a pose")

    assert bash("-n", folder / "run.sh").returncode == 0
    code = checkout(tmp_path / "its code", name)
    if baseline.panels > 1:
        for case in bench.cases:
            frames = read_frames(Clip(folder / case.id / "driving.mp4"))
            write_video(code / f"{case.id}.mp4", (np.concatenate([255 - f, f * 0, f], 1) for f in frames), 25)
    ran = bash(folder / "run.sh", code)
    assert ran.returncode == 0, ran.stderr
    calls = [json.loads(line) for line in (code / "log.jsonl").read_text().splitlines()]
    assert len(calls) == len(bench.cases)
    told = parse_json((folder / "cases.json").read_bytes())["cases"]
    for case, call, entry in zip(bench.cases, calls, told, strict=True):
        assert any(value == str(folder / case.id / "source.png") for value in call.values())
        assert entry["id"] == case.id and entry["command"].startswith('"$python"')
        if name in ("FaceVid2vid", "DaGAN", "MCNet"):
            assert call["relative"] == call["adapt_scale"] == (case.kind == "cross")
        if name == "TPS":
            assert call["mode"] == {"self": "standard", "cross": "relative"}[case.kind]
        if name == "LivePortrait":
            assert call["no_flag_relative_motion"] == call["no_flag_do_crop"] == (case.kind == "self")
        if baseline.checkpoint is None:
            assert call["checkpoint"] == "we ights.pth"
        assert not (folder / case.id / "making").exists()

    # Again: nothing is made twice; then one result is lost, and only that one is made again.
    for lost in ((), bench.cases[:1]):
        for case in lost:
            (folder / case.id / "result.mp4").unlink()
        (code / "log.jsonl").write_text("")
        assert bash(folder / "run.sh", code).returncode == 0
        assert len((code / "log.jsonl").read_text().splitlines()) == len(lost)

    taken = adopt(bench, name, folder)
    assert list(taken.found) == [case.id for case in bench.cases] and taken.problems == []
    for case in bench.cases:
        made = np.stack(list(read_frames(Clip(bench.output(name, case)))))
        assert made.shape == (FRAMES, side, side, 3)
        assert np.abs(made.mean((1, 2)) - mean(folder / case.id / "driving.mp4")).max() < 3
    about = json.loads((bench.folder / "outputs" / name / "method.json").read_text())
    assert about["label"] == baseline.label and baseline.repository in about["about"] and about["reasons"] == {}
    shutil.rmtree(bench.folder / "outputs")


@pytest.mark.skipif(shutil.which("bash") is None, reason="run.sh is for bash")
def test_evaluation_run_script_tells_what_failed(bench, tmp_path):
    folder = export_cases(bench, "tps", tmp_path)[0].parents[1]
    assert bash(folder / "run.sh").returncode != 0
    wrong = bash(folder / "run.sh", tmp_path)
    assert wrong.returncode == 2 and "holds no demo.py" in wrong.stderr
    code = checkout(tmp_path / "code", "TPS")
    script = (code / "demo.py").read_text()
    (code / "demo.py").write_text(script.replace("\ntook(o", "\nif 'cross' in o.source_image: sys.exit(1)\ntook(o"))
    ran = bash(folder / "run.sh", code)
    assert ran.returncode == 1 and "2 of 4 cases without a result" in ran.stdout
    results = {case.id: (folder / case.id / "result.mp4").exists() for case in bench.cases}
    assert results == {case.id: case.kind == "self" for case in bench.cases}
    # What a failed run left is told, and its cases are without a video, with the reason.
    shutil.copy(folder / bench.cases[0].id / "driving.mp4", folder / bench.cases[0].id / "making" / "result.mp4")
    taken = collect_outputs(bench, "TPS", folder)
    assert [case for case in taken.found] == [case.id for case in bench.cases if case.kind == "self"]
    assert "interrupted" in dict(taken.problems)[f"{bench.cases[0].id}/making/result.mp4"]
    assert all(case.id in dict(taken.problems) for case in bench.cases if case.kind == "cross")
    poseless = export_cases(bench, "MagicDance", tmp_path)[0].parents[1]
    ran = bash(poseless / "run.sh", checkout(tmp_path / "magic", "MagicDance"))
    assert ran.returncode == 1 and ran.stderr.count("no pose pictures") == 4


def test_evaluation_export_goes_on_where_it_was_interrupted(bench, tmp_path):
    files = export_cases(bench, "DaGAN", tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in files[:-2]}
    files[1].unlink()
    assert export_cases(bench, "DaGAN", tmp_path) == files
    assert [path for path in stamps if path.stat().st_mtime_ns != stamps[path]] == [files[1]]
    assert not list(tmp_path.rglob("*.partial"))
    # Another benchmark whose cases are called alike, in the same folder, would lend its results: refused.
    other = tmp_path / "other"
    shutil.copytree(bench.folder, other)
    portrait = other / "portraits" / f"{bench.cases[0].portrait}.png"
    portrait.write_bytes((other / "portraits" / f"{bench.cases[2].portrait}.png").read_bytes())
    with pytest.raises(InputError, match="of another portrait, clip or size"):
        export_cases(open_bench(other), "DaGAN", tmp_path)
    with pytest.raises(InputError, match="Choose from FaceVid2vid, DaGAN"):
        export_cases(bench, "StyleGAN", tmp_path)


# ---- read back, whatever they are called ----


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Bench:
    """Cases with names only: reading back asks for no picture of theirs."""
    folder = tmp_path_factory.mktemp("few")
    pairs = [("a", "m1"), ("a", "m10"), ("b", "m1"), ("b", "m10"), ("c", "m1")]
    cases = [BenchCase(f"cross-{p}-{d}", "cross", p, d, folder, FRAMES, 25.0, SIDE) for p, d in pairs]
    cases.append(BenchCase("self-a", "self", "a-first", "a-own", folder, FRAMES, 25.0, SIDE))
    return write_bench(folder, cases, FRAMES, "manifest", size=SIDE)


def video(path: Path, frames: int = FRAMES, width: int = SIDE, height: int = SIDE, lossless: bool = True) -> Path:
    """Frame n has the colour 40 n; pictures side by side get darker to the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shades = [np.full((height, width, 3), 40 * (n + 1), np.uint8) for n in range(frames)]
    for shade in shades:
        shade[:, : width // height * height // 3 * 2 if width > 2 * height else 0] //= 2
    write_video(path, shades, 25, lossless=lossless)
    return path


def test_evaluation_outputs_are_found_in_all_layouts(few, tmp_path):
    made = {
        "cross-a-m1": video(tmp_path / "cross-a-m1.mp4"),
        "cross-a-m10": video(tmp_path / "x" / "run7_cross-a-m10.final.mp4"),  # not the shorter cross-a-m1
        "cross-b-m1": video(tmp_path / "animations" / "b--m1.mp4"),
        "cross-b-m10": video(tmp_path / "cross-b-m10" / "result.mp4"),
        "cross-c-m1": video(tmp_path / "cross-c-m1" / "out" / "anything.mp4"),
        "self-a": video(tmp_path / "deep" / "self-a" / "source--driving.mp4"),
    }
    video(tmp_path / "cross-b-m10" / "driving.mp4")  # what the export wrote: an input
    (tmp_path / "notes.txt").write_text("no video")
    links = os.name == "posix"  # elsewhere they ask for rights
    if links:
        (tmp_path / "loop").symlink_to(tmp_path)
    taken = collect_outputs(few, "mine", tmp_path)
    assert taken.found == made
    assert taken.problems == [("loop", "a link to a folder: not entered")] * links


def test_evaluation_outputs_that_are_not_taken_are_told(few, tmp_path):
    def reasons(name: str = "mine") -> dict[str, str]:
        return dict(collect_outputs(few, name, tmp_path).problems)

    video(tmp_path / "one" / "cross-a-m1.mp4"), video(tmp_path / "two" / "cross-a-m1.mp4")  # duplicates
    video(tmp_path / "cross-a-m10_and_cross-b-m1.mp4")  # ambiguous
    video(tmp_path / "cross-b-m10" / "cross-c-m1.mp4")  # name and folder differ
    video(tmp_path / "stranger.mp4")
    video(tmp_path / "a-first--a-own_concat.mp4", width=3 * SIDE)
    (tmp_path / "cross-b-m10.mp4").write_bytes(b"no film at all")
    video(tmp_path / "self-a_grid.mp4", width=3 * SIDE)
    told = reasons()
    assert told["one/cross-a-m1.mp4"] == told["two/cross-a-m1.mp4"] == told["cross-a-m1"]
    assert "2 videos are equally near" in told["cross-a-m1"]
    assert "fits 2 cases: cross-a-m10, cross-b-m1" in told["cross-a-m10_and_cross-b-m1.mp4"]
    assert told["cross-b-m10/cross-c-m1.mp4"] == "its name is that of cross-c-m1, its folder that of cross-b-m10"
    assert told["stranger.mp4"] == "no case is called so"
    assert "beside the result" in told["a-first--a-own_concat.mp4"]
    assert "cannot be opened as a video" in told["cross-b-m10.mp4"] and told["cross-b-m10"] == told["cross-b-m10.mp4"]
    assert "3 pictures side by side" in told["self-a_grid.mp4"] and "no video is called so" in told["cross-c-m1"]
    assert {case.id for case in few.cases} <= set(told)  # none has a video
    assert collect_outputs(few, "mine", tmp_path).found == {}

    # A nearer name wins over the others, which are told; a baseline that shows three pictures is taken as it shows.
    made = video(tmp_path / "self-a.mp4")
    assert "another video is nearer" in reasons()["self-a_grid.mp4"]
    assert collect_outputs(few, "mine", tmp_path).found == {"self-a": made}
    made.unlink()
    assert collect_outputs(few, "mc-net", tmp_path).found == {"self-a": tmp_path / "self-a_grid.mp4"}
    video(tmp_path / "cross-c-m1.mp4", width=SIDE + 16)
    assert reasons()["cross-c-m1"] == "it has 80 x 64 pixels; all cases are square"
    with pytest.raises(InputError, match="is no folder"):
        collect_outputs(few, "mine", tmp_path / "nothing")


def test_evaluation_outputs_become_as_long_as_their_cases(few, tmp_path):
    video(tmp_path / "cross-a-m1.mp4")
    video(tmp_path / "cross-a-m10.mkv")  # mp4 inside, which its name does not say
    video(tmp_path / "cross-b-m1.mp4", frames=FRAMES + 1)
    video(tmp_path / "cross-b-m10.mp4", frames=FRAMES - 1)
    video(tmp_path / "cross-c-m1.mp4", width=3 * SIDE)
    video(tmp_path / "self-a.mp4", frames=FRAMES + 1)
    lines = []
    taken = adopt(few, "MCNet", tmp_path, lines.append)
    assert list(taken.found) == ["cross-a-m1", "cross-a-m10", "cross-c-m1", "self-a"]
    assert "It has 5 frames, its case 4" in dict(taken.problems)["cross-b-m1.mp4"]
    about = json.loads((few.folder / "outputs" / "MCNet" / "method.json").read_text())
    assert set(about["reasons"]) == {"cross-b-m1", "cross-b-m10"}
    assert "It has 3 frames" in about["reasons"]["cross-b-m10"]
    assert any("1 videos have one frame more" in line for line in lines)

    outputs = {case.id: few.output("MCNet", case) for case in few.cases}
    assert outputs["cross-a-m1"].read_bytes() == (tmp_path / "cross-a-m1.mp4").read_bytes()
    assert mean(outputs["cross-a-m1"])[:, 0].tolist() == [40, 80, 120, 160]
    assert mean(outputs["cross-a-m10"])[:, 0].tolist() == [40, 80, 120, 160]
    assert mean(outputs["cross-c-m1"])[:, 0].tolist() == [40, 80, 120, 160]  # the last third: no darker pixel
    assert mean(outputs["self-a"])[:, 0].tolist() == [80, 120, 160, 200]  # the portrait, 40, left out

    # Again: the same files are not copied again, a changed one is; an unsafe name is refused before anything is read.
    stamps = {case: path.stat().st_mtime_ns for case, path in outputs.items() if path.exists()}
    video(tmp_path / "cross-a-m1.mp4", lossless=False)
    adopt(few, "MCNet", tmp_path)
    assert [case for case in stamps if outputs[case].stat().st_mtime_ns != stamps[case]] == ["cross-a-m1"]
    (tmp_path / "self-a.mp4").unlink()
    adopt(few, "MCNet", tmp_path, lines.append)
    assert any("read before are taken away, self-a first" in line for line in lines) and not outputs["self-a"].exists()
    with pytest.raises(InputError, match="cannot be a file's name"):
        adopt(few, "../MCNet", tmp_path)


def test_evaluation_outputs_of_a_folder_that_was_left_half_way(few, tmp_path, monkeypatch):
    """Stopped just after a video of another folder was written: the first folder's own is read again."""
    first, second = (video(tmp_path / name / "self-a.mp4", lossless=name == "one") for name in ("one", "two"))
    adopt(few, "halfway", first.parent)
    take = adopting._take

    def stopped(*what):
        take(*what)
        raise KeyboardInterrupt

    monkeypatch.setattr(adopting, "_take", stopped)
    with pytest.raises(KeyboardInterrupt):
        adopt(few, "halfway", second.parent)
    monkeypatch.undo()
    output = few.folder / "outputs" / "halfway" / "self-a.mp4"
    assert output.read_bytes() == second.read_bytes() != first.read_bytes()
    adopt(few, "halfway", first.parent)
    assert output.read_bytes() == first.read_bytes()


def test_evaluation_docs_say_what_the_table_says():
    text = (ROOT / "followemoji_core/evaluation/emojibench/BASELINES.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for baseline in BASELINES.values():
        (row,) = [row for row in rows if row.startswith(f"| {baseline.label} |")]
        assert f"({baseline.url}) {baseline.commit.split()[0]}" in row and f"`{baseline.script}" in row
        assert ("unofficial" in row) is not baseline.official
        for flags in (baseline.absolute, baseline.relative):
            assert not flags or f"`{flags}`" in row
        for kind in ("self", "cross"):
            assert baseline.command(kind).endswith(baseline.flags(kind)) and "\\" not in baseline.command(kind)
        assert f"--method {baseline.name}=" in baseline.not_run
    assert [b.label for b in BASELINES.values() if not b.table] == ["LivePortrait"]
