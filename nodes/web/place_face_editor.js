// The editor on Place Face: the picture, the fitted mesh on it, a frame for the whole face, and a dot for each point.
import { Fit } from "./place_face_fit.js";
import { showHint } from "./place_face_hint.js";
import { FORMAT, PlacedState } from "./place_face_state.js";
import { style } from "./place_face_style.js";
import { onWheel } from "./wheel.js";
import { say } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 0.88; // of the frame's height
const FINE = 0.2; // of a drag or a key, with Shift
const DOT = 4.5; // pixels
const [LEAST_ZOOM, MOST_ZOOM] = [0.3, 24];
const DOUBLE = 500; // ms

const element = (tag, attributes = {}) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
const words = (name) => say(`point.${name}`, name.replaceAll("_", " "));

export class PlaceEditor {
  // changed(text) after each change that is finished.
  constructor(changed) {
    this.changed = changed;
    this.state = new PlacedState();
    this.fit = new Fit((answer) => this._fitted(answer), (text) => this.say(text, true));
    this.mode = "whole";
    this.chosen = null;
    this.answer = null; // points, lines and frame as the server last found them
    this.guess = null; // size, frame and face of the last run
    this.view = null; // x, y, width, height of what is seen, in pixels of the picture
    this.drag = null;
    this.seen = ""; // the text as it was last read or written
    this.meshShown = true;
    this._build();
  }

  // --- what others tell it

  setText(text) {
    if (text === this.seen) return;
    this.seen = text;
    const known = this.state.read(text);
    this.state.past = [];
    this.state.future = [];
    this.chosen = null;
    this._setMode(Object.keys(this.state.points).length ? "points" : "whole");
    if (!known) this.say(say("place.unknown", "The text in points is not a placed face. Press Reset, or paste the whole text of one."), true);
    else this._settle();
  }

  // url: of the picture; size: its own, where the picture that is loaded is a smaller copy.
  setPicture(url, size = null) {
    if (url === this.url) return;
    this.url = url;
    if (!url) return this.render();
    const image = new Image();
    image.onload = () => {
      if (this.url !== url) return;
      this.pictureSize = size ?? [image.naturalWidth, image.naturalHeight];
      this.image.setAttribute("href", url);
      this.view = null;
      this._settle();
    };
    image.onerror = () => {
      if (this.url !== url) return;
      this.url = undefined; // and is tried again
      this.say(say("place.not_loaded", "The picture cannot be loaded. Run the graph once."), true);
    };
    image.src = url;
  }

  setGuess(guess) {
    this.guess = guess;
    this._settle();
  }

  say(text, wrong = false) {
    this.line.textContent = text;
    this.line.classList.toggle("wrong", wrong);
  }

  // --- the page

  _build() {
    const root = (this.element = document.createElement("div"));
    root.className = "fye-place";
    const bar = document.createElement("div");
    bar.className = "fye-place-bar";
    const button = (label, title, act) => {
      const made = document.createElement("button");
      Object.assign(made, { type: "button", textContent: label, title });
      made.addEventListener("click", () => {
        act();
        this.svg.focus({ preventScroll: true });
      });
      bar.append(made);
      return made;
    };
    this.buttons = {
      whole: button(
        say("place.whole", "Face"),
        say("place.whole_hint", "Drag, scale and turn the whole face (W)"),
        () => this._setMode("whole"),
      ),
      points: button(
        say("place.points", "Points"),
        say("place.points_hint", "Drag single points (W)"),
        () => this._setMode("points"),
      ),
    };
    bar.append(document.createElement("span"));
    this.buttons.undo = button(say("place.undo", "Undo"), say("place.undo_hint", "Ctrl+Z"), () => this._step("undo"));
    this.buttons.redo = button(say("place.redo", "Redo"), say("place.redo_hint", "Ctrl+Shift+Z"), () => this._step("redo"));
    this.buttons.mesh = button(
      say("place.mesh", "Mesh"),
      say("place.mesh_hint", "Show the landmarks (M)"),
      () => this._toggleMesh(),
    );
    this.buttons.view = button(
      say("place.view", "View"),
      say("place.view_hint", "See the whole picture (0)"),
      () => this._seeAll(),
    );
    this.buttons.reset = button(say("place.reset", "Reset"), say("place.reset_hint", "Start again"), () => this._reset());

    const label = say("place.stage", "Place the face");
    this.svg = element("svg", { tabindex: "0", preserveAspectRatio: "xMidYMid meet", "aria-label": label });
    this.svg.type = "textarea"; // ComfyUI's own Ctrl+Z leaves alone whoever says that it is one
    this.image = element("image", { preserveAspectRatio: "none" });
    this.layers = {};
    this.svg.append(this.image);
    for (const name of ["mesh", "frame", "points"]) this.svg.append((this.layers[name] = element("g")));
    this.under = element("path", { class: "mesh under" });
    this.mesh = element("path", { class: "mesh" });
    this.layers.mesh.append(this.under, this.mesh);
    this.line = document.createElement("div");
    this.line.className = "fye-place-line";
    root.append(style(), bar, this.svg, this.line);
    showHint(root);

    const listen = (name, act) => this.svg.addEventListener(name, act);
    listen("pointerdown", (event) => this._down(event));
    listen("pointermove", (event) => this._move(event));
    listen("pointerup", (event) => this._up(event));
    listen("pointercancel", (event) => this._up(event));
    listen("contextmenu", (event) => event.preventDefault());
    listen("keydown", (event) => this._key(event));
    onWheel(root, (event) => this._wheel(event));
    for (const name of ["pointerdown", "mousedown", "dblclick", "click", "contextmenu", "copy", "paste"])
      root.addEventListener(name, (event) => event.stopPropagation());
    new ResizeObserver(() => this.render()).observe(this.svg);
    this._setMode("whole");
  }

