// The buttons of an editor: above the picture what concerns the face, below the timeline what concerns time.
import { button, make, ownsKeys } from "./editor_dom.js";
import { EASINGS } from "./editor_state.js";
import { say } from "./words.js";

const LONGEST = 100000;
const EASED = {
  smooth: () => say("editor.smooth", "smooth"),
  linear: () => say("editor.linear", "linear"),
  hold: () => say("editor.hold", "hold"),
};

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
  const mirror = button(
    say("editor.mirror", "Mirror"),
    say("editor.mirror_hint", "Both sides move together (M)"),
    toggle("mirror"),
  );
  const lines = button(
    say("editor.lines", "Lines"),
    say("editor.lines_hint", "Show the landmarks (L)"),
    toggle("landmarks"),
  );
  const before = button(
    say("editor.before", "Before"),
    say("editor.before_hint", "Hold to see the face without the edit (B)"),
    () => {},
  );
  before.addEventListener("pointerdown", () => editor.showBefore(true));
  for (const name of ["pointerup", "pointerleave", "pointercancel"])
    before.addEventListener(name, () => editor.showBefore(false));
  const showDials = () => {
    editor.presets.element.hidden = !editor.presets.element.hidden;
    editor.draw();
  };
  const dials = button(
    say("editor.dials", "Expressions"),
    say("editor.dials_hint", "Dials for named expressions, which add up (X)"),
    showDials,
  );
  const file = make("input", { type: "file", accept: "image/*", hidden: true, onchange: () => {
    if (file.files[0]) editor.copyFromPhoto(file.files[0]);
    file.value = "";
  } });
  const photo = button(
    say("editor.photo", "Photo"),
    say("editor.photo_hint", "Put the expression of a photo into this frame"),
    () => file.click(),
  );
  const undo = button("\u21b6", say("editor.undo_hint", "Undo (Ctrl+Z)"), () => state.step("undo"), {
    "aria-label": say("editor.undo", "Undo"),
  });
  const redo = button("\u21b7", say("editor.redo_hint", "Redo (Ctrl+Y)"), () => state.step("redo"), {
    "aria-label": say("editor.redo", "Redo"),
  });
  const rest = button(
    say("editor.rest", "Clear"),
    say("editor.rest_hint", "Delete all keyframes"),
    () => state.clear(),
  );
  const fit = button(
    say("editor.fit", "Fit"),
    say("editor.fit_hint", "See the whole picture (0); the wheel zooms"),
    () => editor.stage.fit(),
  );
  // Where a bar is too narrow for all, whole groups go into the next row.
  const group = (...parts) => make("span.fye-group", {}, ...parts);
  const top = make("div.fye-bar", {}, group(mirror, lines, before, dials, photo, file), group(fit, undo, redo, rest));

  // Time.
  const play = button(say("editor.play", "Play"), say("editor.play_hint", "Play or stop (Space)"), () => editor.toggle());
  const back = button("<", say("editor.back_hint", "Previous frame (,)"), () => editor.goTo(editor.frame - 1));
  const on = button(">", say("editor.on_hint", "Next frame (.)"), () => editor.goTo(editor.frame + 1));
  const go = (value) => Number.isFinite(value) && editor.goTo(Math.round(value));
  const frame = number(say("editor.frame_hint", "The frame that is shown, counted from 0"), go, { min: 0 });
  const add = button(
    say("editor.add", "Key"),
    say("editor.add_hint", "Make a keyframe here (K)"),
    () => state.addKey(editor.frame),
  );
  const drop = button(
    say("editor.drop", "Delete"),
    say("editor.drop_hint", "Delete this keyframe (Delete on the timeline)"),
    () => state.deleteKey(editor.frame),
  );
  const copy = button(
    say("editor.copy", "Copy"),
    say("editor.copy_hint", "Copy the pose of this frame (Ctrl+C)"),
    () => editor.copyPose(),
  );
  const paste = button(
    say("editor.paste", "Paste"),
    say("editor.paste_hint", "Paste the pose into this frame (Ctrl+V)"),
    () => editor.pastePose(),
  );
  const driver = button(
    say("editor.driver", "Driver"),
    say("editor.driver_hint", "Copy the driver's expression in this frame"),
    () => editor.copyFromDriver(),
  );
  const easing = ownsKeys(
    make("select", {
      title: say("editor.easing_hint", "How the face moves on from this key"),
      "aria-label": say("editor.easing", "Easing"),
    }),
  );
  for (const name of EASINGS) easing.append(make("option", { value: name }, EASED[name]()));
  easing.addEventListener("change", () => state.setEasing(editor.frame, easing.value));
  const time = () => {
    const [count, rate] = [Math.round(length.valueAsNumber), fps.valueAsNumber];
    if (count >= 1 && count <= LONGEST && rate >= 1 && rate <= 240) state.setTime(count, rate);
    editor.draw();
  };
  const length = number(say("editor.length_hint", "Number of frames in the clip"), time, { min: 1, max: LONGEST });
  const fps = number(say("editor.fps_hint", "Frames per second"), time, { min: 1, max: 240 });
  const bar = make("div.fye-bar", {}, group(play, back, frame, on),
    group(length, make("span", {}, say("editor.at", "frames, fps")), fps), group(add, drop, easing, copy, paste, driver));

  const put = (input, value) => {
    if (document.activeElement !== input) input.value = value;
  };
  return {
    top,
    mirror,
    lines,
    dials,
    time: bar,
    draw() {
      const key = state.keyAt(editor.frame);
      const pressed = [[mirror, editor.mirror], [lines, editor.landmarks], [before, editor.plain]];
      for (const [each, down] of pressed) each.setAttribute("aria-pressed", down);
      dials.setAttribute("aria-pressed", Boolean(editor.presets && !editor.presets.element.hidden));
      dials.disabled = !editor.presets;
      undo.disabled = !state.steps.done.length;
      redo.disabled = !state.steps.undone.length;
      add.disabled = Boolean(key);
      drop.disabled = easing.disabled = !key;
      paste.disabled = !editor.clipboard;
      driver.hidden = !state.driven;
      const known = !state.onMotion() || state.driven;
      length.disabled = fps.disabled = state.onMotion();
      easing.value = key?.easing ?? "smooth";
      play.textContent = editor.playing ? say("editor.stop", "Stop") : say("editor.play", "Play");
      put(frame, editor.frame);
      put(length, known ? state.length : "");
      put(fps, known ? state.fps : "");
    },
  };
}
