// Place Face: the editor stands on the node in the place of its text, which it writes and reads.
import { app } from "/scripts/app.js";
import { graphChanged } from "./graph_changed.js";
import { asWideAsItsNode, chained, whileInGraph } from "./node_life.js";
import { PlaceEditor } from "./place_face_editor.js";
import { isLinked } from "./graph_origin.js";
import { lastRunUrl, pictureUrl } from "./place_face_picture.js";

const NODE = "FollowEmojiPlaceFace";
const [WIDTH, HEIGHT, LEAST] = [420, 560, 300];
const LOOK = 700; // ms between looks at what hangs in front of the node: the frontend tells of no change of a picture

function hide(widget) {
  widget.hidden = true;
  widget.options ??= {};
  widget.options.hidden = true; // Nodes 2.0
  widget.computeSize = () => [0, -4];
  if (widget.element) widget.element.style.display = "none";
}

function setUp(node) {
  const text = node.widgets?.find((widget) => widget.name === "points");
  if (!text || !node.addDOMWidget) return;
  hide(text);
  const editor = new PlaceEditor((value) => {
    text.value = value;
    graphChanged();
  });
  const options = { serialize: false, hideOnZoom: false, getMinHeight: () => LEAST, getValue: () => "", setValue: () => {} };
  const widget = node.addDOMWidget("editor", "FOLLOWEMOJI_PLACE", editor.element, options);
  asWideAsItsNode(widget);
  widget.serialize = false;
  widget.serializeValue = () => undefined;
  // The editor shows what a run would show: for Nodes 2.0, and for the canvas, which hangs the picture below in here.
  node.hideOutputImages = true;
  node.onDrawBackground = () => {};
  node.setSize([Math.max(node.size[0], WIDTH), Math.max(node.size[1], HEIGHT)]);

  let run = null; // what the last run gave
  const look = () => {
    if (!node.graph) return;
    const now = pictureUrl(node);
    if (now) editor.setPicture(now);
    else if (run && isLinked(node, "image")) editor.setPicture(run.url, run.size);
    else if (!isLinked(node, "image")) editor.setPicture(null);
    if (!editor.drag) editor.setText(String(text.value ?? ""));
  };
  let timer = null;
  whileInGraph(
    node,
    () => (timer ??= setInterval(look, LOOK)),
    () => {
      clearInterval(timer);
      timer = null;
    },
  );
  chained(node, "onConfigure", look);
  chained(node, "onConnectionsChange", () => setTimeout(look));
  chained(node, "onExecuted", (output) => {
    if (!output?.place_guess?.length) return;
    const guess = JSON.parse(output.place_guess[0]);
    run = { url: lastRunUrl(output.place_picture), size: guess.size };
    look();
    editor.setGuess(guess);
  });
  node.followEmojiPlace = editor; // for whoever writes an extension, and for tests
}

app.registerExtension({
  name: "followyouremoji.PlaceFace",
  nodeCreated(node) {
    if (node.comfyClass === NODE) setUp(node);
  },
});