  // Pixels of the picture that a pixel of the page, before the graph's own zoom, takes.
  get unit() {
    const [width, height] = [this.svg.clientWidth || 300, this.svg.clientHeight || 300];
    return Math.max(this.view[2] / width, this.view[3] / height);
  }

  render() {
    const { buttons, state, answer } = this;
    for (const name of ["whole", "points"]) buttons[name].setAttribute("aria-pressed", String(this.mode === name));
    buttons.mesh.setAttribute("aria-pressed", String(this.meshShown));
    buttons.undo.disabled = !state.past.length;
    buttons.redo.disabled = !state.future.length;
    for (const name of ["frame", "points"]) this.layers[name].replaceChildren();
    const size = this.pictureSize ?? state.size;
    this.image.style.display = this.url ? "" : "none";
    if (!size) return this.say(say("place.nothing", "Connect a picture. If it does not show here, run the graph once."));
    this.view ??= [0, 0, ...size];
    this.svg.setAttribute("viewBox", this.view.join(" "));
    this.image.setAttribute("width", size[0]);
    this.image.setAttribute("height", size[1]);
    const path = this.meshShown && answer ? answer.lines.map((line) => `M${line.join("L")}`).join("") : "";
    this.mesh.setAttribute("d", path);
    this.under.setAttribute("d", path);
    if (!answer || this.otherPicture) return;
    if (this.mode === "whole") this._drawFrame();
    else this._drawPoints();
  }

  _drawFrame() {
    const { centre, height, turn } = this.state.frame ?? this.answer.frame;
    const group = element("g", { transform: `translate(${centre.join(" ")}) rotate(${-turn})` });
    const [x, y, dot] = [(height * WIDE) / 2, height / 2, DOT * 1.3 * this.unit];
    const above = y + 22 * this.unit;
    group.append(element("rect", { class: "frame", x: -x, y: -y, width: 2 * x, height: 2 * y, "data-handle": "move" }));
    group.append(element("line", { class: "stem", x1: 0, x2: 0, y1: -y, y2: -above }));
    for (const [cx, cy] of [[-x, -y], [x, -y], [-x, y], [x, y]])
      group.append(element("circle", { class: "handle corner", cx, cy, r: dot, "data-handle": "scale" }));
    group.append(element("circle", { class: "handle turn", cx: 0, cy: -above, r: dot, "data-handle": "turn" }));
    this.layers.frame.append(group);
  }

  _drawPoints() {
    const { points } = this.state;
    const names = Object.keys(this.answer.points);
    names.sort((a, b) => (a === this.chosen) - (b === this.chosen)); // what is chosen lies on top
    for (const name of names) {
      const [cx, cy] = points[name] ?? this.answer.points[name];
      const kind = `point${name in points ? " placed" : ""}${name === this.chosen ? " chosen" : ""}`;
      const dot = element("circle", { class: kind, cx, cy, r: DOT * this.unit, "data-point": name });
      const title = element("title");
      title.textContent = words(name);
      dot.append(title);
      this.layers.points.append(dot);
    }
  }

