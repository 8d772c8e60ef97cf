/**
 * Topics of django_redis_bus in the browser: one WebSocket, any number of rooms, and no message missed in silence.
 *
 *     import { connect } from "/static/django_redis_bus/bus.js";
 *     const room = connect().join("chat:lobby", { history: 50 });
 *     room.onmessage = (event) => console.log(event.data);
 *
 * It connects again by itself, after growing pauses, and goes on in each room where it was. What nobody can bring back
 * is told as a gap. How to use it: docs/how-to/browser.md; what is said on the wire: docs/reference/relay-protocol.md.
 */

import { Connection } from "./connection.js";
import { Room } from "./room.js";
import { BusError, Teller } from "./telling.js";

export { BusError, Room };

const LATER = new Set(["unavailable", "too_fast"]); // a join that is refused so is tried again

/**
 * Connect to the bus.
 *
 * @param {string} [url] where the relay is mounted: a path of this site, or a whole URL
 * @param {{WebSocket?: any}} [options] a WebSocket class, where the platform has none
 * @returns {Bus}
 */
export function connect(url = "/bus/", options = {}) {
  return new Bus(url, options);
}

/**
 * A connection, and its rooms. Tells of "state" ({state, seconds, code, reason}; each second while it waits), "room" (a
 * Room that the server has put this user in) and "error" (a BusError that belongs to no room).
 */
export class Bus extends Teller {
  /** @type {number | null} seconds until the next try, while it is "waiting" */
  seconds = null;
  /** @type {import("./room.js").Member | null} who the server takes this browser for */
  user = null;

  #connection;
  /** @type {Map<string, Room>} */
  #rooms = new Map();
  #asked = new Map(); // id of a frame -> what to do with its answer
  #asks = 0;
  #largest = Infinity;

  /** @param {string} url @param {{WebSocket?: any}} [options] */
  constructor(url, { WebSocket = globalThis.WebSocket } = {}) {
    super();
    this.#connection = new Connection(url, WebSocket, {
      state: (told) => this.#state(told),
      frame: (frame) => this.#take(frame),
      down: () => this.#down(),
    });
  }

  /** @type {import("./connection.js").State} */
  get state() {
    return this.#connection.state;
  }

  /** The rooms that it is in, or on its way into. */
  get rooms() {
    return [...this.#rooms.values()];
  }

  /**
   * Go into a room, now or as soon as there is a connection, and stay there over reconnects.
   *
   * @param {string} topic
   * @param {{history?: number, position?: import("./room.js").Position}} [options] how many of the newest messages are
   *     wanted to begin with; or the place that the page already shows, to get what came after it
   * @returns {Room} the one that there is, if it is joined already
   */
  join(topic, options) {
    const known = this.#rooms.get(topic);
    if (known) return known;
    const room = new Room(this, topic, options);
    this.#rooms.set(topic, room);
    this.#enter(room);
    return room;
  }

  /** Try now and not when the pause is over; or begin again after `close`. */
  reconnect() {
    this.#connection.reconnect();
  }

  /** End the connection and do not come back. The rooms stay, for a `reconnect`. */
  close() {
    this.#connection.close();
  }

  /** @internal @param {object} frame @returns {Promise<any>} the answer */
  _ask(frame) {
    return new Promise((resolve, reject) => {
      if (this.state !== "open") return reject(new BusError("offline", "There is no connection just now."));
      const text = JSON.stringify({ ...frame, id: ++this.#asks });
      if (new TextEncoder().encode(text).length > this.#largest) {
        return reject(new BusError("too_large", `A message has at most ${this.#largest} bytes.`));
      }
      this.#asked.set(this.#asks, { resolve, reject });
      this.#connection.send(text);
    });
  }

  /** @internal @param {Room} room */
  _leave(room) {
    if (!this.#isHere(room)) return;
    this.#rooms.delete(room.topic);
    this._ask({ do: "leave", topic: room.topic }).catch(() => {}); // without a connection it is left already
  }

  #isHere(room) {
    return this.#rooms.get(room.topic) === room;
  }

  #state(told) {
    this.seconds = told.seconds;
    this._tell("state", told);
  }

  #down() {
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const room of this.rooms) room._down();
    for (const { reject } of asked) reject(new BusError("lost", "The connection was lost before the answer came."));
  }

  // --- what comes

  #take(frame) {
    const room = this.#rooms.get(frame.topic);
    const asked = this.#asked.get(frame.id);
    this.#asked.delete(frame.id);
    if (frame.do === "event") room?._event(frame.event);
    else if (frame.do === "welcome") this.#welcome(frame);
    else if (frame.do === "error") this.#refused(frame, asked, room);
    else if (asked) asked.resolve(frame);
    else if (frame.do === "joined") this.#pushed(frame, room);
    else if (frame.do === "gap") room?._gap(frame);
    else if (frame.do === "interrupted") room?._interrupted();
    else if (frame.do === "left" && room) {
      this.#rooms.delete(room.topic);
      room._left(frame.why);
    }
  }

  #welcome(frame) {
    this.user = frame.user;
    this.#largest = frame.message_bytes ?? Infinity;
    this.#connection.welcomed(frame);
    for (const room of this.rooms) this.#enter(room);
  }

  /** @param {Room} room */
  #enter(room, tries = 0) {
    if (this.state !== "open" || !this.#isHere(room)) return;
    const id = ++this.#asks;
    this.#asked.set(id, {
      resolve: (frame) => this.#isHere(room) && room._joined(frame),
      reject: (error) => error.code === "lost" || this.#kept(room, error, tries),
    });
    this.#connection.send(JSON.stringify({ do: "join", topic: room.topic, id, ...room._wants }));
  }

  /** A join was refused. */
  #kept(room, error, tries) {
    if (!this.#isHere(room)) return;
    room._tell("error", error);
    if (LATER.has(error.code)) {
      setTimeout(() => room.isJoined || this.#enter(room, tries + 1), this.#connection.pause(tries));
    } else {
      this.#rooms.delete(room.topic);
      room._left(error.code);
    }
  }

  /** A room that the server has put this user in. If we ask for it as well, that answer is the one with the history. */
  #pushed(frame, room) {
    if (room) return;
    const made = new Room(this, frame.topic);
    this.#rooms.set(frame.topic, made);
    this._tell("room", made);
    made._joined(frame);
  }

  #refused({ code, message }, asked, room) {
    const error = new BusError(code, message);
    if (asked) asked.reject(error);
    else (room ?? this)._tell("error", error);
  }
}
