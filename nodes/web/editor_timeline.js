// The time of an edit: keyframes on a line of frames, the frame that is shown, and what the driver does there.
import { localPoint, make, ownsKeys, svg } from "./editor_dom.js";
import { say } from "./words.js";

const EDGE = 12; // pixels left free at both ends
const NEAR = 8;
const COLOURS = { mouth: "#e57373", lids: "#64b5f6", head: "#ffb74d" };

export class EditorTimeline {
  // does: { scrub(frame), move(frame, to, copied, first), add(frame) }
  constructor(state, does) {
    this.state = state;
    this.does = does;
    this.frame = 0;
    this.curves = {};
    this.drawing = svg("svg");
    this.element = ownsKeys(
      make("div.fye-time", {
        tabIndex: 0,
        role: "slider",
        title: say(
          "editor.timeline_hint",
          "Drag: go through the frames. Drag a key: move it, with Alt a copy. Double click: a new key. " +
            "Lines: the driver's mouth (red), lids (blue), head (orange).",
        ),
        "aria-label": say("editor.timeline", "Timeline"),
      }),
    );
    this.element.append(this.drawing);
    const on = (name, does) => this.element.addEventListener(name, (event) => does.call(this, event));
    on("pointerdown", this.down);
    on("pointermove", this.move);
    on("pointerup", this.up);
    on("pointercancel", this.up);
    on("dblclick", (event) => {
      const frame = this.frameAt(localPoint(this.element, event)[0]);
      if (!this.state.keyAt(frame)) this.does.add(frame);
    });
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  x(frame) {
    return EDGE + (frame * (this.element.clientWidth - 2 * EDGE)) / Math.max(this.state.room - 1, 1);
  }

  frameAt(x) {
    const share = (x - EDGE) / Math.max(this.element.clientWidth - 2 * EDGE, 1);
    const last = this.state.room - 1;
    return Math.min(Math.max(Math.round(share * last), 0), last);
  }

  down(event) {
    if (event.button) return;
    event.preventDefault();
    event.stopPropagation();
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    const [x, y] = localPoint(this.element, event);
    const near = this.state.keys.filter((key) => Math.abs(this.x(key.frame) - x) < NEAR && y > 26);
    const key = near.sort((one, other) => Math.abs(this.x(one.frame) - x) - Math.abs(this.x(other.frame) - x))[0];
    this.held = key ? { key: Math.round(key.frame), copied: event.altKey, first: true } : {};
    if (!key) this.does.scrub(this.frameAt(x));
  }

  move(event) {
    if (!this.held) return;
    event.stopPropagation();
    const frame = this.frameAt(localPoint(this.element, event)[0]);
    if (this.held.key === undefined) return this.does.scrub(frame);
    if (frame === (this.held.last ?? this.held.key)) return;
    this.held.last = frame;
    this.does.move(this.held.key, frame, this.held.copied, this.held.first);
    this.held.first = false;
  }

  up(event) {
    if (!this.held) return;
    event.stopPropagation();
    const { key, last } = this.held;
    this.held = null;
    if (key !== undefined) this.does.scrub(last ?? key);
  }

  draw() {
    const { state } = this;
    const height = this.element.clientHeight;
    const last = state.room - 1;
    const drawn = [];
    if (state.length <= last) {
      const x = this.x(state.length - 0.5);
      const width = Math.max(this.element.clientWidth - x, 0); // which is 0 before it is laid out
      drawn.push(svg("rect", { x, y: 0, width, height, class: "beyond" }));
    }
    const every = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000].find((step) => this.x(step) - this.x(0) >= 34) ?? 10000;
    for (let frame = 0; frame <= last; frame += every) {
      const x = this.x(frame);
      drawn.push(svg("line", { x1: x, x2: x, y1: 14, y2: height, class: "tick" }));
      drawn.push(svg("text", { x: x + 2, y: 10 }, `${frame}`));
    }
    for (const [name, values] of Object.entries(this.curves)) {
      const step = last / Math.max(values.length - 1, 1);
      const points = values.map((value, index) => `${this.x(index * step)},${height - 4 - value * (height - 22)}`);
      drawn.push(svg("polyline", { points: points.join(" "), stroke: COLOURS[name] }));
    }
    for (const key of state.keys) {
      const [x, y] = [this.x(key.frame), height - 18];
      const here = Math.round(key.frame) === this.frame ? " here" : "";
      const points = `${x},${y - 7} ${x + 7},${y} ${x},${y + 7} ${x - 7},${y}`;
      drawn.push(svg("polygon", { points, class: `key${here}`, "data-frame": key.frame }));
    }
    const head = this.x(this.frame);
    drawn.push(svg("line", { x1: head, x2: head, y1: 0, y2: height, class: "head" }));
    this.drawing.replaceChildren(...drawn);
    this.element.setAttribute("aria-valuemin", 0);
    this.element.setAttribute("aria-valuemax", last);
    this.element.setAttribute("aria-valuenow", this.frame);
  }
}
