// What is connected to an editor, as the server can make it before any run: Load Image with its face, a drawn portrait,
// both as they are or framed; Load Image or a drawn animal with a face placed by hand.
import { isLinked, origin, value, values } from "./graph_origin.js";

function portrait(picture, face, depth = 0) {
  if (!picture || !face || depth > 5) return null;
  const one = picture.node;
  if (one === face.node && one.comfyClass === "FollowEmojiDrawnPortrait") {
    const drawn = values(one, ["person", "style", "size"]);
    return drawn && { drawn };
  }
  if (one === face.node && one.comfyClass === "FollowEmojiPreparePortrait") {
    const inner = portrait(origin(one, "image"), origin(one, "face"), depth + 1);
    if (value(one, "upright") === true) return null; // only a run turns it
    const frame = values(one, ["width", "height", "framing", "room"]);
    return inner && frame && !inner.frame ? { ...inner, frame } : null;
  }
  if (face.node.comfyClass === "FollowEmojiPlaceFace") {
    const guessed = ["mask", "box", "face"].some((name) => isLinked(face.node, name)); // only a run can tell where
    const placed = value(face.node, "points");
    if (guessed || typeof placed !== "string" || origin(face.node, "image")?.node !== one) return null;
    const image = value(one, "image");
    if (one.comfyClass === "LoadImage") return typeof image === "string" ? { image, placed } : null;
    const animal = one.comfyClass === "FollowEmojiDrawnAnimal" && values(one, ["animal", "size"]);
    return animal ? { animal, placed } : null;
  }
  if (one.comfyClass === "LoadImage" && face.node.comfyClass === "FollowEmojiExtractLandmarks") {
    if (origin(face.node, "source")?.node !== one) return null;
    if (["mask", "box", "number"].some((name) => isLinked(face.node, name))) return null; // only a run can tell which face
    const number = value(face.node, "number") ?? 0;
    const looked = values(face.node, ["detector", "face", "confidence"]);
    const image = value(one, "image");
    if (!looked || typeof image !== "string") return null;
    return { image, detector: looked.detector, which: looked.face, confidence: looked.confidence, ...(number && { number }) };
  }
  return null;
}

// What the request's `portrait` says, or null where only a run can tell.
export function connectedPortrait(node) {
  return portrait(origin(node, "portrait"), origin(node, "face"));
}

export const isDriven = (node) => isLinked(node, "motion");
