// A page that does what a test has it do: commands come as lines of JSON, and what the client tells goes out as such.

import { createInterface } from "node:readline";
import { connect } from "./bus/bus.js";

const tell = (who, type, what) => process.stdout.write(`${JSON.stringify({ who, type, what })}\n`);
const plain = (detail) => (detail instanceof Error ? { code: detail.code, message: detail.message } : detail);

function listen(teller, who, ...types) {
  for (const type of types) teller.addEventListener(type, ({ detail }) => tell(who, type, plain(detail)));
}

const bus = connect(process.argv[2]);
const rooms = new Map();
listen(bus, "bus", "state", "error");
bus.onroom = (room) => follow(room);

function follow(room) {
  rooms.set(room.topic, room);
  listen(room, room.topic, "message", "gap", "presence", "joined", "left", "error");
}

const does = {
  join: (topic, options) => follow(bus.join(topic, options)),
  leave: (topic) => rooms.get(topic).leave(),
  publish: (topic, data, options) => rooms.get(topic).publish(data, options),
  close: () => bus.close(),
  reconnect: () => bus.reconnect(),
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, act, args } = JSON.parse(line);
  try {
    tell("answer", id, { value: await does[act](...args) });
  } catch (error) {
    tell("answer", id, plain(error));
  }
});
