/** What bus, rooms and errors have in common. Part of bus.js. */

/**
 * Why something was not done: `code` as in the protocol, "unknown" among them (it may have been done), or "offline" (not
 * sent) or "lost" (sent, with no answer).
 */
export class BusError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = "BusError";
    this.code = code;
  }
}

/** Tells a "thing" to `onthing`, which gets what happened, and to listeners, whose Event has it as `detail`. */
export class Teller extends EventTarget {
  /** @internal @param {string} type @param {any} detail */
  _tell(type, detail) {
    try {
      this[`on${type}`]?.(detail);
    } catch (error) {
      setTimeout(() => { throw error; }, 0); // reported as any other, but nobody misses a message for it
    }
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
