// Elements of the editors, and their look in ComfyUI's own colours, light or dark.

// A new element: make("button.fye-button", { title }, child, "text").
export function make(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  element.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// ComfyUI undoes the graph on Ctrl+Z wherever the focus is, but in text fields; the editor has an undo of its own.
export function ownsKeys(element) {
  Object.defineProperty(element, "type", { configurable: true, value: "textarea" });
  return element;
}

export function button(label, title, action, properties = {}) {
  const made = make("button.fye-button", { title, "aria-label": title, ...properties }, label);
  made.addEventListener("click", action);
  return ownsKeys(made);
}

// Where a pointer is inside an element, in its own pixels, however the graph is zoomed.
export function localPoint(element, event) {
  const box = element.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * element.clientWidth) / (box.width || 1),
    ((event.clientY - box.top) * element.clientHeight) / (box.height || 1),
  ];
}

const STYLE = `
.fye-editor, .fye-place { --fye-accent: #23a67c; }
.fye-editor { --fye-line: color-mix(in srgb, var(--input-text, #ddd) 30%, transparent);
  display: flex; flex-direction: column; gap: 4px; width: 100%; height: 100%; min-height: 0; box-sizing: border-box;
  color: var(--input-text, #ddd); background: var(--comfy-menu-bg, #222); border-radius: 6px; padding: 6px;
  font: 12px/1.3 system-ui, sans-serif; position: relative; overflow: hidden; user-select: none; }
.fye-editor * { box-sizing: border-box; }
.fye-bar { display: flex; flex-wrap: wrap; gap: 3px 2px; justify-content: space-between; flex: none; }
.fye-group { display: flex; flex-wrap: wrap; gap: 3px 2px; align-items: center; }
.fye-button, .fye-editor select, .fye-editor input[type=number] { font: inherit; height: 24px; padding: 0 4px;
  color: var(--input-text, #ddd); background: var(--comfy-input-bg, #333); border: 1px solid var(--border-color, #555);
  border-radius: 4px; cursor: pointer; }
.fye-editor input[type=number] { width: 58px; cursor: text; }
.fye-button:hover { border-color: var(--fye-accent); }
.fye-button:disabled { opacity: .45; cursor: default; }
.fye-button[aria-pressed=true] { background: var(--fye-accent); color: #fff; }
.fye-editor :focus-visible { outline: 2px solid var(--fye-accent); outline-offset: -2px; }
.fye-stage { flex: 1 1 0; min-height: 120px; position: relative; overflow: hidden; border-radius: 4px; cursor: grab;
  background: var(--comfy-input-bg, #333); touch-action: none; outline: none; }
.fye-stage img { position: absolute; left: 0; top: 0; transform-origin: 0 0; max-width: none; pointer-events: none; }
.fye-stage svg { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.fye-handle { fill: #fff; stroke: #111; stroke-width: 1.5; }
.fye-handle.changed { fill: var(--fye-accent); }
.fye-handle.near { stroke: var(--fye-accent); stroke-width: 3; }
.fye-handle.chosen { stroke: #ffb300; stroke-width: 3.5; }
.fye-ring { fill: none; stroke: #fff; stroke-opacity: .55; stroke-width: 2.5; stroke-dasharray: 5 4; }
.fye-ring.near { stroke: var(--fye-accent); stroke-opacity: 1; }
.fye-ring.chosen { stroke: #ffb300; stroke-opacity: 1; }
.fye-lines { fill: none; stroke: #4dd0a6; stroke-width: 1.2; }
.fye-label { position: absolute; left: 6px; bottom: 6px; padding: 1px 6px; border-radius: 4px; pointer-events: none;
  background: #000a; color: #fff; }
.fye-label:empty, .fye-told:empty { display: none; }
.fye-told { flex: none; padding: 2px 6px; border-radius: 4px; background: color-mix(in srgb, #d9822b 25%, transparent); }
.fye-time { flex: none; height: 62px; position: relative; background: var(--comfy-input-bg, #333); border-radius: 4px;
  cursor: pointer; touch-action: none; outline: none; }
.fye-time svg { width: 100%; height: 100%; display: block; pointer-events: none; }
.fye-time .tick { stroke: var(--fye-line); }
.fye-time .beyond { fill: var(--comfy-menu-bg, #222); opacity: .7; }
.fye-time .head { stroke: #ffb300; stroke-width: 2; }
.fye-time .key { fill: var(--fye-accent); stroke: var(--input-text, #ddd); }
.fye-time .key.here { fill: #ffb300; }
.fye-time text { fill: var(--descrip-text, #999); font: 9px system-ui, sans-serif; }
.fye-hint { flex: none; padding: 5px 8px; border-radius: 6px; border: 1px solid var(--fye-accent); }
.fye-hint p { margin: 0 0 2px; }
.fye-time polyline { fill: none; stroke-width: 1.2; opacity: .75; }
.fye-dials { flex: none; max-height: 34%; overflow: auto; display: grid; gap: 1px 10px;
  grid-template-columns: repeat(auto-fill, minmax(168px, 1fr)); }
.fye-dials[hidden] { display: none; }
.fye-dials label { display: grid; grid-template-columns: 82px 1fr 30px; align-items: center; gap: 4px; }
.fye-dials span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.fye-dials input { width: 100%; accent-color: var(--fye-accent); }
`;

// Lies inside each editor, not in the page's head, which all packs share.
export const style = () => make("style", { textContent: STYLE });
