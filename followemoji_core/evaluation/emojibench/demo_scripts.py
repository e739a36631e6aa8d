"""What the baselines' own demo scripts take: a table, read off their public code at the commits that it names.

Nobody ran them here: their weights are in no package. BASELINES.md says what was read, and what is left to be seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import InputError
from ...gate import short


@dataclass(frozen=True)
class Baseline:
    """One method, and the shell words that animate one case in a checkout of its code.

    name: of its folder. label: how the paper calls it. table: whether it stands in the paper's Table 1. official:
    whether its authors published that code. commit: the one that was read, with its date. call: bash, for one case;
    it may use "$python", "$checkpoint", "$source", "$driving", "$poses" and "$made", an empty folder to write into.
    absolute, relative: flags of self and of cross reenactment. result: what is then in $made. finish: bash that makes
    it, where the script itself does not. side: of the squares that are exported, in pixels; None: as they are.
    checkpoint: the script's own default, seen from the checkout; None: a place must be given; "": it takes none.
    panels: pictures side by side in the result, the last one the method's. poses: whether a folder of pose pictures
    must be made first. needs: files of weights. notes: what a reader of its numbers should know.
    """

    name: str
    label: str
    table: bool
    repository: str
    commit: str
    official: bool
    script: str
    call: str
    absolute: str
    relative: str
    result: str
    needs: str
    notes: tuple[str, ...]
    checkpoint: str | None = ""
    finish: str = ""
    side: int | None = 256
    panels: int = 1
    poses: bool = False

    @property
    def url(self) -> str:
        return f"https://github.com/{self.repository}"

    @property
    def not_run(self) -> str:
        """Why its row in the table is empty, and how to fill it."""
        return (
            f"nobody has run it: python -m followemoji_core evaluate export BENCH {self.name}; bash "
            f"BENCH/export/{self.name}/run.sh CHECKOUT; python -m followemoji_core evaluate run BENCH "
            f"--method {self.name}=BENCH/export/{self.name}"
        )

    def flags(self, kind: str) -> str:
        """Of a case of that kind, "self" or "cross"; "" for none."""
        return self.absolute if kind == "self" else self.relative

    def command(self, kind: str) -> str:
        """The command line of one case, for people: run.sh says it with the places filled in."""
        return " ".join(f"{self.call} {self.flags(kind)}".replace("\\\n", " ").split())


_FIRST_ORDER = '--source_image "$source" --driving_video "$driving" --result_video "$made/result.mp4"'
_YAML = "It reads its configuration as PyYAML before 6 does."
_RELATIVE = "Relative motion begins at the driver's first frame, which is taken to be the portrait's pose."
# Its pictures as a video, by the imageio that its environment has.
_PICTURES_TO_VIDEO = """"$python" - "$made/image/0/gen_images" "$driving" "$made/result.mp4" <<'END'
import glob, sys
import imageio.v2 as imageio
folder, driving, result = sys.argv[1:]
pictures = [imageio.imread(path) for path in sorted(glob.glob(glob.escape(folder) + "/*.jpg"))]
imageio.mimsave(result, pictures, fps=imageio.get_reader(driving).get_meta_data()["fps"])
END"""

_TABLE = (
    Baseline(
        name="FaceVid2vid",
        label="Face Vid2vid",
        table=True,
        repository="zhanglonghao1992/One-Shot_Free-View_Neural_Talking_Head_Synthesis",
        commit="9511d25 of 2022-04-19",
        official=False,
        script="demo.py",
        call=f'"$python" demo.py --config config/vox-256.yaml --checkpoint "$checkpoint" \\\n    {_FIRST_ORDER}',
        absolute="",
        relative="--relative --adapt_scale",
        result="result.mp4",
        checkpoint=None,
        needs="the checkpoint Vox-256-New (the older one, Vox-256-Beta, goes with config/vox-256-beta.yaml)",
        notes=("The authors published no code; which reimplementation the paper ran is not said.", _RELATIVE, _YAML),
    ),
    Baseline(
        name="DaGAN",
        label="DaGAN",
        table=True,
        repository="harlanhong/CVPR2022-DaGAN",
        commit="052ad35 of 2023-12-04",
        official=True,
        script="demo.py",
        call='"$python" demo.py --config config/vox-adv-256.yaml --checkpoint "$checkpoint" --kp_num 15 \\\n'
        f"    --generator DepthAwareGenerator {_FIRST_ORDER}",
        absolute="",
        relative="--relative --adapt_scale",
        result="result.mp4",
        checkpoint=None,
        needs="the checkpoint, and depth/models/weights_19/encoder.pth and depth.pth",
        notes=("The generator of its paper; the SPADE checkpoint needs SPADEDepthAwareGenerator.", _RELATIVE, _YAML),
    ),
    Baseline(
        name="MCNet",
        label="MCNet",
        table=True,
        repository="harlanhong/ICCV2023-MCNET",
        commit="9a08e22 of 2023-10-05",
        official=True,
        script="demo.py",
        call='"$python" demo.py --config config/vox-256.yaml --checkpoint "$checkpoint" --kp_num 15 \\\n'
        "    --generator Unet_Generator_keypoint_aware --mbunit ExpendMemoryUnit --memsize 1 \\\n"
        f"    {_FIRST_ORDER}",
        absolute="",
        relative="--relative --adapt_scale",
        result="result.mp4",
        checkpoint=None,
        panels=3,
        needs="the checkpoint",
        notes=("It writes source, driver and result side by side: the last third is read back.", _RELATIVE, _YAML),
    ),
    Baseline(
        name="TPS",
        label="TPS",
        table=True,
        repository="yoyo-nb/Thin-Plate-Spline-Motion-Model",
        commit="c616878 of 2023-07-08",
        official=True,
        script="demo.py",
        call=f'"$python" demo.py --config config/vox-256.yaml --checkpoint "$checkpoint" \\\n    {_FIRST_ORDER}',
        absolute="--mode standard",
        relative="--mode relative",
        result="result.mp4",
        checkpoint="checkpoints/vox.pth.tar",
        needs="checkpoints/vox.pth.tar",
        notes=("Its third mode, avd, is not used.", _RELATIVE),
    ),
    Baseline(
        name="FADM",
        label="FADM",
        table=True,
        repository="zengbohan0217/FADM",
        commit="090f0ae of 2025-02-08",
        official=True,
        script="demo.py",
        call='"$python" demo.py --source_image_path "$source" --driving_video_path "$driving" \\\n'
        '    --out_video_path "$made" --log_dir "$made/log"',
        absolute="",
        relative="",
        result="output.mp4",
        needs="modules/Facevid/ckpt/Facevid.pth, modules/diffusion/ckpt/diffusion.pth, data.zip in modules/deca",
        notes=(
            "It knows absolute motion only, in cross reenactment too.",
            "Its noise has no seed: no two runs are alike.",
            "It imports tkinter, and runs on CUDA alone.",
        ),
    ),
    Baseline(
        name="MagicDance",
        label="MagicDance",
        table=True,
        repository="Boese0601/MagicDance",
        commit="a515a1f of 2024-07-02",
        official=True,
        script="test_any_image_pose.py",
        call='"$python" -m torch.distributed.run --master_port "${PORT:-18102}" test_any_image_pose.py \\\n'
        "    --model_config model_lib/ControlNet/models/cldm_v15_reference_only_pose.yaml \\\n"
        "    --num_train_steps 1 --img_bin_limit all --train_batch_size 1 --use_fp16 --with_text --wonoise --v4 \\\n"
        "    --control_mode controlnet_important --control_type body+hand+face --train_dataset tiktok_video_arnold \\\n"
        '    --image_pretrain_dir "$checkpoint" --local_image_dir "$made/image" --local_log_dir "$made/log" \\\n'
        '    --local_pose_path "$poses" --local_cond_image_path "$source"',
        absolute="",
        relative="",
        result="result.mp4",
        finish=_PICTURES_TO_VIDEO,
        checkpoint="pretrained_weights/model_state-110000.th",
        needs="pretrained_weights/model_state-110000.th",
        side=512,
        poses=True,
        notes=(
            "It is driven by OpenPose pictures of body, hands and face, a frame each, which it does not make itself "
            "from a video: put them into ID/poses, in the order of their names.",
            "Its own script for them needs packages and storage of its authors' company; OpenPose makes them too.",
            "One checkpoint for all people, trained on dancing ones; nothing is trained for a case.",
            "The driver's pose is taken as it is, in cross reenactment too.",
        ),
    ),
    Baseline(
        name="LivePortrait",
        label="LivePortrait",
        table=False,
        repository="KwaiVGI/LivePortrait",
        commit="1986663 of 2025-06-14",
        official=True,
        script="inference.py",
        call='"$python" inference.py -s "$source" -d "$driving" -o "$made"',
        absolute="--no_flag_relative_motion --no_flag_do_crop",
        relative="",
        result="source--driving.mp4",
        side=None,
        needs="pretrained_weights as its readme says; ffmpeg",
        notes=(
            "A square driving clip is not cropped. Absolute motion needs the portrait in the same frame, so in self "
            "reenactment it is not cropped either; in cross reenactment it is, and pasted back.",
            "Relative motion and stitching are its defaults; absolute motion keeps the portrait's scale.",
            "It writes driving.pkl beside the driving clip, and the frame rate as a whole number.",
        ),
    ),
)
BASELINES = {baseline.name: baseline for baseline in _TABLE}


def known_baseline(name: str) -> Baseline | None:
    """The baseline that is meant by a method's name: case, spaces and dashes do not matter."""
    return next((found for found in _TABLE if _plain(name) in (_plain(found.name), _plain(found.label))), None)


def named_baseline(name: str) -> Baseline:
    """The same. Raises InputError for a name that is none's."""
    found = known_baseline(name)
    if found is None:
        raise InputError(f"{short(name, 60)!r} is no baseline that is known. Choose from {', '.join(BASELINES)}.")
    return found


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
