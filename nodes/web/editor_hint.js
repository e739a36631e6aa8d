// Three lines for whoever sees an editor for the first time; put away once, they never come again.
import { app } from "/scripts/app.js";
import { button, make } from "./editor_dom.js";
import { say } from "./words.js";

const HINTS = {
  expression: {
    setting: "FollowEmoji.EditorHintSeen",
    lines: () => [
      say("editor.first", "Drag the dots: each moves its part of the face. Inside the ring the head turns, on the ring it tilts."),
      say(
        "editor.second",
        "Go to another frame below and drag again: keyframes make a clip. Space plays, Ctrl+Z undoes, hold B to see the face without the edit.",
      ),
      say("editor.third", "Shift: finer steps. Double click: the dot goes back. Tab and arrows do all of it without a mouse."),
    ],
  },
  place: {
    setting: "FollowEmoji.PlaceHintSeen",
    lines: () => [
      say("place.first", "1. Drag the box over the face: corners scale it, the knob turns it."),
      say("place.second", "2. Points: drag each dot to its place. Shift: finer steps. Double click: the dot goes back."),
      say("place.third", "3. Wheel zooms, a drag beside the face moves the view, Ctrl+Z undoes."),
    ],
  },
};

// which: "expression" or "place".
export function addHint(element, which) {
  const { setting, lines } = HINTS[which];
  const settings = app.extensionManager?.setting;
  if (settings?.get(setting)) return;
  const kind = `fye-hint-${which}`;
  const hint = make(`div.fye-hint.${kind}`, { role: "note" }, ...lines().map((line) => make("p", {}, line)));
  hint.append(
    button(say("editor.got_it", "Got it"), say("editor.got_it_hint", "Do not show this again"), () => {
      settings?.set(setting, true);
      for (const each of document.querySelectorAll(`.${kind}`)) each.remove();
    }),
  );
  element.append(hint);
}

app.registerExtension({
  name: "followyouremoji.Hints",
  settings: Object.entries(HINTS).map(([which, { setting }]) => ({
    id: setting,
    name: `The first hint was seen: ${which}`,
    type: "hidden",
    defaultValue: false,
  })),
});
