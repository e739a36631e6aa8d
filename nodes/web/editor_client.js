// Requests of one editor to the server: one in flight, and of those that wait only the newest is sent.
import { api } from "/scripts/api.js";
import { say } from "./words.js";

const answered = (status) => say("editor.answers", "ComfyUI answers {status}.", { status });

export class EditorClient {
  // onTurn(): whenever it has begun to work, or has come to rest.
  constructor(onTurn = () => {}) {
    this.onTurn = onTurn;
    this.node = globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    this.busy = false;
    this.waiting = null;
  }

  // The answer's JSON. Throws an Error with the server's own words, which has its `status`.
  async post(route, body) {
    let answer;
    try {
      answer = await api.fetchApi(`/followemoji/${route}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ node: `${this.node} ${route}`, ...body }),
      });
    } catch {
      const text = say("editor.no_answer", "ComfyUI does not answer. The editor keeps asking.");
      throw Object.assign(new Error(text), { status: 0 });
    }
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw Object.assign(new Error(told.error ?? answered(answer.status)), { status: answer.status });
    return told;
  }

  // done(told) or failed(error) for what was sent, nothing for what gave way to something newer.
  ask(route, body, done, failed) {
    this.waiting = { route, body, done, failed };
    if (!this.busy) this.next();
  }

  async next() {
    const asked = this.waiting;
    this.waiting = null;
    if (!asked) return;
    this.busy = true;
    this.onTurn();
    try {
      asked.done(await this.post(asked.route, asked.body));
    } catch (error) {
      if (error.status !== 409) asked.failed(error);
    } finally {
      this.busy = false;
      if (this.waiting) this.next();
      else this.onTurn();
    }
  }
}

let about = null;

// Handles, expressions and limits; asked once, and again after a failure.
export function aboutEditor() {
  about ??= api
    .fetchApi("/followemoji/editor")
    .then((answer) => {
      if (!answer.ok) throw new Error(answered(answer.status));
      return answer.json();
    })
    .catch((error) => {
      about = null;
      throw error;
    });
  return about;
}