  _status() {
    const placed = Object.keys(this.state.points).length;
    const all = this.answer ? Object.keys(this.answer.points).length : 0;
    const about = this.chosen ? `${words(this.chosen)}: ` : "";
    this.say(
      this.mode === "whole"
        ? say("place.whole_status", "Drag the box over the face; corners scale it, the knob turns it. Then Points.")
        : about + say("place.points_status", "{placed} of {all} points placed. Left and right are the face's own.", { placed, all }),
    );
  }

  // --- the fit

  // After a change from outside: the text's size is brought to the picture's, and the server asked.
  _settle() {
    this.otherPicture = false;
    if (this.pictureSize && !this.state.fit(this.pictureSize)) {
      this.otherPicture = true;
      this.render();
      const [old, now] = [this.state.size, this.pictureSize].map((size) => size.join(" x "));
      const text = say(
        "place.other_picture",
        "The points belong to a picture of {old} pixels, this one has {now}. Connect the other picture, or press Reset.",
        { old, now },
      );
      return this.say(text, true);
    }
    this.render();
    this._ask();
  }

  get _face() {
    const { guess, state } = this;
    return guess?.face && guess.size.join() === state.size?.join() ? guess.face : null;
  }

  _ask() {
    const { state } = this;
    if (!state.size) return;
    const placement = { format: FORMAT, version: 1, size: state.size, points: state.points };
    const frame = state.frame ?? (this.guess?.size.join() === state.size.join() ? this.guess.frame : null);
    if (frame) placement.frame = frame;
    this.fit.ask({ placement, face: this._face });
  }

  _fitted(answer) {
    this.answer = answer;
    this.render();
    this._status();
  }

  // The frame that was guessed becomes what was placed, so that points have something to stand on.
  _own() {
    if (!this.state.frame && !(this.mode === "points" && this._face)) this.state.frame = { ...this.answer.frame };
  }

  _commit() {
    this.render();
    this._ask();
    this.seen = this.state.text;
    this.changed(this.seen);
  }

  // --- hands

  _at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  _down(event) {
    this.svg.focus({ preventScroll: true });
    if (!this.view) return;
    const { point, handle } = event.target.dataset ?? {};
    const ready = this.answer && event.button === 0 && !this.otherPicture;
    const kind = ready && point ? "point" : ready && handle ? handle : "pan";
    // Dots are drawn anew with each press, so the page itself sees no double click on one.
    const { pressed } = this;
    const again = kind === "point" && pressed?.point === point && event.timeStamp - pressed.at < DOUBLE;
    this.pressed = kind === "point" && !again ? { point, at: event.timeStamp } : null;
    if (kind === "point") this.chosen = point;
    else if (kind === "pan" && event.button === 0 && this.mode === "points") this.chosen = null;
    this.drag = { kind, last: this._at(event), screen: [event.clientX, event.clientY], moved: false };
    this.svg.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (again) {
      this.drag = null;
      return this._unplace(point);
    }
    this.render();
    if (this.answer && !this.line.classList.contains("wrong")) this._status();
  }

  _move(event) {
    const { drag } = this;
    if (!drag) return;
    event.stopPropagation();
    if (!drag.moved && Math.hypot(event.clientX - drag.screen[0], event.clientY - drag.screen[1]) < 2) return;
    const at = this._at(event);
    let by = [at[0] - drag.last[0], at[1] - drag.last[1]];
    if (drag.kind === "pan") {
      this.view[0] -= by[0];
      this.view[1] -= by[1];
      drag.moved = true;
      return this.render(); // the pointer stays over the same place of the picture
    }
    this.pressed = null;
    if (!drag.moved) {
      this.state.mark();
      this._own();
      drag.moved = true;
    }
    if (event.shiftKey) by = by.map((value) => value * FINE);
    if (drag.kind === "point") this._movePoint(by);
    else if (drag.kind === "move") this.state.moveWhole(by);
    else {
      const { centre } = this.state.frame;
      const [from, to] = [drag.last, at].map(([x, y]) => [x - centre[0], y - centre[1]]);
      const fine = event.shiftKey ? FINE : 1;
      const turned = (Math.atan2(from[1], from[0]) - Math.atan2(to[1], to[0])) * (180 / Math.PI);
      if (drag.kind === "turn") this.state.moveWhole([0, 0], 1, (((turned + 540) % 360) - 180) * fine);
      else this.state.moveWhole([0, 0], (Math.hypot(...to) / Math.max(Math.hypot(...from), 1e-3)) ** fine);
    }
    drag.last = at;
    this.render();
    this._ask();
  }

