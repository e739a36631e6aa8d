// The editor on Place Face: what is done on its stage and its bar becomes the points, the points become a fitted mesh.
import { EditorClient } from "./editor_client.js";
import { button, make } from "./editor_dom.js";
import { addHint } from "./editor_hint.js";
import { FINE, onKey } from "./place_face_keys.js";
import { PlaceStage, words } from "./place_face_stage.js";
import { FORMAT, PlacedState } from "./place_face_state.js";
import { styles } from "./place_face_style.js";
import { onWheel } from "./wheel.js";
import { say } from "./words.js";

const DOUBLE = 500; // ms
const AGAIN = 2000; // ms until a server that gave no answer is asked again

export class PlaceEditor {
  // changed(text) after each change that is finished.
  constructor(changed) {
    this.changed = changed;
    this.state = new PlacedState();
    this.client = new EditorClient();
    this.stage = new PlaceStage(() => this.render());
    this.mode = "whole";
    this.chosen = null;
    this.answer = null; // points, lines and frame as the server last found them
    this.guess = null; // size, frame and face of the last run
    this.drag = null;
    this.seen = ""; // the text as it was last read or written
    this.meshShown = true;
    this.build();
  }

  // --- what others tell it

  setText(text) {
    if (text === this.seen) return;
    this.seen = text;
    const known = this.state.read(text);
    this.state.steps.clear();
    this.chosen = null;
    this.setMode(Object.keys(this.state.points).length ? "points" : "whole");
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
      this.stage.image.setAttribute("href", url);
      this.stage.view = null;
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

  build() {
    const bar = make("div.fye-bar.fye-place-bar");
    const add = (label, title, act) => {
      const made = button(label, title, () => {
        act();
        this.stage.element.focus({ preventScroll: true });
      });
      bar.append(made);
      return made;
    };
    this.buttons = {
      whole: add(
        say("place.whole", "Face"),
        say("place.whole_hint", "Drag, scale and turn the whole face (W)"),
        () => this.setMode("whole"),
      ),
      points: add(
        say("place.points", "Points"),
        say("place.points_hint", "Drag single points (W)"),
        () => this.setMode("points"),
      ),
    };
    bar.append(make("span.fye-space"));
    this.buttons.undo = add(say("place.undo", "Undo"), say("place.undo_hint", "Ctrl+Z"), () => this.step("undo"));
    this.buttons.redo = add(say("place.redo", "Redo"), say("place.redo_hint", "Ctrl+Shift+Z"), () => this.step("redo"));
    this.buttons.mesh = add(say("place.mesh", "Mesh"), say("place.mesh_hint", "Show the landmarks (M)"), () => this.toggleMesh());
    add(say("place.view", "View"), say("place.view_hint", "See the whole picture (0)"), () => this.stage.fit());
    add(say("place.reset", "Reset"), say("place.reset_hint", "Start again"), () => this._reset());
    this.line = make("div.fye-place-line");
    const root = (this.element = make("div.fye-place", {}, ...styles(), bar, this.stage.element, this.line));
    addHint(root, "place");

    const listen = (name, act) => this.stage.element.addEventListener(name, act);
    listen("pointerdown", (event) => this._down(event));
    listen("pointermove", (event) => this._move(event));
    listen("pointerup", (event) => this._up(event));
    listen("pointercancel", (event) => this._up(event));
    listen("contextmenu", (event) => event.preventDefault());
    listen("keydown", (event) => onKey(this, event));
    onWheel(root, (event) => this._wheel(event));
    for (const name of ["pointerdown", "mousedown", "dblclick", "click", "contextmenu", "copy", "paste"])
      root.addEventListener(name, (event) => event.stopPropagation());
    new ResizeObserver(() => this.render()).observe(this.stage.element);
    this.setMode("whole");
  }

  render() {
    const { buttons, state, answer, stage } = this;
    for (const name of ["whole", "points"]) buttons[name].setAttribute("aria-pressed", String(this.mode === name));
    buttons.mesh.setAttribute("aria-pressed", String(this.meshShown));
    buttons.undo.disabled = !state.steps.done.length;
    buttons.redo.disabled = !state.steps.undone.length;
    stage.show(this.url, this.pictureSize ?? state.size, (this.meshShown && answer?.lines) || []);
    if (!stage.size) return this.say(say("place.nothing", "Connect a picture. If it does not show here, run the graph once."));
    if (!answer || this.otherPicture) return;
    if (this.mode === "whole") stage.drawFrame(state.frame ?? answer.frame);
    else stage.drawPoints(answer.points, state.points, this.chosen);
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
    clearTimeout(this.again);
    this.client.ask("place", { placement, face: this._face }, (answer) => this._fitted(answer), (error) => this._failed(error));
  }

  _fitted(answer) {
    this.answer = answer;
    this.render();
    this._status();
  }

  _failed(error) {
    this.say(error.message, true);
    const noAnswer = !error.status || error.status >= 500;
    if (noAnswer) this.again = setTimeout(() => this.element.isConnected && this._ask(), AGAIN);
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

  _down(event) {
    this.stage.element.focus({ preventScroll: true });
    if (!this.stage.view) return;
    const { point, handle } = event.target.dataset ?? {};
    const ready = this.answer && event.button === 0 && !this.otherPicture;
    const kind = ready && point ? "point" : ready && handle ? handle : "pan";
    // Dots are drawn anew with each press, so the page itself sees no double click on one.
    const { pressed } = this;
    const again = kind === "point" && pressed?.point === point && event.timeStamp - pressed.at < DOUBLE;
    this.pressed = kind === "point" && !again ? { point, at: event.timeStamp } : null;
    if (kind === "point") this.chosen = point;
    else if (kind === "pan" && event.button === 0 && this.mode === "points") this.chosen = null;
    this.drag = { kind, last: this.stage.at(event), screen: [event.clientX, event.clientY], moved: false };
    this.stage.element.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (again) {
      this.drag = null;
      return this.unplace(point);
    }
    this.render();
    if (this.answer && !this.line.classList.contains("wrong")) this._status();
  }

  _move(event) {
    const { drag } = this;
    if (!drag) return;
    event.stopPropagation();
    if (!drag.moved && Math.hypot(event.clientX - drag.screen[0], event.clientY - drag.screen[1]) < 2) return;
    const at = this.stage.at(event);
    let by = [at[0] - drag.last[0], at[1] - drag.last[1]];
    if (drag.kind === "pan") {
      drag.moved = true;
      return this.stage.panBy(by); // the pointer stays over the same place of the picture
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

  unplace(name) {
    if (!name || !(name in this.state.points)) return;
    this.state.mark();
    delete this.state.points[name];
    this._commit();
  }

  _wheel(event) {
    if (!this.stage.view) return;
    const step = Math.max(-60, Math.min(60, event.deltaY));
    this.stage.zoomBy(Math.exp(step * 0.004), this.stage.at(event));
  }

  nudge(by) {
    if (!this.answer || this.otherPicture) return;
    if (this.mode === "whole") return this.whole(by, 1, 0);
    if (!this.chosen) return;
    this.state.mark();
    this._own();
    this._movePoint(by);
    this._commit();
  }

  whole(by, grow, turned) {
    if (!this.answer || this.otherPicture) return;
    this.state.mark();
    this._own();
    this.state.moveWhole(by, grow, turned);
    this._commit();
  }

  choose(step) {
    const names = Object.keys(this.answer?.points ?? {});
    const at = names.indexOf(this.chosen);
    this.chosen = step && names.length ? names[(at + step + names.length) % names.length] : null;
    this.render();
    this._status();
  }

  setMode(mode) {
    this.mode = mode;
    this.chosen = null;
    this.render();
    if (this.answer) this._status();
  }

  toggleMesh() {
    this.meshShown = !this.meshShown;
    this.render();
  }

  step(way) {
    if (!this.state.step(way)) return;
    this._settle(); // what comes back may have been placed on another picture
    if (!this.otherPicture) this._commit();
  }

  _reset() {
    this.state.mark();
    Object.assign(this.state, { frame: null, points: {}, size: this.pictureSize ?? this.state.size });
    this.otherPicture = false;
    this.setMode("whole");
    this._commit();
  }
}
