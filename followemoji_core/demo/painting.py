"""A face of the mesh as a painted person: head, hair, neck and clothes around it, everything placed in 3D."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from ..face.camera import near_plane, project
from ..face.geometry import CanonicalFace
from ..face.topology import (
    FACE_CONTOUR,
    INNER_LIP_LOWER,
    INNER_LIP_UPPER,
    LEFT_BROW_LOWER,
    LEFT_BROW_UPPER,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    OUTER_LIP_LOWER,
    OUTER_LIP_UPPER,
    RIGHT_BROW_LOWER,
    RIGHT_BROW_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from ..types import FaceFrame
from .looks import Look

_OVERSAMPLING = 2
_LIGHT = np.array([-0.35, 0.5, 0.79])  # towards the light, camera space
_SKULL, _SKULL_RADII = np.array([0.0, 2.6, -3.0]), np.array([8.0, 8.7, 8.7])  # cm, face space
_NECK = np.array([0.0, -7.0, -4.0])  # cm in face space: stays in place when the head turns on it
_CREASES = ((467, 260, 259, 257, 258, 286, 414), (247, 30, 29, 27, 28, 56, 190))  # above the lids, left and right
_WINGS = ((358, 294, 327), (129, 64, 98))  # of the nose


def paint_face(face: FaceFrame, look: Look) -> np.ndarray:
    """(H,W,3) uint8 RGB: the person whose face that is, in a picture of the face's size."""
    painter = _Painter(face, look)
    painter.background()
    painter.hair_behind()
    painter.body()
    painter.hair()
    painter.face()
    painter.mouth()
    painter.eyes_and_brows()
    return painter.picture()


