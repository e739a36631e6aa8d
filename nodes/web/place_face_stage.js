// What Place Face shows: the picture, the mesh on it, the frame of the whole face or a dot for each point; zoom and pan.
import { ownsKeys, svg } from "./editor_dom.js";
import { say } from "./words.js";

const WIDE = 0.88; // of the frame's height
const DOT = 4.5; // pixels
const [LEAST_ZOOM, MOST_ZOOM] = [0.3, 24];

export const words = (name) => say(`point.${name}`, name.replaceAll("_", " "));

export class PlaceStage {
  // onView(): what is seen has changed, and all is to be drawn again.
  constructor(onView) {
    this.onView = onView;
    this.size = null; // of the picture
    this.view = null; // x, y, width, height of what is seen, in pixels of the picture
    this.image = svg("image", { preserveAspectRatio: "none" });
    this.under = svg("path", { class: "mesh under" });
    this.mesh = svg("path", { class: "mesh" });
    this.handles = svg("g");
    this.element = ownsKeys(
      svg(
        "svg",
        { tabindex: "0", preserveAspectRatio: "xMidYMid meet", "aria-label": say("place.stage", "Place the face") },
        this.image,
        this.under,
        this.mesh,
        this.handles,
      ),
    );
  }

  // Where a pointer is, in pixels of the picture.
  at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.element.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  // Pixels of the picture that a pixel of the page, before the graph's own zoom, takes.
  get unit() {
    const [width, height] = [this.element.clientWidth || 300, this.element.clientHeight || 300];
    return Math.max(this.view[2] / width, this.view[3] / height);
  }

  fit() {
    this.view = null;
    this.onView();
  }

  panBy([x, y]) {
    this.view[0] -= x;
    this.view[1] -= y;
    this.onView();
  }

  // About a point of the picture.
  zoomBy(factor, [x, y]) {
    const [left, top, wide, high] = this.view;
    const width = Math.min(Math.max(wide * factor, this.size[0] / MOST_ZOOM), this.size[0] / LEAST_ZOOM);
    const grow = width / wide;
    this.view = [x - (x - left) * grow, y - (y - top) * grow, wide * grow, high * grow];
    this.onView();
  }

  // The picture, or none, and lines of the mesh.
  show(url, size, lines) {
    this.image.style.display = url ? "" : "none";
    this.handles.replaceChildren();
    this.size = size;
    if (!size) return;
    this.view ??= [0, 0, ...size];
    this.element.setAttribute("viewBox", this.view.join(" "));
    this.image.setAttribute("width", size[0]);
    this.image.setAttribute("height", size[1]);
    const path = lines.map((line) => `M${line.join("L")}`).join("");
    this.mesh.setAttribute("d", path);
    this.under.setAttribute("d", path);
  }

  drawFrame({ centre, height, turn }) {
    const group = svg("g", { transform: `translate(${centre.join(" ")}) rotate(${-turn})` });
    const [x, y, dot] = [(height * WIDE) / 2, height / 2, DOT * 1.3 * this.unit];
    const above = y + 22 * this.unit;
    group.append(svg("rect", { class: "frame", x: -x, y: -y, width: 2 * x, height: 2 * y, "data-handle": "move" }));
    group.append(svg("line", { class: "stem", x1: 0, x2: 0, y1: -y, y2: -above }));
    for (const [cx, cy] of [[-x, -y], [x, -y], [-x, y], [x, y]])
      group.append(svg("circle", { class: "handle corner", cx, cy, r: dot, "data-handle": "scale" }));
    group.append(svg("circle", { class: "handle turn", cx: 0, cy: -above, r: dot, "data-handle": "turn" }));
    this.handles.append(group);
  }

  // found: places of all points by name; placed: of those that were placed by hand.
  drawPoints(found, placed, chosen) {
    const names = Object.keys(found).sort((a, b) => (a === chosen) - (b === chosen)); // what is chosen lies on top
    for (const name of names) {
      const [cx, cy] = placed[name] ?? found[name];
      const kind = `point${name in placed ? " placed" : ""}${name === chosen ? " chosen" : ""}`;
      const title = svg("title", {}, words(name));
      this.handles.append(svg("circle", { class: kind, cx, cy, r: DOT * this.unit, "data-point": name }, title));
    }
  }
}
