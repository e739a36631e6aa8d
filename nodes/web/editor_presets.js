// Named expressions as dials, which add up: each a strength in the key of the frame that is shown.
import { make } from "./editor_dom.js";
import { say } from "./words.js";

export class EditorPresets {
  // turn(name, strength, gesture)
  constructor(names, turn) {
    this.element = make("div.fye-dials", { hidden: true, "data-capture-wheel": "true" });
    this.dials = new Map();
    for (const name of names) {
      const shown = make("span", { textContent: "0" });
      const dial = make("input", { type: "range", min: 0, max: 2, step: 0.05, value: 0, "aria-label": name });
      let turning = 0;
      dial.addEventListener("input", () => turn(name, Number(dial.value), `dial ${name} ${turning}`));
      dial.addEventListener("change", () => (turning += 1));
      dial.addEventListener("dblclick", () => turn(name, 0));
      this.dials.set(name, { dial, shown });
      const title = say("editor.dial_hint", "{name}: double click sets it to 0", { name });
      this.element.append(make("label", { title }, make("span", {}, name.replaceAll("_", " ")), dial, shown));
    }
  }

  draw(state, frame) {
    if (this.element.hidden) return;
    for (const [name, { dial, shown }] of this.dials) {
      const strength = state.track(name, frame, "expressions");
      if (Number(dial.value) !== strength) dial.value = strength;
      shown.textContent = strength ? strength.toFixed(2).replace(/0$/, "") : "0";
    }
  }
}
