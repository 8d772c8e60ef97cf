/**
 * One WebSocket that comes back. Part of bus.js.
 *
 * Duties: connect; say what state it is in; notice that a connection is dead; connect again after a pause.
 *
 * @typedef {"connecting" | "open" | "waiting" | "closed"} State
 */

const SUBPROTOCOL = "bus.v1";
const WELCOME_MS = 10_000; // until the server's first frame
const PROOF_MS = 5_000; // until it answers a ping
const STEADY_MS = 5_000; // a connection that lasts so long was a good one
const FINAL = new Set([4403, 4404]); // a foreign page, a wrong path: it stays so
const LOGGED_OUT = 4401; // or the session has another key, after a new password: the next try tells
const COOKIE_TRIES = 2; // how long that try waits, as `pause` has it: another tab may just be getting the new cookie
const OURS = new Set([4400, 4408, 4413]); // this socket's own fault: no other browser has lost its own

export class Connection {
  /** @type {State} */
  state = "connecting";

  #url;
  #WebSocket;
  #on;
  #socket = null;
  #failures = 0;
  #silence = 0;
  #seconds = 0;
  #hints = { least_ms: 500, most_ms: 30_000, spread_ms: 10_000 };
  #timers = {};
  #user = null; // who the server took this browser for
  #doubt = null; // why it may be so no more
  #page = new AbortController();

  /**
   * @param {string} url
   * @param {any} WebSocket
   * @param {{state: (told: any) => void, frame: (frame: any) => void, down: () => void}} on what happens: a new state,
   *     a frame of the server's, and the end of a socket
   */
  constructor(url, WebSocket, on) {
    this.#url = new URL(url, globalThis.document?.baseURI);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#WebSocket = WebSocket;
    this.#on = on;
    this.#begin();
  }

  /** @param {string} text */
  send(text) {
    this.#socket.send(text);
  }

  /** The server has said welcome, with hints on how to come back. */
  welcomed({ user, reconnect, keepalive_ms }) {
    if (this.#doubt && user?.id !== this.#user) return this.#end(this.#doubt.code, this.#doubt.reason);
    this.#user = user?.id;
    Object.assign(this.#hints, reconnect);
    this.#stop(["next"]);
    this.#after("steady", STEADY_MS, () => {
      this.#failures = 0;
      this.#doubt = null;
    });
    if (keepalive_ms) this.#after("watch", keepalive_ms, () => this.#watch(keepalive_ms));
    this.#become("open");
  }

  /** Milliseconds until something is tried again: more each time, and by chance, lest browsers come all together. */
  pause(tries) {
    const { least_ms, most_ms } = this.#hints;
    return Math.min(most_ms, least_ms * 2 ** tries) * (0.5 + Math.random() / 2);
  }

  reconnect() {
    if (this.state === "closed") this.#begin();
    else if (this.state === "waiting") this.#open();
  }

  close() {
    if (this.state !== "closed") this.#end(1000, "");
  }

  #begin() {
    this.state = "connecting";
    this.#failures = 0;
    this.#doubt = null;
    this.#page = new AbortController();
    const { signal } = this.#page;
    globalThis.addEventListener?.("online", () => this.#look(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden || this.#look(), { signal });
    this.#after("next", 0, () => this.#open()); // not yet: who has just called `connect` wants to hear of it
  }

  #open() {
    this.#stop();
    this.#become("connecting");
    if (this.state !== "connecting") return; // closed by whoever heard of it
    const socket = (this.#socket = new this.#WebSocket(this.#url.href, SUBPROTOCOL));
    socket.onmessage = ({ data }) => socket === this.#socket && this.#take(data);
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#lost(code, reason);
    socket.onerror = () => {}; // a close follows
    this.#after("next", WELCOME_MS, () => this.#lost(1006, "no welcome"));
  }

  #take(text) {
    this.#silence = 0;
    this.#stop(["proof"]);
    this.#on.frame(JSON.parse(text));
  }

  #lost(code, reason) {
    const isOut = code === LOGGED_OUT;
    if (FINAL.has(code) || (isOut && (this.#doubt || this.state !== "open"))) return this.#end(code, reason);
    if (isOut) this.#doubt = { code, reason };
    // Where all have lost their server at once, they come back over a longer time.
    const isCrowd = this.state === "open" && !isOut && !OURS.has(code);
    const pause = this.pause(isOut ? COOKIE_TRIES : this.#failures++) + (isCrowd ? Math.random() * this.#hints.spread_ms : 0);
    this.#hangUp();
    this.#after("next", pause, () => this.#open());
    this.#count(Math.ceil(pause / 1000), { code, reason });
  }

  /** A timer of its own: a page that is hidden has its timers slowed down, and chained ones most of all. */
  #count(seconds, why) {
    this.#become("waiting", seconds, why);
    if (seconds > 1 && this.state === "waiting") this.#after("count", 1000, () => this.#count(seconds - 1, why));
  }

  #end(code, reason) {
    this.#hangUp();
    this.#page.abort();
    this.#become("closed", null, { code, reason });
  }

  /** Drop the socket, dead or alive. */
  #hangUp() {
    this.#stop();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#on.down();
  }

  /** @param {State} state */
  #become(state, seconds = null, why = {}) {
    this.state = state;
    this.#on.state({ state, seconds, ...why });
  }

  /** The page is looked at again, or its network is back. */
  #look() {
    if (this.state === "waiting") this.#open();
    else if (this.state === "open") this.#prove();
  }

  /** Each keepalive: a connection on which nothing comes may be dead, and no browser notices that by itself. */
  #watch(keepalive_ms) {
    this.#after("watch", keepalive_ms, () => this.#watch(keepalive_ms));
    if (++this.#silence >= 2) this.#prove();
  }

  #prove() {
    if (this.#timers.proof) return;
    this.send('{"do":"ping"}');
    this.#after("proof", PROOF_MS, () => this.#lost(1006, "silent"));
  }

  #after(name, ms, act) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(act, ms);
  }

  #stop(names = Object.keys(this.#timers)) {
    for (const name of names) {
      clearTimeout(this.#timers[name]);
      delete this.#timers[name];
    }
  }
}
