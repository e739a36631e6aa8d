// Three lines for whoever sees the editor for the first time; once closed they never come again.
import { say } from "./words.js";

const KEY = "FollowEmoji.PlaceFace.hint";
const lines = () => [
  say("place.first", "1. Drag the box over the face: corners scale it, the knob turns it."),
  say("place.second", "2. Points: drag each dot to its place. Shift: finer steps. Double click: the dot goes back."),
  say("place.third", "3. Wheel zooms, a drag beside the face moves the view, Ctrl+Z undoes."),
];

export function showHint(root) {
  if (localStorage.getItem(KEY)) return;
  const hint = document.createElement("div");
  hint.className = "fye-place-hint";
  hint.append(...lines().map((line) => Object.assign(document.createElement("div"), { textContent: line })));
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "\u00d7" });
  close.setAttribute("aria-label", say("place.close", "Close and do not show again"));
  close.addEventListener("click", () => {
    localStorage.setItem(KEY, "seen");
    for (const each of document.querySelectorAll(".fye-place-hint")) each.remove();
  });
  hint.append(close);
  root.append(hint);
}
