// The frontend's own undo and drafts: they look at the graph after clicks on its canvas, and hear of nothing that is done
// within a node.
import { app } from "/scripts/app.js";

export function graphChanged() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker);
  app.graph?.setDirtyCanvas?.(true, true);
}
