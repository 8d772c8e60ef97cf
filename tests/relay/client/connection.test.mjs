// The connection: its states, its pauses, and how it knows that it is dead.

import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { connect } from "./bus/bus.js";
import { begin, connected, listen, settle, tick, HINTS, Server, WELCOME } from "./scripted.mjs";

afterEach(settle);

test("whoever has just connected hears of every state", () => {
  const { server, bus } = begin();
  const told = [];
  bus.onstate = ({ state }) => told.push(state);

  tick(0);
  server.say(WELCOME);

  assert.deepEqual(told, ["connecting", "open"]);
  assert.deepEqual(bus.user, { id: "7", name: "ada" });
  assert.equal(server.socket.url, "wss://shop.test/bus/");
  assert.equal(server.socket.protocol, "bus.v1");
});

test("a path is one of this site, and http becomes ws", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  for (const [page, socket] of [["https://a.test/x/", "wss://a.test/bus/"], ["http://a.test/", "ws://a.test/bus/"]]) {
    const server = new Server();
    globalThis.document = Object.assign(new EventTarget(), { baseURI: page });
    try {
      connect(undefined, server);
      tick(0);
    } finally {
      delete globalThis.document;
    }
    assert.equal(server.socket.url, socket);
  }
});

test("pauses grow up to the most, each by chance between half and all of it", () => {
  for (const [chance, share] of [[0, 0.5], [1, 1]]) {
    const { server } = begin({ chance });
    tick(0);
    for (const whole of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      const before = server.sockets.length;
      server.close(1006);
      tick(whole * share - 1);
      assert.equal(server.sockets.length, before, `too early, of ${whole}`);
      tick(1);
      assert.equal(server.sockets.length, before + 1, `too late, of ${whole}`);
    }
    settle();
  }
});

test("who has lost an open connection comes back within the spread, and not all at once", () => {
  for (const code of [1001, 1006, 1012, 1011]) {
    const { server } = connected({ chance: 1 });
    server.close(code);
    tick(HINTS.least_ms + HINTS.spread_ms - 1);
    assert.equal(server.sockets.length, 1);
    tick(1);
    assert.equal(server.sockets.length, 2);
    settle();
  }
});

test("who was too slow comes back at once: nobody else does", () => {
  const { server } = connected({ chance: 1 });
  server.close(4408, "resume");
  tick(HINTS.least_ms);
  assert.equal(server.sockets.length, 2);
});

test("the server's hints count", () => {
  const { server } = begin({ chance: 1 });
  tick(0);
  server.say({ ...WELCOME, reconnect: { least_ms: 10, most_ms: 20, spread_ms: 5 } });
  server.close(1012);
  tick(15);
  assert.equal(server.sockets.length, 2);
});

test("only a connection that lasts ends the growing of the pauses", () => {
  const { server } = connected();
  for (const pause of [250, 500, 1_000]) {
    const before = server.sockets.length;
    server.close(1006);
    tick(pause - 1);
    assert.equal(server.sockets.length, before);
    tick(1);
    server.say(WELCOME);
  }
  tick(5_000);
  server.close(1006);
  tick(250);
  assert.equal(server.sockets.length, 5);
});

test("the seconds until the next try are counted down", () => {
  const { server, bus } = begin({ chance: 1 });
  tick(0);
  for (const pause of [500, 1_000, 2_000]) {
    server.close(1006);
    tick(pause);
  }
  const told = listen(bus, "state");

  server.close(1006, "gone");
  for (let second = 0; second < 4; second++) tick(1_000);

  assert.deepEqual(told.map(([, { state, seconds }]) => [state, seconds]),
    [["waiting", 4], ["waiting", 3], ["waiting", 2], ["waiting", 1], ["connecting", null]]);
  assert.deepEqual([told[0][1].code, told[0][1].reason], [1006, "gone"]);
});

test("a page that wants to, tries now", () => {
  const { server, bus } = connected();
  bus.reconnect(); // it is open: nothing to do
  assert.equal(server.sockets.length, 1);
  server.close(1006);
  bus.reconnect();
  assert.equal(bus.state, "connecting");
  assert.equal(server.sockets.length, 2);
  tick(5_000); // the pause is over as well, and forgotten
  assert.equal(server.sockets.length, 2);
});

