// The edit of one editor: keyframes with controls and named expressions, its text, undo and redo. Knows no page.
import { Undo } from "./editor_undo.js";

const STILL_ROOM = 25; // frames that a timeline has room for before anything says how long the clip is
const EASE = {
  smooth: (share) => share * share * (3 - 2 * share),
  linear: (share) => share,
  hold: () => 0,
};
export const EASINGS = Object.keys(EASE);

const empty = () => ({ format: "followemoji.edit", version: 1, base: "portrait", fps: 25, keyframes: [], add: [] });
const copy = (value) => JSON.parse(JSON.stringify(value));
const rounded = (value) => Math.round(value * 1e4) / 1e4;

// An edit of others as this editor needs it. Throws for what is none; the server says more of it.
function readable(edit) {
  for (const name of ["keyframes", "add"])
    if (!Array.isArray(edit[name]) || edit[name].some((each) => !each || typeof each !== "object"))
      throw new Error(`${name} is no list of objects`);
  for (const key of edit.keyframes) {
    key.frame ??= key.second * edit.fps;
    delete key.second;
    if (!Number.isFinite(key.frame)) throw new Error("a keyframe has no frame");
  }
  return edit;
}

export class EditState {
  // onChange(): after every change, whoever made it. does: { edited(): after those that were made here; driven(): whether
  // a driving motion is connected, whose length it is then }.
  constructor(onChange, does = {}) {
    this.onChange = onChange;
    this.edited = does.edited ?? (() => {});
    this.onMotion = does.driven ?? (() => false);
    this.edit = empty();
    this.raw = ""; // the widget's value as it was set, until something is changed here
    this.wrong = ""; // why an edit of others cannot be read
    this.steps = new Undo();
    this.reach = 1; // frames of the clip as the server last said, which knows how long what is added is
    this.driven = null; // { frames, fps } of a driving motion
  }

  // The widget's value.
  get text() {
    return this.raw;
  }

  set text(value) {
    if (value === this.raw) return;
    this.steps.clear();
    this.read(value ?? "");
  }

  read(text) {
    this.raw = text;
    this.edit = empty();
    this.wrong = "";
    if (text.trim()) {
      try {
        this.edit = readable({ ...empty(), ...JSON.parse(text) });
      } catch (error) {
        this.wrong = error.message;
      }
    }
    this.onChange();
  }

  get fps() {
    return this.driven?.fps ?? this.edit.fps ?? 25;
  }

  // Frames that a run makes.
  get length() {
    if (this.driven) return this.driven.frames;
    const added = this.edit.add?.length ? this.reach : 1;
    return this.edit.frames ?? Math.max(Math.ceil(this.keys.at(-1)?.frame ?? 0) + 1, added);
  }

  // Frames that a key can be in: a clip whose length nobody has set grows with its first key beyond the end.
  get room() {
    return this.driven || this.edit.frames ? this.length : Math.max(STILL_ROOM, this.length);
  }

  get keys() {
    return this.edit.keyframes;
  }

  keyAt(frame) {
    return this.keys.find((key) => Math.round(key.frame) === frame);
  }

  // What the keys say of a control, or with part "expressions" of a named expression, at a frame; as edit_file.py has it.
  track(name, frame, part = "controls") {
    const keys = this.keys.filter((key) => name in (key[part] ?? {}));
    if (!keys.length) return 0;
    const after = keys.findIndex((key) => key.frame > frame);
    if (after === 0) return keys[0][part][name];
    if (after < 0) return keys.at(-1)[part][name];
    const [one, other] = [keys[after - 1], keys[after]];
    const share = EASE[one.easing ?? "smooth"]((frame - one.frame) / (other.frame - one.frame));
    return one[part][name] + share * (other[part][name] - one[part][name]);
  }

  // All controls, or expressions, that any key names.
  used(part = "controls") {
    return [...new Set(this.keys.flatMap((key) => Object.keys(key[part] ?? {})))];
  }

  // The whole pose of a frame, as a key would hold it.
  pose(frame) {
    const named = (part) => Object.fromEntries(this.used(part).map((name) => [name, rounded(this.track(name, frame, part))]));
    return { controls: named("controls"), expressions: named("expressions") };
  }

