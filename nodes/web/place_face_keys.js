// The keyboard of Place Face: everything that a mouse does.

export const FINE = 0.2; // of a drag or a key, with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// Keys that the editor does not know go on to ComfyUI.
export function onKey(editor, event) {
  const act = event.ctrlKey || event.metaKey ? withControl(editor, event) : alone(editor, event);
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

function withControl(editor, { key, shiftKey }) {
  const acts = { z: () => editor.step(shiftKey ? "redo" : "undo"), y: () => editor.step("redo") };
  return acts[key.toLowerCase()];
}

function alone(editor, { key, shiftKey }) {
  if (ARROWS[key]) return () => editor.nudge(ARROWS[key].map((value) => value * (shiftKey ? FINE : 1)));
  const acts = { 0: () => editor.stage.fit(), m: () => editor.toggleMesh(), Escape: () => editor.choose(null) };
  acts.w = () => editor.setMode(editor.mode === "whole" ? "points" : "whole");
  if (editor.mode === "points") {
    acts.n = () => editor.choose(1);
    acts.b = () => editor.choose(-1);
    acts.Delete = acts.Backspace = () => editor.unplace(editor.chosen);
  } else {
    const [grow, turn] = shiftKey ? [1.004, 0.2] : [1.02, 1];
    acts["+"] = acts["="] = () => editor.whole([0, 0], grow, 0);
    acts["-"] = acts["_"] = () => editor.whole([0, 0], 1 / grow, 0);
    acts["["] = acts["{"] = () => editor.whole([0, 0], 1, turn);
    acts["]"] = acts["}"] = () => editor.whole([0, 0], 1, -turn);
  }
  return acts[key] ?? acts[key.toLowerCase()];
}