for (const code of [4403, 4404]) {
  test(`${code} is the end, until the page begins again`, () => {
    const { server, bus } = connected();
    server.close(4408);
    tick(250);
    server.say(WELCOME);
    const told = listen(bus, "state");
    server.close(code, "no");
    tick(3_600_000);
    assert.equal(server.sockets.length, 2);
    assert.deepEqual(told, [["state", { state: "closed", seconds: null, code, reason: "no" }]]);

    bus.reconnect();
    tick(0);
    server.say(WELCOME);
    assert.equal(bus.state, "open");
    server.close(4408);
    tick(250); // as if nothing had failed before
    assert.equal(bus.state, "connecting");
  });
}

test("close is told once, and nothing comes after it", () => {
  const { server, bus } = connected();
  const told = listen(bus, "state");
  bus.close();
  bus.close();
  server.close(1000);
  tick(3_600_000);
  assert.deepEqual(told.map(([, { state }]) => state), ["closed"]);
  assert.equal(server.socket.closed, 1000);
  assert.equal(server.sockets.length, 1);
});

test("a server that says nothing is given up", () => {
  const { server, bus } = begin();
  tick(0);
  const mute = server.socket;
  tick(10_000);
  assert.equal(bus.state, "waiting");
  assert.equal(mute.closed, 1000);
  server.say(WELCOME, mute); // too late
  assert.equal(bus.state, "waiting");
});

test("two keepalives of silence are asked about, and an answer is enough", () => {
  const { server, bus } = connected();
  tick(15_000);
  assert.deepEqual(server.asked("ping"), []);
  for (let round = 1; round < 4; round++) {
    tick(15_000);
    assert.equal(server.asked("ping").length, round);
    server.say({ do: "pong" });
    tick(15_000);
    assert.equal(bus.state, "open");
  }
});

test("whatever comes proves that the connection lives", () => {
  const { server } = connected();
  for (let round = 0; round < 10; round++) {
    tick(14_000);
    server.say({ do: "event", topic: "other", event: {} });
  }
  assert.deepEqual(server.asked("ping"), []);
});

test("no answer to a ping is the end of a connection, though the browser has not noticed", () => {
  const { server, bus } = connected();
  const dead = server.socket;
  tick(15_000);
  tick(15_000);
  tick(4_999);
  assert.equal(bus.state, "open");
  tick(1);
  assert.equal(bus.state, "waiting");
  assert.equal(dead.closed, 1000);
  tick(500);
  server.close(1006, "", dead); // now it has noticed, and the next one is under way
  assert.equal(bus.state, "connecting");
});

test("a page that is seen again, or online again, does not wait", () => {
  const page = new EventTarget();
  const signals = [];
  globalThis.addEventListener = (type, does, { signal }) => {
    signals.push(signal);
    page.addEventListener(type, does, { signal });
  };
  globalThis.document = Object.assign(new EventTarget(), { hidden: false, baseURI: "https://shop.test/" });
  try {
    const { server, bus } = connected();
    server.close(1006);
    page.dispatchEvent(new Event("online"));
    assert.equal(server.sockets.length, 2);

    server.say(WELCOME);
    document.hidden = true;
    document.dispatchEvent(new Event("visibilitychange"));
    assert.deepEqual(server.asked("ping"), []);
    document.hidden = false;
    document.dispatchEvent(new Event("visibilitychange")); // it may have slept: is the connection alive?
    page.dispatchEvent(new Event("online"));
    assert.equal(server.asked("ping").length, 1);
    tick(5_000);
    assert.equal(bus.state, "waiting");

    bus.close();
    page.dispatchEvent(new Event("online"));
    assert.equal(bus.state, "closed");
    assert.ok(signals.every(({ aborted }) => aborted)); // the page holds it no more
  } finally {
    delete globalThis.addEventListener;
    delete globalThis.document;
  }
});

test("who hears of a state may act on it at once", () => {
  const { server, bus } = connected({ chance: 1 });
  bus.onstate = ({ state }) => state === "waiting" && bus.reconnect();
  server.close(1006);
  assert.equal(bus.state, "connecting");
  tick(5_000);
  assert.equal(bus.state, "connecting");

  bus.onstate = ({ state }) => state === "connecting" && bus.close();
  server.close(1006);
  tick(60_000);
  assert.equal(bus.state, "closed");
  assert.equal(server.sockets.length, 2);
});
