// Which picture a node looks at: that of a Load Image or a Drawn Animal in front of it, at once; else the last run's.
import { api } from "/scripts/api.js";
import { origin, value, values } from "./graph_origin.js";

const CLEAR = /\.(png|webp|gif|avif|tiff?)$/i; // files that may be transparent

function viewUrl({ filename, subfolder = "", type = "input" }, more = {}) {
  const query = new URLSearchParams({ filename, subfolder, type, ...more });
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
  const found = origin(node, "image")?.node;
  const type = found?.comfyClass ?? found?.type;
  const image = type === "LoadImage" && value(found, "image");
  // Load Image, too, takes the colours that lie beneath what is transparent.
  if (typeof image === "string") return viewUrl(named(image), CLEAR.test(named(image).filename) && { channel: "rgb" });
  const drawn = type === "FollowEmojiDrawnAnimal" && values(found, ["animal", "size"]);
  return drawn ? api.apiURL(`/followemoji/animal?${new URLSearchParams(drawn)}`) : null;
}

export function lastRunUrl(pictures) {
  return pictures?.length ? viewUrl(pictures[0]) : null;
}
