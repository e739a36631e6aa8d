// The fit on the server: one request in flight, and of what is asked meanwhile only the newest.
import { api } from "/scripts/api.js";
import { say } from "./words.js";

export class Fit {
  // done(answer) with what the server found; failed(text) with what it says is wrong.
  constructor(done, failed) {
    this.done = done;
    this.failed = failed;
    this.busy = false;
    this.next = null;
  }

  ask(body) {
    this.next = body;
    if (!this.busy) this._go();
  }

  async _go() {
    this.busy = true;
    while (this.next) {
      const body = this.next;
      this.next = null;
      try {
        const response = await api.fetchApi("/followemoji/place", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        });
        const answer = await response.json().catch(() => ({}));
        if (this.next) continue; // out of date
        if (response.ok) this.done(answer);
        else this.failed(answer.error ?? say("place.answered", "The server answered {status}.", { status: response.status }));
      } catch {
        if (!this.next)
          this.failed(say("place.no_answer", "The server does not answer. What you place is kept; try again when it is back."));
      }
    }
    this.busy = false;
  }
}