  // Change the edit; change(edit) works on a copy of `from`, by default of what it is.
  change(change, gesture, from) {
    this.steps.mark(this.raw, gesture);
    const edit = copy(from ?? this.edit);
    change(edit);
    edit.keyframes.sort((one, other) => one.frame - other.frame);
    this.take(edit);
  }

  take(edit) {
    for (const key of edit.keyframes) if (!Object.keys(key.expressions ?? {}).length) delete key.expressions;
    const expressive = edit.keyframes.some((key) => key.expressions); // which version 1 does not know
    if (this.onMotion()) delete edit.frames;
    edit.version = Math.max(edit.version === 1 ? 1 : edit.version, expressive ? 2 : 1);
    this.edit = edit;
    this.raw = JSON.stringify(edit);
    this.wrong = "";
    this.onChange();
    this.edited();
  }

  // way: "undo" or "redo".
  step(way) {
    const text = this.steps[way](this.raw);
    if (text === undefined) return;
    this.read(text);
    this.edited();
  }

  // Put values into the key of a frame, which is made where there is none. Every key holds every control that is used,
  // so that what is done in one frame stays out of the others.
  set(frame, part, values, { gesture, from } = {}) {
    const base = new EditState(() => {});
    base.edit = copy(from ?? this.edit);
    const fresh = Object.keys(values).filter((name) => !base.used(part).includes(name));
    const { room } = this;
    this.change(
      (edit) => {
        for (const key of edit.keyframes)
          for (const name of fresh) (key[part] ??= {})[name] = 0;
        let key = edit.keyframes.find((each) => Math.round(each.frame) === frame);
        if (!key) edit.keyframes.push((key = { frame, easing: "smooth", ...base.pose(frame) }));
        key[part] = { ...key[part], ...values };
        if (frame > 0 && !this.driven) edit.frames ??= room;
      },
      gesture,
      from,
    );
  }

  addKey(frame) {
    if (!this.keyAt(frame)) this.set(frame, "controls", {});
  }

  deleteKey(frame) {
    if (this.keyAt(frame))
      this.change((edit) => (edit.keyframes = edit.keyframes.filter((key) => Math.round(key.frame) !== frame)));
  }

  // Move the key of a frame, or a copy of it; what is there already gives way.
  moveKey(frame, target, { copied = false, gesture, from } = {}) {
    const base = from ?? this.edit;
    const key = base.keyframes.find((each) => Math.round(each.frame) === frame);
    const to = Math.min(Math.max(Math.round(target), 0), this.room - 1);
    if (!key) return;
    this.change(
      (edit) => {
        edit.keyframes = edit.keyframes.filter((each) => {
          const at = Math.round(each.frame);
          return at === frame ? copied && to !== frame : at !== to;
        });
        edit.keyframes.push({ ...copy(key), frame: to });
        if (to > 0 && !this.driven) edit.frames ??= this.room;
      },
      gesture,
      from,
    );
  }

  setEasing(frame, easing) {
    if (this.keyAt(frame))
      this.change((edit) => (edit.keyframes.find((key) => Math.round(key.frame) === frame).easing = easing));
  }

  // Put a whole pose into a frame; controls that it lacks rest there, but for those of the head where kept.
  paste(frame, { controls, expressions = {} }, kept = () => false) {
    const rest = (part) => Object.fromEntries(this.used(part).filter((name) => !kept(name)).map((name) => [name, 0]));
    this.set(frame, "controls", { ...rest("controls"), ...controls }, { gesture: "paste" });
    this.set(frame, "expressions", { ...rest("expressions"), ...expressions }, { gesture: "paste" });
    this.steps.gesture = null;
  }

  // frames, fps of a still portrait; keys beyond the end are left out, but for the only one.
  setTime(frames, fps) {
    this.change((edit) => {
      if (frames !== this.length) edit.frames = frames;
      edit.fps = fps;
      const inside = edit.keyframes.filter((key) => key.frame < frames);
      edit.keyframes = inside.length || !edit.keyframes.length ? inside : [{ ...edit.keyframes[0], frame: frames - 1 }];
      edit.add = (edit.add ?? []).filter((added) => (added.frame ?? 0) < frames);
    });
  }

  clear() {
    this.change((edit) => {
      edit.keyframes = [];
      edit.add = [];
    });
  }
}
