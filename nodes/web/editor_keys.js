// The keyboard of an editor: everything that a mouse does.

const STEP = 3; // pixels of the picture that an arrow moves a handle; with Shift a fifth
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// Keys are the editor's while it has the focus; those that it does not know with Ctrl are ComfyUI's.
export function onKey(editor, event) {
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const field = event.target.tagName === "INPUT" && event.target.type === "number";
  const does = control ? withControl(editor, key, event) : field ? null : alone(editor, key, event);
  if (!control || does) event.stopPropagation();
  if (!does) return;
  event.preventDefault();
  does();
}

function withControl(editor, key, event) {
  const { state } = editor;
  return {
    z: () => state.step(event.shiftKey ? "redo" : "undo"),
    y: () => state.step("redo"),
    c: () => editor.copyPose(),
    v: () => editor.pastePose(),
  }[key];
}

function alone(editor, key, event) {
  const { state, stage, timeline, frame, bars } = editor;
  const onStage = event.target === stage.element;
  const onTime = event.target === timeline.element;
  if (onStage && key === "Tab") return chooseNext(editor, event.shiftKey ? -1 : 1);
  if (!onStage && !onTime) return null; // a button, a dial, a list
  if (onStage && ARROWS[key]) return () => nudge(editor, ARROWS[key], event.shiftKey ? STEP / 5 : STEP);
  if (onTime && ARROWS[key]) {
    const by = ARROWS[key][0] * (event.shiftKey ? 10 : 1);
    if (event.altKey) return () => moveKey(editor, by);
    return () => editor.goTo(frame + by);
  }
  const erase = () => (onTime ? state.deleteKey(frame) : stage.chosen && editor.reset(stage.chosen));
  return {
    Delete: erase,
    Backspace: erase,
    " ": () => editor.toggle(),
    ",": () => editor.goTo(frame - 1),
    ".": () => editor.goTo(frame + 1),
    Home: () => editor.goTo(0),
    End: () => editor.goTo(state.length - 1),
    "[": () => editor.goTo(Math.round(state.keys.findLast((each) => Math.round(each.frame) < frame)?.frame ?? frame)),
    "]": () => editor.goTo(Math.round(state.keys.find((each) => Math.round(each.frame) > frame)?.frame ?? frame)),
    k: () => state.addKey(frame),
    Enter: () => state.addKey(frame),
    m: () => bars.mirror.click(),
    l: () => bars.lines.click(),
    x: () => bars.dials.click(),
    b: () => editor.showBefore(true),
    "+": () => stage.zoomBy(1.25),
    "=": () => stage.zoomBy(1.25),
    "-": () => stage.zoomBy(0.8),
    0: () => stage.fit(),
    Escape: () => event.target.blur(),
  }[key];
}

// The next handle; null at the end of them, where Tab leaves the picture.
function chooseNext(editor, by) {
  const names = editor.handles.map(({ name }) => name);
  const next = names.indexOf(editor.stage.chosen) + by;
  if (!editor.stage.chosen && by < 0) return null;
  if (next < 0 || next >= names.length) {
    editor.stage.choose(null);
    return null;
  }
  return () => editor.stage.choose(names[next]);
}

function nudge(editor, [dx, dy], step) {
  const { chosen, told } = editor.stage;
  if (!chosen || !told) return;
  if (chosen !== "roll") return editor.nudge(chosen, dx * step, dy * step);
  const [cx, cy] = told.ring; // along the ring
  const [x, y] = told.handles.roll;
  const length = Math.hypot(x - cx, y - cy) || 1;
  const along = (dx || dy) * step * 2;
  editor.nudge("roll", (-(y - cy) / length) * along, ((x - cx) / length) * along);
}

function moveKey(editor, by) {
  const to = Math.min(Math.max(editor.frame + by, 0), editor.state.room - 1);
  editor.state.moveKey(editor.frame, to);
  editor.goTo(to);
}
