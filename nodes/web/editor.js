// One editor in one node: what is done on its stage, timeline and bars becomes the edit, the edit becomes a preview.
import { app } from "/scripts/app.js";
import { EditorClient, aboutEditor } from "./editor_client.js";
import { make, style } from "./editor_dom.js";
import { addHint } from "./editor_hint.js";
import { bars } from "./editor_bars.js";
import { onKey } from "./editor_keys.js";
import { photoPixels } from "./editor_photo.js";
import { EditorPresets } from "./editor_presets.js";
import { connectedPortrait, isDriven } from "./editor_source.js";
import { EditorStage } from "./editor_stage.js";
import { EditState } from "./editor_state.js";
import { EditorTimeline } from "./editor_timeline.js";
import { graphChanged } from "./graph_changed.js";
import { say } from "./words.js";

const LOOKS = 400; // ms between looks at what is connected
const KEPT = 400; // answers, so that what was played once plays at the clip's rate
const SETTLED = 300; // ms after the last change in which the graph's own undo hears of it
const SAME_NUDGE = 700; // ms in which presses of an arrow go on from each other

export class Editor {
  constructor(node) {
    this.node = node;
    this.widget = null;
    this.frame = 0;
    this.mirror = false;
    this.landmarks = false;
    this.plain = false;
    this.clipboard = null;
    this.handles = [];
    this.gestures = 0;
    this.kept = new Map();
    this.client = new EditorClient(() => {
      this.element.setAttribute("aria-busy", this.client.busy);
      if (!this.client.busy && this.dragging?.dropped) this.endDrag();
    });
    this.state = new EditState(() => this.changed(), {
      edited: () => this.edited(),
      driven: () => isDriven(this.node),
    });
    this.stage = new EditorStage({
      drag: (...drag) => this.drag(...drag),
      drop: () => this.drop(),
      reset: (handle) => this.reset(handle),
      choose: (handle) => this.stage.choose(handle),
    });
    this.stage.moved = (name) => this.controls(name).some((control) => this.state.track(control, this.frame) !== 0);
    this.timeline = new EditorTimeline(this.state, {
      scrub: (frame) => this.goTo(frame),
      add: (frame) => this.state.addKey(frame),
      move: (frame, to, copied, first) => {
        if (first) this.moving = { edit: this.state.edit, gesture: `move ${(this.gestures += 1)}` };
        this.state.moveKey(frame, to, { copied, gesture: this.moving.gesture, from: this.moving.edit });
      },
    });
    this.bars = bars(this);
    this.told = make("div.fye-told", { role: "status" });
    this.element = make("div.fye-editor", {}, style(), this.bars.top, this.stage.element, this.told, this.timeline.element, this.bars.time);
    this.element.addEventListener("keydown", (event) => onKey(this, event));
    this.element.addEventListener("keyup", (event) => {
      event.stopPropagation();
      if (event.key.toLowerCase() === "b") this.showBefore(false);
    });
    for (const name of ["pointerdown", "dblclick", "copy", "paste", "contextmenu"])
      this.element.addEventListener(name, (event) => event.stopPropagation());
  }

  // In a graph, and out of it; it may come back.
  start() {
    this.look ??= setInterval(() => this.lookAround(), LOOKS);
    if (!this.presets) this.begin();
  }

  rest() {
    clearInterval(this.look);
    clearTimeout(this.again);
    this.look = null;
    this.stop();
  }

  async begin() {
    try {
      const about = await aboutEditor();
      this.handles = about.handles;
      this.stage.labels = Object.fromEntries(about.handles.map(({ name, label }) => [name, say(`handle.${name}`, label)]));
      this.presets = new EditorPresets(about.expressions, (name, strength, gesture) =>
        this.state.set(this.frame, "expressions", { [name]: strength }, { gesture }),
      );
      this.timeline.element.before(this.presets.element);
      addHint(this.element, "expression");
      this.draw();
    } catch {
      if (!this.presets) this.again = setTimeout(() => this.begin(), 2000);
    }
  }

  // Ask again for all that is shown.
  forget() {
    this.kept.clear();
    this.seen = null;
  }

  // What is connected.

