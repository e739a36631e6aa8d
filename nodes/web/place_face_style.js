import { make, style as editorStyle } from "./editor_dom.js";

// How the editor of Place Face looks, in the colours of the frontend's theme.
const CSS = `
.fye-place { position: relative; display: flex; flex-direction: column; width: 100%; height: 100%; min-height: 200px;
  box-sizing: border-box; border: 1px solid var(--border-color, #4e4e4e); border-radius: 6px; overflow: hidden;
  background: var(--comfy-input-bg, #222); color: var(--input-text, #ddd); font: 12px sans-serif;
  user-select: none; -webkit-user-select: none; }
.fye-place:focus-within, .fye-place:focus { outline: none; border-color: #4dd0a6; }
.fye-place-bar { padding: 4px; background: var(--comfy-menu-bg, #353535); }
.fye-place svg { flex: 1; min-height: 0; width: 100%; display: block; touch-action: none; outline: none; cursor: grab; }
.fye-place svg .mesh { fill: none; stroke: #4dd0a6; stroke-width: 1.4; vector-effect: non-scaling-stroke;
  pointer-events: none; stroke-linejoin: round; }
.fye-place svg .mesh.under { stroke: #000; stroke-width: 3; opacity: 0.35; }
.fye-place svg .point { stroke: #000; stroke-width: 1; vector-effect: non-scaling-stroke; cursor: move;
  fill: rgba(255, 255, 255, 0.35); }
.fye-place svg .point.placed { fill: #ffb74d; }
.fye-place svg .point.chosen { fill: #ff5252; stroke: #fff; stroke-width: 1.6; }
.fye-place svg .frame { fill: rgba(77, 208, 166, 0.08); stroke: #4dd0a6; stroke-width: 1.6;
  vector-effect: non-scaling-stroke; stroke-dasharray: 5 4; cursor: move; }
.fye-place svg .handle { fill: #4dd0a6; stroke: #000; stroke-width: 1; vector-effect: non-scaling-stroke; }
.fye-place svg .handle.corner { cursor: nwse-resize; }
.fye-place svg .handle.turn { cursor: grab; }
.fye-place svg .stem { stroke: #4dd0a6; stroke-width: 1.6; vector-effect: non-scaling-stroke; pointer-events: none; }
.fye-place-line { padding: 3px 6px; height: 30px; line-height: 15px; overflow: auto; flex: none; background: var(--comfy-menu-bg, #353535);
  color: var(--descrip-text, #999); white-space: normal; overflow-wrap: anywhere; }
.fye-place-line.wrong { color: var(--error-text, #ff6e6e); }
.fye-place .fye-hint { margin: 4px; }
`;

export const styles = () => [editorStyle(), make("style", { textContent: CSS })];
