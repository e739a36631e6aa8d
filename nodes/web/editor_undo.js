// Undo and redo of an editor: its texts of before, of bounded number and size.

const MOST = 200; // steps
const MOST_LETTERS = 16_000_000; // of all of them; the newest is kept whatever its size

export class Undo {
  constructor() {
    this.clear();
  }

  clear() {
    this.done = [];
    this.undone = [];
    this.gesture = null;
  }

  // The text that is about to change. Changes of one gesture, a drag or a dial that is turned, are one step.
  mark(text, gesture = null) {
    if (gesture && this.gesture === gesture) return;
    this.gesture = gesture;
    this.undone = [];
    this.done.push(text);
    let letters = this.done.reduce((sum, each) => sum + each.length, 0);
    while (this.done.length > 1 && (this.done.length > MOST || letters > MOST_LETTERS)) letters -= this.done.shift().length;
  }

  // What the text is again, where it is `now`; undefined where there is nothing more.
  undo(now) {
    return this.swap(this.done, this.undone, now);
  }

  redo(now) {
    return this.swap(this.undone, this.done, now);
  }

  swap(from, to, now) {
    if (!from.length) return undefined;
    this.gesture = null;
    to.push(now);
    return from.pop();
  }
}
