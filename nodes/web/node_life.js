// What a node's extension does while the node is in a graph: clones that the clipboard makes never are.

// After the node's own `name`, also `after`.
export function chained(node, name, after) {
  const before = node[name];
  node[name] = function (...given) {
    const result = before?.apply(this, given);
    after.apply(this, given);
    return result;
  };
}

// The node says how wide its widget is. The frontend's panel of parameters sets `width` to the panel's own, for good.
export function asWideAsItsNode(widget) {
  Object.defineProperty(widget, "width", { get: () => undefined, set: () => {}, configurable: true });
}

// start() whenever the node comes into a graph, stop() whenever it leaves.
export function whileInGraph(node, start, stop) {
  chained(node, "onAdded", start);
  chained(node, "onRemoved", stop);
  if (node.graph) start();
}
