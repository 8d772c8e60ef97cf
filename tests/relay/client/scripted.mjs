// A server that says what a test has it say, and the clock that goes with it.

import { mock } from "node:test";
import { connect } from "./bus/bus.js";

export const HINTS = { least_ms: 500, most_ms: 30_000, spread_ms: 10_000 };
export const WELCOME = { do: "welcome", version: 1, user: { id: "7", name: "ada" }, reconnect: HINTS, keepalive_ms: 15_000, message_bytes: 16_384 };

export class Server {
  sockets = [];

  constructor() {
    const { sockets } = this;
    this.WebSocket = class {
      sent = [];
      closed = null;

      constructor(url, protocol) {
        Object.assign(this, { url, protocol });
        sockets.push(this);
      }

      send(text) {
        this.sent.push(JSON.parse(text));
      }

      close(code) {
        this.closed = code;
      }
    };
  }

  /** The newest socket. */
  get socket() {
    return this.sockets.at(-1);
  }

  /** The frames that the client has sent over it, of one kind. */
  asked(kind) {
    return this.socket.sent.filter((frame) => frame.do === kind);
  }

  say(frame, socket = this.socket) {
    socket.onmessage({ data: JSON.stringify(frame) });
  }

  close(code, reason = "", socket = this.socket) {
    socket.onclose({ code, reason });
  }

  /** Answer the newest join of a topic. */
  joined(topic, { epoch = "e1", offset = "0-0", recovered = null, messages = [], can_publish = true, ...more } = {}) {
    const { id } = this.asked("join").findLast((frame) => frame.topic === topic);
    this.say({ do: "joined", id, topic, epoch, offset, recovered, messages, can_publish, ...more });
  }
}

/** Start with a clock that stands still, chance that is known, and a client that is on its way. */
export function begin({ chance = 0 } = {}) {
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(Math, "random", () => chance);
  const server = new Server();
  const bus = connect("wss://shop.test/bus/", { WebSocket: server.WebSocket });
  return { server, bus };
}

/** The same, connected. */
export function connected(options) {
  const { server, bus } = begin(options);
  tick(0);
  server.say(WELCOME);
  return { server, bus };
}

export function tick(ms) {
  mock.timers.tick(ms);
}

/** Lose the connection and get another, without the server's welcome. */
export function again(server, code = 4408) {
  server.close(code);
  tick(60_000);
}

/** Put all that a bus or a room tells into a list, as [type, what]. */
export function listen(teller, ...types) {
  const told = [];
  for (const type of types) teller.addEventListener(type, ({ detail }) => told.push([type, detail]));
  return told;
}

export function event(n, more = {}) {
  return { specversion: "1.0", id: `id${n}`, type: "chat.said", data: n, epoch: "e1", offset: `${n}-${n * 7}`, ...more };
}

export const LOBBY = "chat:lobby";

/** A room that is joined, at the third message. */
export function inRoom(options = {}) {
  const { server, bus } = connected();
  const room = bus.join(LOBBY, options);
  server.joined(LOBBY, { offset: event(3).offset });
  return { server, bus, room, told: listen(room, "message", "gap", "joined", "left", "presence", "error") };
}

/** What was told, as a list to compare: data of messages, gaps, and the types of all else. */
export const data = (told) => told.map(([type, what]) => (type === "message" ? what.data : type === "gap" ? what : type));

export function settle() {
  mock.timers.reset();
  mock.restoreAll();
}
