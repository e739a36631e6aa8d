// What is connected to an editor, as the server can make it before any run: Load Image with its face, a drawn portrait,
// both as they are or framed; through reroutes, into and out of subgraphs.
import { app } from "/scripts/app.js";

const FROM_INPUT = -10; // litegraph's ids of a subgraph's own ends, numbers or text by version
const TO_OUTPUT = -20;
const links = (graph) => [...(graph.links?.values?.() ?? Object.values(graph.links ?? {}))];
const linkOf = (graph, id) => graph.getLink?.(id) ?? graph.links?.get?.(id) ?? graph.links?.[id];

function hostOf(subgraph, graph = app.graph?.rootGraph ?? app.graph) {
  for (const node of graph?._nodes ?? []) {
    if (!node.subgraph) continue;
    if (node.subgraph === subgraph) return node;
    const inner = hostOf(subgraph, node.subgraph);
    if (inner) return inner;
  }
  return null;
}

// The node and its output that feed an input, or null.
function origin(node, name, depth = 0) {
  const slot = typeof name === "number" ? name : (node.inputs ?? []).findIndex((input) => input.name === name);
  const input = node.inputs?.[slot];
  if (!input || input.link == null || depth > 30) return null;
  return ends(node.graph, linkOf(node.graph, input.link), depth);
}

function ends(graph, link, depth) {
  if (!graph || !link) return null;
  if (Number(link.origin_id) === FROM_INPUT) {
    const host = hostOf(graph);
    return host && origin(host, link.origin_slot, depth + 1);
  }
  const from = graph.getNodeById(link.origin_id);
  if (!from || from.mode === 4 || from.mode === 2) return null;
  if (from.subgraph) {
    const inner = links(from.subgraph).find((each) => Number(each.target_id) === TO_OUTPUT && each.target_slot === link.origin_slot);
    return ends(from.subgraph, inner, depth + 1);
  }
  if (from.type === "Reroute") return origin(from, 0, depth + 1);
  return { node: from, slot: link.origin_slot };
}

// A widget's value; undefined where something is connected to it.
function value(node, name) {
  const input = (node.inputs ?? []).find((each) => each.name === name);
  if (input?.link != null) return undefined;
  return node.widgets?.find((widget) => widget.name === name)?.value;
}

function values(node, names) {
  const found = names.map((name) => [name, value(node, name)]);
  return found.some(([, each]) => each === undefined) ? null : Object.fromEntries(found);
}

function portrait(picture, face, depth = 0) {
  if (!picture || !face || depth > 5) return null;
  const one = picture.node;
  if (one === face.node && one.comfyClass === "FollowEmojiDrawnPortrait") {
    const drawn = values(one, ["person", "style", "size"]);
    return drawn && { drawn };
  }
  if (one === face.node && one.comfyClass === "FollowEmojiPreparePortrait") {
    const inner = portrait(origin(one, "image"), origin(one, "face"), depth + 1);
    const frame = values(one, ["width", "height", "framing", "room"]);
    return inner && frame && !inner.frame ? { ...inner, frame } : null;
  }
  if (one.comfyClass === "LoadImage" && face.node.comfyClass === "FollowEmojiExtractLandmarks") {
    if (origin(face.node, "source")?.node !== one) return null;
    const looked = values(face.node, ["detector", "face"]);
    const image = value(one, "image");
    return looked && typeof image === "string" ? { image, detector: looked.detector, which: looked.face } : null;
  }
  return null;
}

// What the request's `portrait` says, or null where only a run can tell.
export function connectedPortrait(node) {
  return portrait(origin(node, "portrait"), origin(node, "face"));
}

export const isDriven = (node) => (node.inputs ?? []).some((input) => input.name === "motion" && input.link != null);
