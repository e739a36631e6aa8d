// What is placed: the whole face's frame and single points, in pixels of the picture, as the text that the server reads.
import { Undo } from "./editor_undo.js";

export const FORMAT = "followemoji.place";
const round = (value) => Math.round(value * 100) / 100;

export class PlacedState {
  // size [width, height] of the picture, or null before it is known; frame { centre, height, turn } or null; points by
  // name [x, y].
  constructor() {
    this.size = null;
    this.frame = null;
    this.points = {};
    this.steps = new Undo();
  }

  // The text; empty where nothing was placed.
  get text() {
    if (!this.size || (!this.frame && !Object.keys(this.points).length)) return "";
    const content = { format: FORMAT, version: 1, size: this.size };
    if (this.frame) {
      const { centre, height, turn } = this.frame;
      content.frame = { centre: centre.map(round), height: round(height), turn: round(turn) };
    }
    content.points = {};
    for (const [name, at] of Object.entries(this.points)) content.points[name] = at.map(round);
    return JSON.stringify(content);
  }

  // Takes a text over, as it is. Returns false for one that is no placed face: the server then says what is wrong.
  read(text) {
    this.frame = null;
    this.points = {};
    if (!text || !text.trim()) return true;
    let given;
    try {
      given = JSON.parse(text);
    } catch {
      return false;
    }
    const pair = (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
    if (given?.format !== FORMAT || !pair(given.size)) return false;
    this.size = [...given.size];
    const { frame } = given;
    if (frame && pair(frame.centre) && frame.height > 0)
      this.frame = { centre: [...frame.centre], height: frame.height, turn: frame.turn || 0 };
    for (const [name, at] of Object.entries(given.points ?? {})) if (pair(at)) this.points[name] = [...at];
    return true;
  }

  // The same on a picture of another size and the same proportions. Returns false where these differ.
  fit(size) {
    if (!this.size || !this.text) {
      this.size = [...size];
      return true;
    }
    const [x, y] = [size[0] / this.size[0], size[1] / this.size[1]];
    if (Math.abs(x / y - 1) > 2 / Math.min(...size, ...this.size)) return false;
    if (x === 1 && y === 1) return true;
    if (this.frame) {
      this.frame.centre = [this.frame.centre[0] * x, this.frame.centre[1] * y];
      this.frame.height *= y;
    }
    for (const at of Object.values(this.points)) [at[0], at[1]] = [at[0] * x, at[1] * y];
    this.size = [...size];
    return true;
  }

  // --- one step back and forth; `mark` before a change begins

  get exact() {
    const { size, frame, points } = this;
    return JSON.stringify({ size, frame, points });
  }

  mark() {
    this.steps.mark(this.exact);
  }

  // way: "undo" or "redo". Returns whether anything changed.
  step(way) {
    const text = this.steps[way](this.exact);
    if (text !== undefined) Object.assign(this, JSON.parse(text));
    return text !== undefined;
  }

  // --- changes

  // The whole face by `by` pixels, `grow` times as large, `turned` degrees anticlockwise about its centre, with its points.
  moveWhole(by, grow = 1, turned = 0) {
    const { centre } = this.frame;
    const angle = (-turned * Math.PI) / 180;
    const [cosine, sine] = [Math.cos(angle) * grow, Math.sin(angle) * grow];
    for (const at of Object.values(this.points)) {
      const [x, y] = [at[0] - centre[0], at[1] - centre[1]];
      at[0] = centre[0] + cosine * x - sine * y + by[0];
      at[1] = centre[1] + sine * x + cosine * y + by[1];
    }
    this.frame.centre = [centre[0] + by[0], centre[1] + by[1]];
    this.frame.height = Math.max(this.frame.height * grow, 16);
    this.frame.turn = ((this.frame.turn + turned + 540) % 360) - 180;
  }
}
