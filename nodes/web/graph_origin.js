// What hangs in front of a node, and what its widgets say: through reroutes, into and out of subgraphs.
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
export function origin(node, name, depth = 0) {
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
export function value(node, name) {
  const input = (node.inputs ?? []).find((each) => each.name === name);
  if (input?.link != null) return undefined;
  return node.widgets?.find((widget) => widget.name === name)?.value;
}

export function values(node, names) {
  const found = names.map((name) => [name, value(node, name)]);
  return found.some(([, each]) => each === undefined) ? null : Object.fromEntries(found);
}

export const isLinked = (node, name) => (node.inputs ?? []).some((input) => input.name === name && input.link != null);
