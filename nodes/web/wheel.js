// The wheel over an editor: Nodes 2.0 gives it to the canvas before a node's own elements hear of it, so it is caught at
// the window.
const listeners = new WeakMap();

window.addEventListener(
  "wheel",
  (event) => {
    for (let element = event.target; element; element = element.parentElement) {
      const listener = listeners.get(element);
      if (!listener) continue;
      event.preventDefault();
      event.stopImmediatePropagation();
      return listener(event);
    }
  },
  { capture: true, passive: false },
);

// listener(event) instead of whatever else the wheel would do over the element.
export function onWheel(element, listener) {
  listeners.set(element, listener);
}