  get key() {
    const outputs = app.nodeOutputs ?? {};
    const own = outputs[`${this.node.graph?.id}:${this.node.id}`] ?? outputs[this.node.id];
    return this.node.followemojiKey ?? own?.followemoji_editor?.[0]?.key ?? null;
  }

  source() {
    const portrait = connectedPortrait(this.node);
    const key = portrait && !isDriven(this.node) ? null : this.key;
    return { ...(portrait && { portrait }), ...(key && { key }) };
  }

  lookAround() {
    if (!this.element.isConnected || !this.node.graph || this.dragging) return;
    const source = JSON.stringify(this.source());
    const again = this.failed && performance.now() - this.failed > 1500;
    if (source === this.seen && !again) return;
    if (source !== this.seen) this.curved = null;
    this.seen = source;
    this.refresh();
  }

  // Changes.

  // Changed by hand; the graph's undo hears of it once the hand rests.
  edited() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.node.graph && graphChanged(), SETTLED);
  }

  changed() {
    if (!this.dragging) this.nudged = null; // an arrow goes on from nothing but itself
    this.widget?.callback?.(this.state.text);
    this.frame = Math.min(this.frame, this.state.room - 1);
    this.node.setDirtyCanvas?.(true, true);
    if (!this.dragging) this.refresh();
    this.draw();
  }

  controls(handle) {
    return this.handles.find(({ name }) => name === handle)?.controls ?? [];
  }

  drag(handle, x, y, first) {
    this.stop();
    if (first) {
      const { edit, text } = this.state;
      this.dragging = { edit, text, frame: this.frame, gesture: `drag ${(this.gestures += 1)}`, mirror: this.mirror };
    }
    const drag = this.dragging;
    if (!drag) return;
    drag.last = { handle, x, y };
    const body = { ...this.body(), edit: drag.text, frame: drag.frame, drag: { handle, x, y, mirror: drag.mirror } };
    this.client.ask("preview", body, (told) => this.dragged(drag, told), (error) => this.fail(error, drag));
  }

  dragged(drag, told) {
    if (drag !== this.dragging) return;
    this.say("");
    this.stage.show(told);
    if (Object.keys(told.controls).length)
      this.state.set(drag.frame, "controls", told.controls, { gesture: drag.gesture, from: drag.edit });
    if (drag.dropped && !this.client.waiting) this.endDrag();
  }

  drop() {
    const drag = this.dragging;
    if (!drag) return;
    drag.dropped = true;
    if (!this.client.busy && !this.client.waiting) this.endDrag();
  }

  endDrag() {
    this.dragging = null;
    this.refresh();
  }

  // An arrow key: the same as a short drag; presses that follow at once are one.
  nudge(handle, dx, dy) {
    const at = this.stage.told?.handles[handle];
    if (!at) return;
    const now = performance.now();
    const going = this.nudged?.handle === handle && this.nudged.frame === this.frame && now - this.nudged.time < SAME_NUDGE;
    const [x, y] = going ? [this.nudged.x, this.nudged.y] : at;
    if (going && !this.dragging) this.dragging = this.nudged.drag;
    const fresh = !going || !this.dragging;
    this.nudged = { handle, frame: this.frame, time: now, x: x + dx, y: y + dy };
    if (!fresh) this.dragging.dropped = false;
    this.drag(handle, x + dx, y + dy, fresh);
    this.nudged.drag = this.dragging;
    this.drop();
  }

  reset(handle) {
    const twin = this.mirror ? this.handles.find(({ name }) => name === handle)?.twin : null;
    const names = [...this.controls(handle), ...(twin ? this.controls(twin) : [])];
    const off = names.filter((name) => this.state.track(name, this.frame) !== 0);
    if (off.length) this.state.set(this.frame, "controls", Object.fromEntries(off.map((name) => [name, 0])));
  }

  copyPose() {
    this.clipboard = this.state.pose(this.frame);
    this.draw();
  }

  pastePose() {
    if (this.clipboard) this.state.paste(this.frame, this.clipboard);
  }

  isHead(name) {
    return name.startsWith("head");
  }

  async copyFromDriver() {
    try {
      const { controls } = await this.client.post("expression", { ...this.source(), frame: this.frame });
      this.clipboard = { controls };
      const { frame } = this;
      this.say(say("editor.copied", "The driver's expression in frame {frame} is copied: paste it into any frame.", { frame }));
      this.draw();
    } catch (error) {
      this.say(error.message);
    }
  }

  async copyFromPhoto(file) {
    const frame = this.frame;
    try {
      this.say(say("editor.looking", "Looking for a face in the photo ..."));
      const { portrait } = this.source();
      const picture = { pixels: await photoPixels(file), ...(portrait?.detector && { detector: portrait.detector }) };
      const { controls } = await this.client.post("expression", { picture });
      this.state.paste(frame, { controls }, this.isHead);
      this.say("");
    } catch (error) {
      this.say(error.message);
    }
  }

  // Time.

  goTo(frame) {
    this.frame = Math.min(Math.max(frame, 0), this.state.room - 1);
    this.refresh();
    this.draw();
  }

  toggle() {
    if (this.playing) this.stop();
    else this.play();
  }

  play() {
    if (this.state.length < 2) return;
    const begun = { time: performance.now(), frame: this.frame >= this.state.length - 1 ? 0 : this.frame };
    this.playing = begun;
    const step = (now) => {
      if (this.playing !== begun || !this.element.isConnected) return;
      const gone = Math.floor((Math.max(now - begun.time, 0) / 1000) * this.state.fps);
      const frame = (begun.frame + gone) % this.state.length;
      if (frame !== this.frame) this.goTo(frame);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
    this.draw();
  }

  stop() {
    if (!this.playing) return;
    this.playing = null;
    this.draw();
  }

  // Preview.

  showBefore(on) {
    if (this.plain === on) return;
    this.plain = on;
    this.stage.bare = on;
    this.refresh();
    this.draw();
  }

  body() {
    return { ...this.source(), edit: this.state.text, frame: this.frame, landmarks: this.landmarks, plain: this.plain };
  }

  refresh() {
    const body = this.body();
    if (!body.portrait && !body.key) {
      this.stage.clear();
      return this.say(
        say("editor.nothing", "Connect a picture and its face, or press Run once: then the portrait shows here."),
      );
    }
    const about = JSON.stringify({ ...body, frame: 0 });
    if (about !== this.keptFor) this.kept.clear();
    this.keptFor = about;
    const known = this.kept.get(body.frame);
    if (known) return this.show(known);
    this.client.ask("preview", body, (told) => this.answered(told, body, about), (error) => this.fail(error));
  }

  answered(told, body, about) {
    this.failed = 0;
    this.shownSource = JSON.stringify(this.source());
    if (about !== this.keptFor) return; // something else is shown by now, and asked for
    if (this.kept.size >= KEPT) this.kept.clear();
    this.kept.set(body.frame, told);
    if (!told.driven && body.edit === this.state.text) this.state.reach = told.frames;
    const driven = told.driven ? { frames: told.frames, fps: told.fps } : null;
    if (JSON.stringify(driven) !== JSON.stringify(this.state.driven)) {
      this.state.driven = driven;
      this.frame = Math.min(this.frame, this.state.room - 1);
    }
    if (this.curved !== this.seen) this.fetchCurves(told.driven);
    const absent = isDriven(this.node) && !told.driven;
    const { wrong } = this.state;
    if (absent) this.say(say("editor.absent", "The driving motion shows here after a run."));
    else this.say(wrong && say("editor.unreadable", "The edit cannot be read: {why}", { why: wrong }));
    if (!this.dragging) this.show(told);
  }

  show(told) {
    this.shown = told.frame;
    this.stage.show(told);
    this.draw();
  }

  async fetchCurves(driven) {
    this.curved = this.seen;
    this.timeline.curves = {};
    try {
      if (driven) this.timeline.curves = (await this.client.post("curve", this.source())).curves;
    } catch {
      this.curved = null;
    }
    this.timeline.draw();
  }

  fail(error, drag) {
    if (drag && drag === this.dragging) this.dragging = null;
    this.failed = !error.status || error.status >= 500 ? performance.now() : 0; // no answer: it is asked again
    this.say(error.message);
    if (error.status === 404 || this.shownSource !== JSON.stringify(this.source())) this.stage.clear();
  }

  say(text) {
    this.told.textContent = text;
  }

  draw() {
    this.timeline.frame = this.frame;
    this.timeline.draw();
    this.stage.draw();
    this.presets?.draw(this.state, this.frame);
    this.bars.draw();
  }
}
