"""What drawn people do: expressions, gaze and head motion, smooth and random, independent of who does it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..face.controls import Controls

SHARES = ("jaw", "smile", "pucker", "brows_up", "brows_down", "blink_left", "blink_right")
# What the shares are in the expression space, in size as seen on a drawn face: of the chin's way, of the corners of the
# mouth, of the middle of the brows.
_IN_SPACE = {
    "jaw": {"jawOpen": 0.7},
    "smile": {"mouthSmileLeft": 1.05, "mouthSmileRight": 1.05},
    "pucker": {"mouthPucker": 1.5},
    "brows_up": {"browInnerUp": 0.6, "browOuterUpLeft": 0.6, "browOuterUpRight": 0.6},
    "brows_down": {"browDownLeft": 0.7, "browDownRight": 0.7},
    "blink_left": {"eyeBlinkLeft": 1.0},
    "blink_right": {"eyeBlinkRight": 1.0},
}
_GAZE = (26.0, 16.0)  # degrees, the farthest that eyes turn
_TURN = (24.0, 13.0, 13.0)  # degrees: yaw, pitch, roll
_PLACE = (1.6, 1.2, 1.5)  # cm


@dataclass(frozen=True)
class Acting:
    """T frames: shares of each expression (T,), 1 in full; turns (T,3) degrees: yaw, pitch, roll; gazes (T,2,2)
    degrees: yaw, pitch of right eye and left; places (T,3) cm away from where the head usually is. Signs as in
    `Rig.pose`."""

    shares: dict[str, np.ndarray]
    turns: np.ndarray
    gazes: np.ndarray
    places: np.ndarray
    fps: float = 25.0

    def __len__(self) -> int:
        return len(self.turns)

    @classmethod
    def random(cls, seed: int, frames: int, still_head: bool = False, from_rest: bool = False) -> Acting:
        """A motion of that number, at 25 fps: the same on every machine. still_head: turns and places do not change.
        from_rest: frame 0 is a calm face that looks ahead."""
        rng = np.random.default_rng([seed, 11])

        def wander(hertz: float, columns: int = 1) -> np.ndarray:
            return _wander(rng, frames, 25.0 / hertz, columns)

        # 1. Mouth: opening and shapes; they exclude each other in part. Brows: up or down.
        mouth, brows = wander(2.2, 3), wander(1.1)[:, 0]
        jaw = np.clip(0.35 + 0.55 * mouth[:, 0], 0, 1)
        smile = np.clip(0.15 + 0.8 * mouth[:, 1], -0.35, 1)
        pucker = np.clip(0.9 * mouth[:, 2] - 0.2, 0, 1) * (1 - np.clip(smile, 0, 1))
        shares = {"jaw": jaw, "smile": smile, "pucker": pucker}
        shares |= {"brows_up": np.clip(brows, 0, 1), "brows_down": np.clip(-brows, 0, 1)}

        # 2. Lids: blinks of both, winks of one, and half shut eyes.
        lids = np.zeros((frames, 2))
        for _ in range(rng.poisson(frames / 18)):
            eyes = ((0, 1), (0, 1), (0,), (1,))[rng.integers(4)]
            time = np.arange(frames) - rng.uniform(0, frames)
            lids[:, eyes] = np.maximum(lids[:, eyes], np.clip(1.5 - np.abs(time)[:, None] / 2.5, 0, 1))
        lids = np.maximum(lids, np.clip(0.55 * wander(0.6) - 0.2, -0.15, 0.5))
        shares |= {"blink_left": lids[:, 0], "blink_right": lids[:, 1]}

        # 3. Gaze: both eyes together, now and then apart.
        together, apart = np.tanh(1.2 * wander(1.3, 2)), 0.6 * wander(0.8, 2)
        crossed = rng.random() < 0.2
        gazes = np.stack([together + crossed * apart, together - crossed * apart], axis=1).clip(-1, 1) * _GAZE

        # 4. Head.
        turns, places = 0.62 * wander(0.8, 3), 0.5 * wander(0.6, 3)
        if still_head:
            turns, places = np.repeat(turns[:1], frames, 0) * 0.5, np.repeat(places[:1], frames, 0)
        acting = cls(shares, turns.clip(-1, 1) * _TURN, gazes, places.clip(-1, 1) * _PLACE)
        return acting.started_at_rest() if from_rest else acting

    def controls(self) -> Controls:
        """The same in the expression space (face/expression.py), T frames: for Person.express, or for any face."""
        given = {f"head{axis}": self.turns[:, index] for index, axis in enumerate(("Yaw", "Pitch", "Roll"))}
        given |= {f"head{axis}": self.places[:, index] for index, axis in enumerate("XYZ")}
        for name, share in self.shares.items():
            given |= {control: share * size for control, size in _IN_SPACE[name].items()}
        return Controls.of(given, len(self), self.fps).with_gaze(self.gazes)

    def every(self, stride: int) -> Acting:
        """Each `stride`-th frame of it, at a frame rate that is as much lower."""
        return replace(self.at(slice(None, None, stride)), fps=self.fps / stride)

    def at(self, frames) -> Acting:
        """Those frames of it: a slice or (n,) int."""
        shares = {name: share[frames] for name, share in self.shares.items()}
        return Acting(shares, self.turns[frames], self.gazes[frames], self.places[frames], self.fps)

    def after(self, first: Acting) -> Acting:
        """Another acting, and then this one, at this one's frame rate."""
        shares = {name: np.concatenate([first.shares[name], share]) for name, share in self.shares.items()}
        pairs = ((first.turns, self.turns), (first.gazes, self.gazes), (first.places, self.places))
        return Acting(shares, *map(np.concatenate, pairs), self.fps)

    def looking(self) -> Acting:
        """Of all that, only the gaze, with eyes wide open."""
        calm = {name: np.full(len(self), -0.12 if "blink" in name else 0.0) for name in self.shares}
        return replace(Acting.rest(len(self)), shares=calm, gazes=self.gazes, fps=self.fps)

    def calmed(self, share: float) -> Acting:
        """The same with expressions that are `share` as strong; gaze and head stay."""
        return replace(self, shares={name: share * value for name, value in self.shares.items()})

    def held(self, frame: int) -> Acting:
        """As long, but all of it that one frame."""
        return self.at(np.full(len(self), frame))

    @classmethod
    def rest(cls, frames: int = 1) -> Acting:
        """A calm face that looks ahead."""
        zero = np.zeros((frames, 3))
        return cls({name: np.zeros(frames) for name in SHARES}, zero, np.zeros((frames, 2, 2)), zero)

    def started_at_rest(self, frames: int = 6) -> Acting:
        """The same, faded in from a calm face over the first `frames`."""
        fade = np.clip(np.arange(len(self)) / frames, 0, 1)
        shares = {name: fade * share for name, share in self.shares.items()}
        turned = (fade.reshape(-1, *[1] * (part.ndim - 1)) * part for part in (self.turns, self.gazes, self.places))
        return Acting(shares, *turned, self.fps)

    def with_head_of(self, other: Acting) -> Acting:
        """This expression and gaze, with the head of the other's first frame, unmoved."""
        return replace(self, turns=self._still(other.turns), places=self._still(other.places))

    def _still(self, values: np.ndarray) -> np.ndarray:
        return np.repeat(values[:1], len(self), 0)


def _wander(rng: np.random.Generator, frames: int, period: float, columns: int) -> np.ndarray:
    """(frames, columns) of smooth noise with standard deviation about 0.6 and periods of `period` frames and more."""
    harmonics = np.arange(1, 5)
    length = np.maximum(period / harmonics * 2, 3.0)[:, None, None]
    phase = rng.uniform(0, 2 * np.pi, (len(harmonics), 1, columns))
    speed = rng.uniform(0.7, 1.3, (len(harmonics), 1, columns))
    size = rng.normal(0, 1, (len(harmonics), 1, columns)) / np.sqrt(len(harmonics))
    time = np.arange(frames)[None, :, None]
    return 0.85 * np.sum(size * np.sin(2 * np.pi * time * speed / length + phase), axis=0)
