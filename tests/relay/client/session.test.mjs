// What a page does when its session is over, or has another key.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { connected, listen, LOBBY, settle, tick, WELCOME } from "./scripted.mjs";

afterEach(settle);

test("4401 may be a new key of the session: the next try tells, and a later 4401 is asked about again", () => {
  const { server, bus } = connected({ chance: 1 });
  const told = listen(bus, "state");
  for (let round = 1; round < 4; round++) {
    server.close(4401, "logged out");
    tick(1_999); // the tab that has changed the password is given time to get its cookie
    assert.equal(server.sockets.length, round);
    tick(1);
    server.say(WELCOME);
    tick(5_000);
    assert.equal(bus.state, "open");
  }
  assert.equal(told.filter(([, { state }]) => state === "closed").length, 0);
});

for (const [who, user] of [["nobody", null], ["another", { id: "8", name: "bob" }]]) {
  test(`4401 is the end if the next try is taken for ${who}: no room is joined`, () => {
    const { server, bus } = connected();
    bus.join(LOBBY);
    const told = listen(bus, "state");
    server.close(4401, "logged out");
    tick(2_000);
    server.say({ ...WELCOME, user });
    assert.deepEqual(told.at(-1)[1], { state: "closed", seconds: null, code: 4401, reason: "logged out" });
    assert.deepEqual(server.asked("join"), []);
    tick(3_600_000);
    assert.equal(server.sockets.length, 2);

    bus.reconnect(); // the page is told, and begins again as whoever it is now
    tick(0);
    server.say({ ...WELCOME, user });
    assert.equal(bus.state, "open");
  });
}

test("4401 twice in a row is the end", () => {
  const { server, bus } = connected();
  server.close(4401);
  tick(2_000);
  server.say(WELCOME);
  server.close(4401, "logged out");
  assert.equal(bus.state, "closed");
  tick(3_600_000);
  assert.equal(server.sockets.length, 2);
});