class _Painter:
    """Paints back to front. Points are (N,3) cm in face space or (N,2) pixels; widths and softness are cm."""

    def __init__(self, face: FaceFrame, look: Look) -> None:
        self.size = tuple(side * _OVERSAMPLING for side in face.size)
        self.look, self.mesh = look, face.metric.astype(np.float64)
        self.pose = face.camera_from_face.astype(np.float64)
        self.unit = self.size[1] / near_plane(face.size)[1] / -self.pose[2, 3]  # pixels of a cm at the head
        self.landmarks = face.landmarks[:, :2] * self.size
        self.image = np.empty((self.size[1], self.size[0], 3), np.float32)
        self.skin = np.array(look.skin, float)
        self.shade = self.skin * (0.74, 0.6, 0.56)
        self.skull = _SKULL + (0, *(self.mesh[10] - CanonicalFace.default().vertices[10])[1:])
        self.radii = _SKULL_RADII * (np.ptp(self.mesh[:, 0]) / 15.5, 1, 1)

    def picture(self) -> np.ndarray:
        small = (self.size[0] // _OVERSAMPLING, self.size[1] // _OVERSAMPLING)
        return cv2.resize(self.image, small, interpolation=cv2.INTER_AREA).round().clip(0, 255).astype(np.uint8)

    # Tools.

    def place(self, points) -> np.ndarray:
        """Face space -> pixels; pixels are let through."""
        points = np.asarray(points, float)
        if points.shape[-1] == 2:
            return points
        return project(points @ self.pose[:3, :3].T + self.pose[:3, 3], self.size)

    def fill(self, points, colour, alpha: float = 1.0, soft: float = 0.0, inside: np.ndarray | None = None):
        """A closed outline; `inside` (H,W) in [0,1] limits it. Returns its own mask (H,W)."""
        pixels = np.round((self.place(points) - 0.5) * 16).astype(np.int32)
        mask = np.zeros(self.size[::-1], np.float32)
        low = np.maximum(pixels.min(axis=0) // 16 - int(3 * soft * self.unit) - 2, 0)
        high = np.maximum(pixels.max(axis=0) // 16 + int(3 * soft * self.unit) + 3, low)
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        part = np.zeros(mask[box].shape, np.uint8)
        if part.size:
            cv2.fillPoly(part, [pixels - low.astype(np.int32) * 16], 255, cv2.LINE_AA, 4)
            part = part.astype(np.float32) / 255
            if soft:
                part = cv2.GaussianBlur(part, (0, 0), soft * self.unit)
            if inside is not None:
                part *= inside[box]
            mask[box] = part
            self.image[box] += (alpha * part)[..., None] * (np.asarray(colour, np.float32) - self.image[box])
        return mask

    def stroke(self, points, colour, width, alpha: float = 1.0, soft: float = 0.0, inside: np.ndarray | None = None):
        """A brush along a curve; `width` is a number, or several from its start to its end."""
        line = _smooth(self.place(points))
        along = np.gradient(line, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], axis=-1) / (np.linalg.norm(along, axis=-1, keepdims=True) + 1e-9)
        widths = np.atleast_1d(width)
        half = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, len(widths)), widths)[:, None] * self.unit / 2
        return self.fill(
            np.concatenate([line + normal * half, (line - normal * half)[::-1]]), colour, alpha, soft, inside
        )

    def scalp(self, xy, lift: float = 0.0) -> np.ndarray:
        """(N,2) cm seen from the front -> (N,3) on the skull, or `lift` cm above it."""
        xy = np.asarray(xy, float)
        flat = (xy - self.skull[:2]) / (self.radii[:2] + lift)
        z = np.sqrt(np.clip(1 - np.square(flat).sum(axis=-1), 0.0, 1.0)) * (self.radii[2] + lift)
        return np.column_stack([xy, self.skull[2] + z])

    # The person, from back to front.

    def background(self) -> None:
        width, height = self.size
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        centre = self.place([self.skull + (0, 1, 0)])[0] - (0.12 * height, 0.1 * height)
        glow = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (0.5 * height) ** 2)[..., None]
        colour = np.array(self.look.background, np.float32)
        self.image[:] = colour * 0.8 + glow * (255 - colour * 0.8) * 0.45

    def hair_behind(self) -> None:
        hair, dark = self.look.hair, np.array(self.look.hair_colour) * 0.72
        wide = self.radii[0] + hair.volume
        if hair.bun:
            angle = np.linspace(0, 2 * np.pi, 40)
            bun = np.column_stack([3.4 * np.cos(angle), 12.6 + 3.1 * np.sin(angle), np.full(40, -5.0)])
            self.fill(bun, np.array(self.look.hair_colour) * 0.9)
            for turn in (-1.6, -0.4, 0.9):
                arc = [(turn - 1.2, 14.6, -5), (turn, 13.2, -4), (turn + 0.6, 11.4, -4)]
                self.stroke(arc, dark, (0.1, 0.5, 0.1), 0.5, 0.08)
        if hair.end is not None:
            end, z = hair.end, -3.5
            half = [
                (wide - 0.4, 5),
                (wide + 0.3, -1),
                (wide + 0.6, (end - 3) / 2),
                (wide + 0.4, end + 2.5),
                (wide - 1.8, end),
                (3, end + 0.3),
            ]
            outline = np.array([(x, y, z) for x, y in half] + [(-x, y, z) for x, y in half[::-1]])
            outline = _smooth(self.place(outline), closed=True)
            self.fill(self.curls(outline) if hair.curly else outline, dark)

    def body(self) -> None:
        neck = self.place([_NECK])[0]

        def torso(points) -> np.ndarray:  # cm from the neck, which does not turn
            return neck + np.asarray(points, float) * (1, -1) * self.unit

        throat = torso(
            [(-4.6, 5), (-4.4, -2), (-5.6, -5.2), (-9, -7), (0, -14), (9, -7), (5.6, -5.2), (4.4, -2), (4.6, 5)]
        )
        inside = self.fill(_smooth(throat, closed=True), self.skin * 0.93)
        chin = self.mesh[list(FACE_CONTOUR)] * (0.92, 1, 1) - (-0.6, 2.2, 2.0)
        self.fill(chin, self.shade * 0.9, 0.75, 0.7, inside)
        cloth = np.array(self.look.clothes, float)
        right = [(-5.4, -4.3), (-9.5, -5.6), (-15, -7.4), (-18.5, -10.5), (-20.5, -17), (-22, -60)]
        collar = [(5.4, -4.3), (4.2, -7.2), (0.0, -9.0), (-4.2, -7.2), (-5.4, -4.3)]
        shoulders = _smooth(torso([*right[1:], *[(-x, y) for x, y in right[:0:-1]]]))
        inside = self.fill(np.concatenate([shoulders, _smooth(torso(collar))]), cloth)
        self.fill(torso([(7, -7), (11, -40), (30, -40), (20, -8)]), cloth * 0.7, 0.5, 2.5, inside)
        self.fill(torso([(-6, -6), (-16, -8), (-18, -14), (-9, -12)]), cloth + (255 - cloth) * 0.35, 0.4, 1.6, inside)
        self.stroke(torso(collar), cloth * 0.78, 0.9)

    def hair(self) -> None:
        hair, colour = self.look.hair, np.array(self.look.hair_colour, float)
        # 1. A cap around the skull.
        turn = np.linspace(0, 2 * np.pi, 36)
        rings = [
            np.stack([np.cos(t) * np.sin(turn), np.sin(t) + 0 * turn, np.cos(t) * np.cos(turn)], -1)
            for t in np.linspace(-0.25, 1.57, 14)
        ]
        dome = self.skull + np.concatenate(rings) * (self.radii + hair.volume * np.array([1.0, 1.0, 0.5]))
        outline = cv2.convexHull(self.place(dome).astype(np.float32))[:, 0].astype(float)
        if hair.curly:
            outline = self.curls(outline)
        inside = self.fill(outline, colour)
        # 2. Light from the left above, dark at the right and below.
        low = [(x, y, -1) for x, y in ((3, 4), (5, 12), (14, 14), (14, -6), (-10, -6), (-7, 2))]
        self.fill(low, colour * 0.6, 0.5, 1.8, inside)
        # 3. Strands from the hairline to the crown, along the skull.
        line = _smooth(np.array(hair.hairline))[::3]
        crown = self.scalp([(hair.crown, 9.5)], hair.volume)[0] - (0, 0, 1.5)
        for index, start in enumerate(self.scalp(line, hair.volume * 0.7)):
            middle = (start + crown) / 2 - self.skull
            middle *= (1.05 + hair.volume / 9) / np.linalg.norm(middle / self.radii)
            tone = colour * 0.68 if index % 3 else colour + (255 - colour) * 0.22
            curve = [start, self.skull + middle, crown]
            self.stroke(curve, tone, (0.3, 0.55, 0.1), 0.3, 0.06, inside)
        shine = self.scalp([(-6.2, 7.6), (-4.4, 9.3), (-2.0, 10.3), (1.2, 10.5)], hair.volume)
        self.stroke(shine, colour + (255 - colour) * 0.5, (0.2, 1.5, 1.5, 0.2), 0.4, 0.45, inside)
        # 4. Ears, where the hair leaves them free.
        if hair.end is None:
            for side in (-1, 1):
                angle = np.linspace(0, 2 * np.pi, 24)
                ear = np.column_stack(
                    [
                        side * (8.0 + 0.9 * np.cos(angle)),
                        0.9 + 2.3 * np.sin(angle) + 0.3 * np.cos(angle),
                        -2.8 + 0 * angle,
                    ]
                )
                inner = ear * (1, 0.6, 1) + (0.15 * side, 0.4, 0.1)
                mask = self.fill(ear, self.skin * (0.95, 0.88, 0.86))
                self.fill(inner, self.shade, 0.55, 0.2, mask)

    def face(self) -> None:
        # 1. Where skin is seen: the head's outline below the hairline.
        rim = np.concatenate([self.landmarks[:468], _smooth(self.landmarks[list(FACE_CONTOUR)])])
        hull = cv2.convexHull(rim.astype(np.float32))[:, 0].astype(float)
        below = _smooth(self.scalp(self.look.hair.hairline, 0.1))
        (right, left), sink = below[[0, -1]], (0, -30, 0)
        window = self.place(
            np.concatenate(
                [[right + sink - (9, 0, 0), right - (9, 0, 0)], below, [left + (9, 0, 0), left + sink + (9, 0, 0)]]
            )
        )
        canvas, self.image = self.image, np.zeros_like(self.image)
        window = self.fill(window, self.skin)
        mask = self.fill(hull, self.skin, inside=window)
        # 2. Light and shadow: triangles from far to near, softened.
        self.image[:] = self.skin
        triangles = _triangles()
        camera = self.mesh @ self.pose[:3, :3].T + self.pose[:3, 3]
        corners = camera[triangles]
        facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = np.zeros_like(camera)
        np.add.at(normals, triangles, facing[:, None])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
        light = np.clip(normals @ _LIGHT, 0, 1)[triangles].mean(axis=1)[:, None] ** 0.8
        bright = self.skin + (255 - self.skin) * 0.22
        tones = self.shade * (1 - light) + bright * light
        pixels = np.round(self.landmarks[triangles] * 16).astype(np.int32)
        for index in corners[..., 2].sum(axis=1).argsort():
            cv2.fillConvexPoly(self.image, pixels[index], tones[index], cv2.LINE_AA, 4)
        shaded = cv2.GaussianBlur(self.image, (0, 0), 0.38 * self.unit)
        self.image = canvas + mask[..., None] * (shaded - canvas)
        # 3. Shadow of the hair, blush, nose.
        self.stroke(below - (0, 0.25, 0), self.shade * 0.8, 1.1, 0.5, 0.35, mask)
        rose = self.skin * (1.0, 0.68, 0.66)
        for (cheek, _, alar), side in zip(((425, *_WINGS[0][::2]), (205, *_WINGS[1][::2])), (0, 1), strict=True):
            self.fill(self.disc(self.mesh[cheek] + ((0.5, -0.5)[side], 0.7, 0.3), 1.6, 1.3), rose, 0.55, 0.7, mask)
            self.stroke(self.mesh[list(_WINGS[side])], self.shade * 0.8, (0.08, 0.24, 0.1), 0.6, 0.06)
            nostril = [
                self.mesh[2] + share * (self.mesh[alar] - self.mesh[2]) + (0, 0.1, 0) for share in (0.28, 0.55, 0.82)
            ]
            self.stroke(nostril, self.shade * 0.42, (0.12, 0.38, 0.12), 0.8, 0.08)
        self.fill(self.disc(self.mesh[4] + (-0.25, 0.35, 0), 0.4, 0.35), bright + (255 - bright) * 0.5, 0.6, 0.22)

    def mouth(self) -> None:
        lips = self.skin * 0.45 + np.array((190, 70, 76)) * 0.55
        lips *= 0.75 + 0.25 * self.skin.mean() / 255
        upper, lower, top, bottom = (
            _smooth(self.mesh[list(path)])
            for path in (INNER_LIP_UPPER, INNER_LIP_LOWER, OUTER_LIP_UPPER, OUTER_LIP_LOWER)
        )
        self.stroke(bottom[15:-15] - (0, 0.35, 0), self.shade * 0.85, (0.1, 0.6, 0.1), 0.5, 0.2)
        self.fill(np.concatenate([top, lower[::-1]]), lips * 0.88, soft=0.03)
        below = self.fill(np.concatenate([lower, bottom[::-1]]), lips, soft=0.03)
        self.stroke(
            ((lower + bottom) / 2)[20:-20] + (0, 0.1, 0), lips + (255 - lips) * 0.5, (0.1, 0.4, 0.1), 0.6, 0.12, below
        )
        hole = self.fill(np.concatenate([upper, lower[::-1]]), (74, 20, 26))
        tongue = (lower - (0, 0.1, 0))[15:-15]
        self.stroke(tongue, (186, 84, 88), (0.3, 1.2, 0.3), 0.8, 0.15, hole)
        self.stroke((upper + (0, 0.05, -0.4))[10:-10], (246, 240, 230), (0.5, 1.1, 0.5), 1.0, 0.05, hole)
        self.stroke(upper, lips * 0.42, (0.05, 0.14, 0.05), 0.8, 0.03)

    def eyes_and_brows(self) -> None:
        dark = np.array(self.look.hair_colour) * 0.45 + np.array((14, 8, 8))
        brow = np.array(self.look.hair_colour) * 0.72
        for upper, lower, iris, crease, brow_low, brow_high in (
            (LEFT_EYE_UPPER, LEFT_EYE_LOWER, LEFT_IRIS, _CREASES[0], LEFT_BROW_LOWER, LEFT_BROW_UPPER),
            (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER, RIGHT_IRIS, _CREASES[1], RIGHT_BROW_LOWER, RIGHT_BROW_UPPER),
        ):
            # 1. The ball, and the iris on it, in the opening of the lids.
            lid, floor = _smooth(self.mesh[list(upper)]), _smooth(self.mesh[list(lower)])
            self.stroke(self.mesh[list(crease)], self.shade * 0.75, (0.05, 0.16, 0.05), 0.7, 0.04)
            white = self.fill(np.concatenate([lid, floor[::-1]]), (250, 247, 243))
            pupil, *rim = self.landmarks[list(iris)]
            angle = np.linspace(0, 2 * np.pi, 40)[:, None]
            across, up = (rim[0] - rim[2]) / 2, (rim[1] - rim[3]) / 2

            def ring(share, centre=pupil, across=across, up=up, angle=angle):
                return centre + share * (across * np.cos(angle) + up * np.sin(angle))

            colour = np.array(self.look.eyes, float)
            self.fill(ring(1.08), colour * 0.4, inside=white)
            self.fill(ring(0.92), colour, inside=white)
            self.fill(ring(0.45, pupil - 0.4 * up), colour + (255 - colour) * 0.4, 0.7, 0.1, white)
            self.fill(ring(0.46), (18, 12, 12), inside=white)
            self.stroke(lid - (0, 0.1, 0), (60, 40, 44), 0.4, 0.4, 0.1, white)
            self.fill(ring(0.2, pupil - 0.3 * across + 0.38 * up), (255, 255, 255), inside=white)
            self.fill(ring(0.1, pupil + 0.3 * across - 0.35 * up), (255, 255, 255), 0.7, inside=white)
            # 2. Lids with lashes; brows.
            self.stroke(floor, self.shade * 0.6, (0.14, 0.08, 0.05), 0.7, 0.02)
            flick = lid[0] + (lid[0] - lid[8]) * 0.7 + (0, 0.12, 0)
            self.stroke(np.concatenate([[flick], lid[4:]]), dark, (0.02, 0.2, 0.26, 0.22, 0.2, 0.16, 0.08))
            low, high = self.mesh[list(brow_low)], self.mesh[list(brow_high)]
            brow_line = np.concatenate([_smooth(low), _smooth(high)[::-1]])
            self.fill(brow_line, brow, 0.92, 0.07)

    def disc(self, centre: np.ndarray, wide: float, high: float) -> np.ndarray:
        angle = np.linspace(0, 2 * np.pi, 32)
        return centre + np.column_stack([wide * np.cos(angle), high * np.sin(angle), 0 * angle])

    def curls(self, outline: np.ndarray) -> np.ndarray:
        """The outline (N,2) pixels with round waves of about 2 cm."""
        steps = np.linalg.norm(np.diff(outline, axis=0, append=outline[:1]), axis=1)
        length, total = np.concatenate([[0], np.cumsum(steps)]), steps.sum()
        count = max(round(total / (2.4 * self.unit)), 3)
        along = np.linspace(0, total, 12 * count, endpoint=False)
        closed = np.concatenate([outline, outline[:1]])
        dense = np.column_stack([np.interp(along, length, closed[:, axis]) for axis in (0, 1)])
        out = dense - dense.mean(axis=0)
        wave = np.abs(np.sin(np.pi * along / total * count))[:, None] * 0.75 * self.unit
        return dense + out / np.linalg.norm(out, axis=1, keepdims=True) * wave


