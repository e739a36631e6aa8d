// The picture with its handles: pointing, dragging, zooming and panning. What a drag means, others decide.
import { localPoint, make, ownsKeys, svg } from "./editor_dom.js";
import { onWheel } from "./wheel.js";
import { say } from "./words.js";

const NEAR = 13; // pixels around a handle in which it is taken
const FINE = 0.2; // of the way that the pointer goes, while Shift is held
const CLOSEST = 12;
const HEADS = ["head", "roll"];

export class EditorStage {
  // does: { drag(handle, x, y, first), drop(), reset(handle), choose(handle) }
  constructor(does) {
    this.does = does;
    this.told = null; // the last answer
    this.view = { zoom: 1, x: 0, y: 0 };
    this.near = null;
    this.chosen = null;
    this.moved = () => false; // whether a handle's controls are off rest
    this.image = make("img", { alt: "", draggable: false });
    this.overlay = svg("svg");
    this.label = make("div.fye-label");
    this.element = ownsKeys(
      make("div.fye-stage", {
        tabIndex: 0,
        role: "application",
        "aria-label": say("editor.stage", "Portrait with handles. Tab goes through the handles, arrows move one."),
      }),
    );
    this.element.append(this.image, this.overlay, this.label);
    onWheel(this.element, (event) => this.wheel(event));
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  listen() {
    const on = (name, does) => this.element.addEventListener(name, (event) => does.call(this, event));
    on("pointerdown", this.down);
    on("pointermove", this.move);
    on("pointerup", this.up);
    on("pointercancel", this.up);
    on("pointerleave", () => this.point(null));
    on("dblclick", (event) => {
      event.preventDefault();
      const handle = this.under(localPoint(this.element, event));
      if (handle) this.does.reset(handle);
      else this.fit();
    });
    on("contextmenu", (event) => event.preventDefault());
  }

  // An answer of the server: picture, handles, ring.
  show(told) {
    this.told = told;
    if (this.image.src !== told.picture) this.image.src = told.picture;
    this.draw();
  }

  clear() {
    this.told = null;
    this.image.removeAttribute("src");
    this.draw();
  }

  choose(handle) {
    this.chosen = handle;
    this.draw();
  }

  fit() {
    this.view = { zoom: 1, x: 0, y: 0 };
    this.draw();
  }

  zoomBy(factor, point = [this.element.clientWidth / 2, this.element.clientHeight / 2]) {
    const zoom = Math.min(Math.max(this.view.zoom * factor, 1), CLOSEST);
    const share = zoom / this.view.zoom;
    const middle = [this.element.clientWidth / 2, this.element.clientHeight / 2];
    const shift = (axis, now) => (now + middle[axis] - point[axis]) * share - middle[axis] + point[axis];
    this.view = { zoom, x: shift(0, this.view.x), y: shift(1, this.view.y) };
    this.bound();
  }

  panBy(dx, dy) {
    this.view = { ...this.view, x: this.view.x + dx, y: this.view.y + dy };
    this.bound();
  }

  bound() {
    const { zoom, x, y } = this.view;
    const most = (side) => ((zoom - 1) * side) / 2 + side * 0.1 * (zoom > 1);
    const [width, height] = [most(this.element.clientWidth), most(this.element.clientHeight)];
    this.view = { zoom, x: Math.min(Math.max(x, -width), width), y: Math.min(Math.max(y, -height), height) };
    this.draw();
  }

  // Pixels of the element for a pixel of the picture, and where the picture's corner is.
  scale() {
    const [width, height] = this.told?.size ?? [1, 1];
    const [across, down] = [this.element.clientWidth, this.element.clientHeight];
    const scale = Math.min(across / width, down / height) * this.view.zoom;
    return { scale, left: (across - width * scale) / 2 + this.view.x, top: (down - height * scale) / 2 + this.view.y };
  }

  place([x, y]) {
    const { scale, left, top } = this.scale();
    return [x * scale + left, y * scale + top];
  }

  // The handle at a point of the element: a dot, else the ring, else within it the head.
  under([x, y]) {
    if (!this.told) return null;
    let best = null;
    let nearest = NEAR;
    for (const [name, at] of Object.entries(this.told.handles)) {
      if (HEADS.includes(name)) continue;
      const [hx, hy] = this.place(at);
      const distance = Math.hypot(hx - x, hy - y);
      if (distance < nearest) [best, nearest] = [name, distance];
    }
    if (best) return best;
    const [cx, cy, radius] = this.told.ring;
    const [mx, my] = this.place([cx, cy]);
    const away = Math.hypot(mx - x, my - y) - radius * this.scale().scale;
    return Math.abs(away) < NEAR ? "roll" : away < 0 ? "head" : null;
  }

  point(handle) {
    if (handle === this.near) return;
    this.near = handle;
    this.element.style.cursor = handle ? (HEADS.includes(handle) ? "move" : "pointer") : "grab";
    this.draw();
  }

  down(event) {
    if (event.button > 1) return;
    event.preventDefault();
    event.stopPropagation();
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    const at = localPoint(this.element, event);
    const handle = event.button === 1 || event.altKey ? null : this.under(at);
    this.held = { at, handle, moved: false };
    if (!handle) return;
    this.does.choose(handle);
    const start = this.told.handles[handle];
    this.held.target = [...start];
    this.held.ring = [...this.told.ring];
  }

  move(event) {
    const at = localPoint(this.element, event);
    const held = this.held;
    if (!held) return this.point(this.under(at));
    event.stopPropagation();
    const [dx, dy] = [at[0] - held.at[0], at[1] - held.at[1]];
    if (!held.moved && Math.hypot(dx, dy) < 2) return;
    const before = held.at;
    held.at = at;
    if (!held.handle) {
      held.moved = true;
      return this.panBy(dx, dy);
    }
    const fine = event.shiftKey ? FINE : 1;
    const { scale } = this.scale();
    if (held.handle === "roll") {
      const [cx, cy] = this.place(held.ring);
      const turn = fine * (Math.atan2(at[1] - cy, at[0] - cx) - Math.atan2(before[1] - cy, before[0] - cx));
      const [x, y] = [held.target[0] - held.ring[0], held.target[1] - held.ring[1]];
      const [sin, cos] = [Math.sin(turn), Math.cos(turn)];
      held.target = [held.ring[0] + x * cos - y * sin, held.ring[1] + x * sin + y * cos];
    } else {
      held.target = [held.target[0] + (fine * dx) / scale, held.target[1] + (fine * dy) / scale];
    }
    this.does.drag(held.handle, ...held.target, !held.moved);
    held.moved = true;
  }

  up(event) {
    if (!this.held) return;
    const { handle, moved } = this.held;
    this.held = null;
    event.stopPropagation();
    if (handle && moved) this.does.drop();
  }

  // A mouse's wheel zooms, a touch pad's two fingers pan, its pinch (which comes with Ctrl) zooms.
  wheel(event) {
    const wheel = event.deltaMode !== 0 || (!event.deltaX && Math.abs(event.deltaY) >= 50);
    if (event.ctrlKey || event.metaKey || wheel) {
      const step = event.ctrlKey && !wheel ? 0.01 : 0.002;
      const pixels = event.deltaMode ? event.deltaY * 40 : event.deltaY;
      this.zoomBy(Math.exp(-pixels * step), localPoint(this.element, event));
    } else {
      this.panBy(-event.deltaX, -event.deltaY);
    }
  }

  draw() {
    const { scale, left, top } = this.scale();
    const told = this.told;
    this.image.hidden = !told;
    this.overlay.replaceChildren();
    this.label.textContent = "";
    if (!told) return;
    const [width, height] = told.size;
    Object.assign(this.image.style, { width: `${width}px`, height: `${height}px` });
    this.image.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    for (const line of told.landmarks ?? []) {
      const points = [];
      for (let at = 0; at < line.length; at += 2) points.push(this.place([line[at], line[at + 1]]).join(","));
      const shape = points.length > 1 ? { points: points.join(" "), class: "fye-lines" } : null;
      if (shape) this.overlay.append(svg("polyline", shape));
      else this.overlay.append(svg("circle", { cx: points[0].split(",")[0], cy: points[0].split(",")[1], r: 2.5, class: "fye-lines" }));
    }
    if (this.bare) return;
    const [x, y, radius] = told.ring;
    const [cx, cy] = this.place([x, y]);
    const state = (names) =>
      `${names.includes(this.near) ? " near" : ""}${names.includes(this.chosen) ? " chosen" : ""}`;
    this.overlay.append(svg("circle", { cx, cy, r: radius * scale, class: `fye-ring${state(HEADS)}` }));
    for (const [name, at] of Object.entries(told.handles)) {
      if (HEADS.includes(name)) continue;
      const [hx, hy] = this.place(at);
      const changed = this.moved(name) ? " changed" : "";
      const dot = svg("circle", { cx: hx, cy: hy, r: 5, class: `fye-handle${changed}${state([name])}`, "data-handle": name });
      this.overlay.append(dot);
    }
    this.label.textContent = this.labels?.[this.held?.handle ?? this.near ?? this.chosen] ?? "";
  }
}