  _up(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag) return;
    event.stopPropagation();
    if (drag.moved && drag.kind !== "pan") this._commit();
  }

  _movePoint(by) {
    const [x, y] = this.state.points[this.chosen] ?? this.answer.points[this.chosen];
    const [width, height] = this.state.size;
    const inside = (value, side) => Math.min(Math.max(value, -0.45 * side), 1.45 * side);
    this.state.points[this.chosen] = [inside(x + by[0], width), inside(y + by[1], height)];
  }

  _unplace(name) {
    if (!name || !(name in this.state.points)) return;
    this.state.mark();
    delete this.state.points[name];
    this._commit();
  }

  _wheel(event) {
    if (!this.view) return;
    const size = this.pictureSize ?? this.state.size;
    const [x, y] = this._at(event);
    const wanted = Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.004);
    const width = Math.min(Math.max(this.view[2] * wanted, size[0] / MOST_ZOOM), size[0] / LEAST_ZOOM);
    const grow = width / this.view[2];
    const [left, top, wide, high] = this.view;
    this.view = [x - (x - left) * grow, y - (y - top) * grow, wide * grow, high * grow];
    this.render();
  }

  _key(event) {
    const { key, shiftKey } = event;
    const control = event.ctrlKey || event.metaKey;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const acts = { 0: () => this._seeAll(), m: () => this._toggleMesh(), Escape: () => this._choose(null) };
    acts.w = () => this._setMode(this.mode === "whole" ? "points" : "whole");
    if (this.mode === "points") {
      acts.n = () => this._choose(1);
      acts.b = () => this._choose(-1);
      acts.Delete = acts.Backspace = () => this._unplace(this.chosen);
    } else {
      acts["+"] = acts["="] = () => this._whole([0, 0], shiftKey ? 1.004 : 1.02, 0);
      acts["-"] = acts["_"] = () => this._whole([0, 0], 1 / (shiftKey ? 1.004 : 1.02), 0);
      acts["["] = acts["{"] = () => this._whole([0, 0], 1, shiftKey ? 0.2 : 1);
      acts["]"] = acts["}"] = () => this._whole([0, 0], 1, shiftKey ? -0.2 : -1);
    }
    let act = control ? null : (acts[key] ?? acts[key.toLowerCase()]);
    if (control && key.toLowerCase() === "z") act = () => this._step(shiftKey ? "redo" : "undo");
    if (control && key.toLowerCase() === "y") act = () => this._step("redo");
    if (!control && arrows[key]) act = () => this._nudge(arrows[key].map((value) => value * (shiftKey ? FINE : 1)));
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  _nudge(by) {
    if (!this.answer || this.otherPicture) return;
    if (this.mode === "whole") return this._whole(by, 1, 0);
    if (!this.chosen) return;
    this.state.mark();
    this._own();
    this._movePoint(by);
    this._commit();
  }

  _whole(by, grow, turned) {
    if (!this.answer || this.otherPicture) return;
    this.state.mark();
    this._own();
    this.state.moveWhole(by, grow, turned);
    this._commit();
  }

  _choose(step) {
    const names = Object.keys(this.answer?.points ?? {});
    const at = names.indexOf(this.chosen);
    this.chosen = step && names.length ? names[(at + step + names.length) % names.length] : null;
    this.render();
    this._status();
  }

  _setMode(mode) {
    this.mode = mode;
    this.chosen = null;
    this.render();
    if (this.answer) this._status();
  }

  _toggleMesh() {
    this.meshShown = !this.meshShown;
    this.render();
  }

  _seeAll() {
    this.view = null;
    this.render();
  }

  _step(way) {
    if (!this.state[way]()) return;
    this._settle(); // what comes back may have been placed on another picture
    if (!this.otherPicture) this._commit();
  }

  _reset() {
    this.state.mark();
    Object.assign(this.state, { frame: null, points: {}, size: this.pictureSize ?? this.state.size });
    this.otherPicture = false;
    this._setMode("whole");
    this._commit();
  }
}
