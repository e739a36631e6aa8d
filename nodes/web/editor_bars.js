// The buttons of an editor: above the picture what concerns the face, below the timeline what concerns time.
import { button, make, ownsKeys } from "./editor_dom.js";
import { EASINGS } from "./editor_state.js";

const LONGEST = 100000;

export function bars(editor) {
  const { state } = editor;
  const toggle = (name) => () => {
    editor[name] = !editor[name];
    editor.refresh();
    editor.draw();
  };
  const number = (title, change, properties) =>
    make("input", { type: "number", title, "aria-label": title, onchange: ({ target }) => change(target.valueAsNumber), ...properties });

  // Face.
  const mirror = button("Mirror", "Both sides move together (M)", toggle("mirror"));
  const lines = button("Lines", "Landmarks on the picture (L)", toggle("landmarks"));
  const before = button("Before", "Hold: the face without the edit (B)", () => {});
  before.addEventListener("pointerdown", () => editor.showBefore(true));
  for (const name of ["pointerup", "pointerleave", "pointercancel"])
    before.addEventListener(name, () => editor.showBefore(false));
  const dials = button("Expressions", "Named expressions as dials that add up (X)", () => {
    editor.presets.element.hidden = !editor.presets.element.hidden;
    editor.draw();
  });
  const file = make("input", { type: "file", accept: "image/*", hidden: true, onchange: () => {
    if (file.files[0]) editor.copyFromPhoto(file.files[0]);
    file.value = "";
  } });
  const photo = button("Photo", "Copy the expression of a photo into this frame", () => file.click());
  const undo = button("Undo", "Undo (Ctrl+Z)", () => state.undo());
  const redo = button("Redo", "Redo (Ctrl+Y)", () => state.redo());
  const rest = button("Rest", "Take everything back: no keys", () => state.clear());
  const fit = button("Fit", "The whole picture (0); the wheel zooms", () => editor.stage.fit());
  const top = make("div.fye-bar", {}, mirror, lines, before, dials, photo, make("span.fye-space"), fit, undo, redo, rest, file);

  // Time.
  const play = button("Play", "Play and stop (Space)", () => editor.toggle());
  const back = button("<", "One frame back (,)", () => editor.goTo(editor.frame - 1));
  const on = button(">", "One frame on (.)", () => editor.goTo(editor.frame + 1));
  const frame = number("Frame that is shown, from 0", (value) => Number.isFinite(value) && editor.goTo(Math.round(value)), { min: 0 });
  const add = button("Key", "A keyframe here (K)", () => state.addKey(editor.frame));
  const drop = button("Delete", "Delete this keyframe (Delete on the timeline)", () => state.deleteKey(editor.frame));
  const copy = button("Copy", "Copy the pose of this frame (Ctrl+C)", () => editor.copyPose());
  const paste = button("Paste", "Paste the pose into this frame (Ctrl+V)", () => editor.pastePose());
  const driver = button("Driver", "Copy the driver's expression in this frame", () => editor.copyFromDriver());
  const easing = ownsKeys(make("select", { title: "How it goes on from this key", "aria-label": "Easing" }));
  for (const name of EASINGS) easing.append(make("option", { value: name }, name));
  easing.addEventListener("change", () => state.setEasing(editor.frame, easing.value));
  const time = () => {
    const [count, rate] = [Math.round(length.valueAsNumber), fps.valueAsNumber];
    if (count >= 1 && count <= LONGEST && rate >= 1 && rate <= 240) state.setTime(count, rate);
    editor.draw();
  };
  const length = number("Frames of the clip", time, { min: 1, max: LONGEST });
  const fps = number("Frames per second", time, { min: 1, max: 240 });
  const bar = make("div.fye-bar", {}, play, back, frame, on, make("span.fye-space"), add, drop, easing, copy, paste, driver,
    make("span.fye-space"), length, make("span", {}, "at"), fps);

  const put = (input, value) => {
    if (document.activeElement !== input) input.value = value;
  };
  return {
    top,
    time: bar,
    draw() {
      const key = state.keyAt(editor.frame);
      const pressed = { Mirror: editor.mirror, Lines: editor.landmarks, Before: editor.plain };
      for (const each of [mirror, lines, before]) each.setAttribute("aria-pressed", pressed[each.textContent]);
      dials.setAttribute("aria-pressed", Boolean(editor.presets && !editor.presets.element.hidden));
      dials.disabled = !editor.presets;
      undo.disabled = !state.done.length;
      redo.disabled = !state.undone.length;
      add.disabled = Boolean(key);
      drop.disabled = easing.disabled = !key;
      paste.disabled = !editor.clipboard;
      driver.hidden = !state.driven;
      length.disabled = fps.disabled = Boolean(state.driven);
      easing.value = key?.easing ?? "smooth";
      play.textContent = editor.playing ? "Stop" : "Play";
      put(frame, editor.frame);
      put(length, state.length);
      put(fps, state.fps);
    },
  };
}
