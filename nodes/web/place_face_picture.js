// Which picture a node looks at: that of a Load Image or a Drawn Animal in front of it, at once; else the last run's.
import { app } from "/scripts/app.js";
import { api } from "/scripts/api.js";

function everyGraph() {
  const root = app.rootGraph ?? app.graph;
  return [root, ...(root.subgraphs ? [...root.subgraphs.values()] : [])];
}

const linkOf = (graph, id) => graph.getLink?.(id) ?? graph.links?.get?.(id) ?? graph.links?.[id];

// The node, and its output, that an input hangs on; through reroutes and out of subgraphs. Null where it is not clear.
export function upstream(node, name, depth = 0) {
  const input = node.inputs?.find((each) => each.name === name);
  const link = input?.link == null ? null : linkOf(node.graph, input.link);
  if (!link || depth > 20) return null;
  const origin = node.graph.getNodeById(link.origin_id);
  if (!origin) {
    // The subgraph's own input: go on at the node that stands for the subgraph.
    for (const graph of everyGraph()) {
      const outer = graph._nodes?.find((each) => each.subgraph === node.graph);
      if (outer) return upstream(outer, outer.inputs[link.origin_slot]?.name, depth + 1);
    }
    return null;
  }
  if (origin.type === "Reroute") return upstream(origin, origin.inputs[0].name, depth + 1);
  return { node: origin, slot: link.origin_slot };
}

export const isLinked = (node, name) => node.inputs?.find((each) => each.name === name)?.link != null;

function viewUrl({ filename, subfolder = "", type = "input" }) {
  const query = new URLSearchParams({ filename, subfolder, type });
  return api.apiURL(`/view?${query}`);
}

// "folder/name.png [output]" as ComfyUI writes it -> what /view takes.
function named(value) {
  const [, path, type] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value);
  const at = path.lastIndexOf("/");
  return { filename: path.slice(at + 1), subfolder: at < 0 ? "" : path.slice(0, at), type: type ?? "input" };
}

// -> the picture's address, or null where only a run can tell.
export function pictureUrl(node) {
  const found = upstream(node, "image");
  if (!found || found.node.mode === 4 || found.node.mode === 2) return null;
  const value = (name) => found.node.widgets?.find((widget) => widget.name === name)?.value;
  const linked = (name) => isLinked(found.node, name);
  const type = found.node.comfyClass ?? found.node.type;
  if (type === "LoadImage" && typeof value("image") === "string" && !linked("image")) return viewUrl(named(value("image")));
  if (type === "FollowEmojiDrawnAnimal" && !linked("animal") && !linked("size"))
    return api.apiURL(`/followemoji/animal?${new URLSearchParams({ animal: value("animal"), size: value("size") })}`);
  return null;
}

export function lastRunUrl(pictures) {
  return pictures?.length ? viewUrl(pictures[0]) : null;
}
