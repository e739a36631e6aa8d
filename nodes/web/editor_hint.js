// Three lines for whoever sees the editor for the first time; put away once, they never come again.
import { app } from "/scripts/app.js";
import { button, make } from "./editor_dom.js";
import { say } from "./words.js";

const SETTING = "FollowEmoji.EditorHintSeen";
const lines = () => [
  say("editor.first", "Drag the dots: each moves its part of the face. Inside the ring the head turns, on the ring it tilts."),
  say(
    "editor.second",
    "Go to another frame below and drag again: keyframes make a clip. Space plays, Ctrl+Z undoes, hold B to see the face without the edit.",
  ),
  say("editor.third", "Shift: finer steps. Double click: the dot goes back. Tab and arrows do all of it without a mouse."),
];

export const hintSetting = { id: SETTING, name: "Expression Editor: the first hint was seen", type: "hidden", defaultValue: false };

export function addHint(element) {
  const settings = app.extensionManager?.setting;
  if (settings?.get(SETTING)) return;
  const hint = make("div.fye-hint", { role: "note" }, ...lines().map((line) => make("p", {}, line)));
  hint.append(
    button(say("editor.got_it", "Got it"), say("editor.got_it_hint", "Do not show this again"), () => {
      settings?.set(SETTING, true);
      for (const other of document.querySelectorAll(".fye-hint")) other.remove();
    }),
  );
  element.append(hint);
}