@functools.cache
def _triangles() -> np.ndarray:
    """(N,3) vertex indices of the face, anticlockwise from outside: Delaunay on the face rolled out about its axis."""
    x, y, z = CanonicalFace.default().vertices.astype(np.float64).T
    flat = np.column_stack([np.arctan2(x, z + 5.0) * 10, y]).astype(np.float32)
    plane = cv2.Subdiv2D((-40, -40, 80, 80))
    plane.insert(flat)
    corners = plane.getTriangleList().reshape(-1, 3, 2)
    distance = np.linalg.norm(corners[:, :, None] - flat, axis=-1)
    triangles = distance.argmin(axis=-1)[(distance.min(axis=-1) < 1e-3).all(axis=1)]  # without the plane's own corners
    (ax, ay), (bx, by), (cx, cy) = np.moveaxis(flat[triangles], (1, 2), (0, 1))
    turned = (bx - ax) * (cy - ay) < (by - ay) * (cx - ax)
    return np.where(turned[:, None], triangles[:, ::-1], triangles)


def _smooth(points: np.ndarray, closed: bool = False, steps: int = 6) -> np.ndarray:
    """A Catmull-Rom curve through points (N,2 or 3): `steps` points for each stretch."""
    points = np.asarray(points, float)
    ends = (points[-1:], points[:2]) if closed else (2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1])
    p = np.concatenate([ends[0], points, ends[1]])
    t = np.arange(steps)[:, None, None] / steps
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    curve = b + t * ((c - a) / 2 + t * (a - 2.5 * b + 2 * c - d / 2 + t * (1.5 * (b - c) + (d - a) / 2)))
    curve = np.swapaxes(curve, 0, 1).reshape(-1, points.shape[1])
    return curve if closed else np.concatenate([curve, points[-1:]])
