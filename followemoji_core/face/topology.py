"""Landmark index tables of MediaPipe's 478-point face mesh. Left and right are the person's own."""

from __future__ import annotations

# 1. Paths: landmarks along a curve, from the outer to the inner corner, or from the left to the right of the picture.
LEFT_EYE_LOWER = (263, 249, 390, 373, 374, 380, 381, 382, 362)
LEFT_EYE_UPPER = (263, 466, 388, 387, 386, 385, 384, 398, 362)
RIGHT_EYE_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
RIGHT_EYE_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
LEFT_BROW_LOWER = (276, 283, 282, 295, 285)
LEFT_BROW_UPPER = (300, 293, 334, 296, 336)
RIGHT_BROW_LOWER = (46, 53, 52, 65, 55)
RIGHT_BROW_UPPER = (70, 63, 105, 66, 107)
INNER_LIP_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
INNER_LIP_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
OUTER_LIP_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
OUTER_LIP_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)

# 2. Closed outlines and sets.
LEFT_EYE = LEFT_EYE_LOWER + LEFT_EYE_UPPER[-2:0:-1]  # 16 points around the socket, where the pupil has its place
RIGHT_EYE = RIGHT_EYE_LOWER + RIGHT_EYE_UPPER[-2:0:-1]
LEFT_BROW = LEFT_BROW_LOWER + LEFT_BROW_UPPER
RIGHT_BROW = RIGHT_BROW_LOWER + RIGHT_BROW_UPPER
INNER_LIPS = INNER_LIP_LOWER + INNER_LIP_UPPER[-2:0:-1]
LIPS = INNER_LIPS + OUTER_LIP_LOWER + OUTER_LIP_UPPER[-2:0:-1]
RIGHT_IRIS = (468, 469, 470, 471, 472)  # the pupil's centre comes first
LEFT_IRIS = (473, 474, 475, 476, 477)
PUPILS = (LEFT_IRIS[0], RIGHT_IRIS[0])

# Contour from the right temple down to the chin and up to the left temple, forehead left out, as published; the
# published list ends at 389, one short of the left temple, which makes masks lopsided.
FACE_CONTOUR = (
    21, 162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148,
    152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356, 389, 251,
)  # fmt: skip

# 3. Parts of the face whose expression has a strength of its own.
REGIONS: dict[str, tuple[int, ...]] = {
    "brows": LEFT_BROW + RIGHT_BROW,
    "eyes": LEFT_EYE + RIGHT_EYE,
    "pupils": LEFT_IRIS + RIGHT_IRIS,
    "mouth": LIPS,
}

# 4. What is drawn, in this order: (path, colour). Where paths cross, the later one wins. Published colours; the
# published code also draws the face contour first, in black on black: nothing is seen of it, so it is left out.
DRAWN_PATHS: tuple[tuple[tuple[int, ...], tuple[int, int, int]], ...] = (
    (LEFT_EYE_LOWER, (180, 200, 10)),
    (LEFT_EYE_UPPER, (180, 200, 10)),
    (LEFT_BROW_LOWER, (180, 220, 10)),
    (LEFT_BROW_UPPER, (180, 220, 10)),
    (RIGHT_EYE_LOWER, (10, 200, 180)),
    (RIGHT_EYE_UPPER, (10, 200, 180)),
    (RIGHT_BROW_LOWER, (10, 220, 180)),
    (RIGHT_BROW_UPPER, (10, 220, 180)),
    (INNER_LIP_LOWER[:6], (100, 100, 30)),
    (INNER_LIP_LOWER[5:], (100, 150, 50)),
    (INNER_LIP_UPPER[:6], (120, 100, 200)),
    (INNER_LIP_UPPER[5:], (150, 120, 100)),
)
DRAWN_EDGES: tuple[tuple[int, int, tuple[int, int, int]], ...] = tuple(
    (start, end, colour) for path, colour in DRAWN_PATHS for start, end in zip(path, path[1:], strict=False)
)
PUPIL_COLOUR = (255, 0, 0)

# 5. Blendshape names in MediaPipe's order.
BLENDSHAPE_NAMES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
