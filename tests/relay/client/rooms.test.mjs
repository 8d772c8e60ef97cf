// Coming into rooms, coming back to them, and going.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { again, begin, connected, data, event, inRoom, listen, LOBBY, settle, tick, WELCOME } from "./scripted.mjs";

afterEach(settle);

// --- coming in

test("a room that is wanted before there is a connection is joined as soon as there is one", () => {
  const { server, bus } = begin();
  const room = bus.join(LOBBY, { history: 50 });
  assert.equal(bus.join(LOBBY), room);
  tick(0);
  assert.deepEqual(server.asked("join"), []);
  server.say(WELCOME);
  assert.deepEqual(server.asked("join"), [{ do: "join", topic: LOBBY, id: 1, history: 50 }]);
  assert.deepEqual(bus.rooms, [room]);
});

test("what has been said comes before the room is joined, and what is said after it", () => {
  const { server, bus } = connected();
  const room = bus.join(LOBBY, { history: 2 });
  const told = listen(room, "message", "joined", "gap");
  assert.equal(room.isJoined, false);

  server.joined(LOBBY, { offset: "2-14", messages: [event(1), event(2)], can_publish: true });
  server.say({ do: "event", topic: LOBBY, event: event(3) });

  assert.deepEqual(data(told), [1, 2, "joined", 3]);
  assert.deepEqual(told[2][1], { recovered: null, messages: 2 });
  assert.ok(room.isJoined && room.canPublish);
  assert.deepEqual(room.position, { epoch: "e1", offset: "3-21" });
});

test("a page that shows something already goes on from there", () => {
  const { server, bus } = connected();
  bus.join(LOBBY, { position: { epoch: "e1", offset: "3-21" } });
  const [{ epoch, offset }] = server.asked("join");
  assert.deepEqual([epoch, offset], ["e1", "3-21"]);
});

for (const code of ["forbidden", "unknown_topic", "too_many_rooms"]) {
  test(`a join that is refused as ${code} is told, and not tried again`, () => {
    const { server, bus } = connected();
    const room = bus.join(LOBBY);
    const told = listen(room, "error", "left");
    server.say({ do: "error", id: 1, topic: LOBBY, code, message: "no" });
    assert.deepEqual([told[0][1].code, told[0][1].message], [code, "no"]);
    assert.deepEqual(told[1], ["left", { why: code }]);
    again(server);
    server.say(WELCOME);
    assert.deepEqual(server.asked("join"), []);
    assert.notEqual(bus.join(LOBBY), room);
  });
}

for (const code of ["unavailable", "too_fast"]) {
  test(`a join that is refused as ${code} is tried again, after growing pauses`, () => {
    const { server, bus } = connected();
    const room = bus.join(LOBBY);
    for (const pause of [250, 500, 1_000]) {
      const before = server.asked("join");
      server.say({ do: "error", id: before.at(-1).id, topic: LOBBY, code, message: "later" });
      tick(pause - 1);
      assert.equal(server.asked("join").length, before.length);
      tick(1);
      assert.equal(server.asked("join").length, before.length + 1);
    }
    server.joined(LOBBY);
    assert.ok(room.isJoined);
  });
}

test("a retry that a new connection has overtaken asks for nothing", () => {
  const { server, bus } = connected();
  bus.join(LOBBY);
  server.say({ do: "error", id: 1, topic: LOBBY, code: "unavailable", message: "later" });
  server.close(4408);
  bus.reconnect();
  server.say(WELCOME);
  server.joined(LOBBY);
  tick(1_000);
  assert.equal(server.asked("join").length, 1);
});

test("a join that got no answer before the connection was lost is asked for again", () => {
  const { server, bus } = connected();
  const room = bus.join(LOBBY, { history: 5 });
  const told = listen(room, "left", "error", "gap", "message");
  again(server);
  server.say(WELCOME);
  assert.equal(server.asked("join").length, 1);
  server.joined(LOBBY, { offset: "3-21", messages: [event(3)] });
  assert.deepEqual(data(told), [3]);
});

// --- coming back

test("after a reconnect a room goes on where it was: what was missed comes once, in order", () => {
  const { server, room, told } = inRoom();
  server.say({ do: "event", topic: LOBBY, event: event(4) });
  again(server);
  assert.equal(room.isJoined, false);
  server.say(WELCOME);
  const [{ epoch, offset }] = server.asked("join");
  assert.deepEqual([epoch, offset], ["e1", "4-28"]);

  server.joined(LOBBY, { offset: "6-42", recovered: true, messages: [event(5), event(6)] });
  server.say({ do: "event", topic: LOBBY, event: event(6) }); // in the history, and over the subscription
  server.say({ do: "event", topic: LOBBY, event: event(7) });

  assert.deepEqual(data(told), [4, 5, 6, "joined", 7]);
});

test("a second reconnect goes on from what the first one has brought", () => {
  const { server } = inRoom();
  again(server);
  server.say(WELCOME);
  server.joined(LOBBY, { offset: "4-28", recovered: true, messages: [event(4)] });
  again(server);
  server.say(WELCOME);
  assert.equal(server.asked("join")[0].offset, "4-28");
});

test("what cannot be brought back is a gap, with the number of messages, before those that are left", () => {
  const { server, told } = inRoom({ history: 2 });
  again(server);
  server.say(WELCOME);
  assert.equal(server.asked("join")[0].history, 2);
  server.joined(LOBBY, { offset: "15-105", recovered: false, messages: [event(14), event(15)] });
  assert.deepEqual(data(told), [{ missed: 10 }, 14, 15, "joined"]);
});

test("a gap without messages after it has a number as well", () => {
  const { server, told } = inRoom();
  again(server);
  server.say(WELCOME);
  server.joined(LOBBY, { offset: "15-105", recovered: false });
  assert.deepEqual(data(told), [{ missed: 12 }, "joined"]);
});

test("a history that has begun anew is a gap of which nobody knows the size", () => {
  const { server, told } = inRoom();
  again(server);
  server.say(WELCOME);
  server.joined(LOBBY, { epoch: "e2", offset: "5-1", recovered: false, messages: [event(5, { epoch: "e2", offset: "5-1" })] });
  assert.deepEqual(data(told), [{ missed: null }, 5, "joined"]);
});

test("after a loss, what was shown is not shown again, and another message with an old number is", () => {
  const { server, told } = inRoom();
  for (const n of [4, 5]) server.say({ do: "event", topic: LOBBY, event: event(n) });
  again(server);
  server.say(WELCOME);
  const other = event(5, { epoch: "e2", offset: "5-999", data: "another" });
  server.joined(LOBBY, { epoch: "e2", offset: "5-999", recovered: false, messages: [event(4), other] });
  assert.deepEqual(data(told), [4, 5, { missed: null }, "another", "joined"]);
});

test("a channel that keeps nothing has a gap at each reconnect, and none before", () => {
  const { server, bus } = connected();
  const told = listen(bus.join("ticks"), "message", "gap", "joined");
  const nothing = { epoch: null, offset: null };
  server.joined("ticks", nothing);
  server.say({ do: "event", topic: "ticks", event: { data: 1 } });
  again(server);
  server.say(WELCOME);
  server.joined("ticks", nothing);
  assert.deepEqual(data(told), ["joined", 1, { missed: null }, "joined"]);
});

// --- what comes

test("an interruption is told, and loses no place", () => {
  const { server, bus, room } = inRoom();
  const told = listen(room, "message", "interrupted", "gap");
  server.say({ do: "interrupted", topic: LOBBY });
  server.say({ do: "interrupted", topic: "chat:elsewhere" });
  server.say({ do: "event", topic: LOBBY, event: event(4) });
  assert.deepEqual(data(told), ["interrupted", 4]);
  room.leave();
  server.say({ do: "interrupted", topic: LOBBY });
  assert.equal(told.length, 2);
  assert.equal(bus.state, "open");
});

test("a gap that the server tells of is the new place to go on from", () => {
  const { server, told } = inRoom();
  server.say({ do: "gap", topic: LOBBY, epoch: "e1", offset: "9-63", missed: 6 });
  server.say({ do: "event", topic: LOBBY, event: event(10) });
  assert.deepEqual(data(told), [{ missed: 6 }, 10]);
  again(server);
  server.say(WELCOME);
  assert.equal(server.asked("join")[0].offset, "10-70");
});

test("a number that is left out is a gap, though the server has not told of one", () => {
  const { server, told } = inRoom();
  server.say({ do: "event", topic: LOBBY, event: event(6) });
  server.say({ do: "event", topic: LOBBY, event: event(7, { epoch: "e2" }) });
  assert.deepEqual(data(told), [{ missed: 2 }, 6, { missed: null }, 7]);
});

test("a history that has expired begins anew with its first message, and nothing is missing", () => {
  const { server, told } = inRoom();
  server.say({ do: "event", topic: LOBBY, event: event(1, { epoch: "e2", offset: "1-99" }) });
  server.say({ do: "event", topic: LOBBY, event: event(2, { epoch: "e2", offset: "2-99" }) });
  assert.deepEqual(data(told), [1, 2]);
});

test("what is not kept is told at once and changes no place", () => {
  const { server, room, told } = inRoom();
  server.say({ do: "event", topic: LOBBY, event: { type: "chat.typing", data: "…", ephemeral: true } });
  assert.deepEqual(data(told), ["…"]);
  assert.equal(room.position.offset, "3-21");
});

test("frames of a kind that this client does not know are passed over", () => {
  const { server, told } = inRoom();
  server.say({ do: "sing", topic: LOBBY });
  server.say({ do: "event", topic: "elsewhere", event: event(1) });
  server.say({ do: "gap", topic: "elsewhere", epoch: null, offset: null, missed: null });
  assert.deepEqual(told, []);
});

test("a handler that fails keeps no message from the others", () => {
  const { server, room, told } = inRoom();
  room.onmessage = () => {
    throw new Error("of the page");
  };
  server.say({ do: "event", topic: LOBBY, event: event(4) });
  server.say({ do: "event", topic: LOBBY, event: event(5) });
  assert.deepEqual(data(told), [4, 5]);
  assert.throws(() => tick(0), /of the page/); // reported to the page like any other
});

// --- going

test("who leaves hears nothing more, and may come again", () => {
  const { server, bus, room, told } = inRoom();
  room.leave();
  room.leave();
  assert.equal(server.asked("leave").length, 1);
  server.say({ do: "event", topic: LOBBY, event: event(4) });
  assert.deepEqual(told, []);

  const anew = bus.join(LOBBY);
  assert.notEqual(anew, room);
  server.say({ do: "left", id: server.asked("leave")[0].id, topic: LOBBY });
  server.joined(LOBBY);
  assert.ok(anew.isJoined && !room.isJoined);
});

test("an answer that comes after its room was left is nobody's", () => {
  const { server, bus } = connected();
  const first = bus.join(LOBBY);
  first.leave();
  const second = bus.join(LOBBY);
  server.say({ do: "joined", id: 1, topic: LOBBY, epoch: "e1", offset: "3-21", recovered: null, messages: [event(3)], can_publish: true });
  assert.ok(!first.isJoined && !second.isJoined);
});

test("a handler that leaves in the middle of what has come gets no more of it", () => {
  const { server, bus } = connected();
  const room = bus.join(LOBBY, { history: 3 });
  const told = listen(room, "message", "joined");
  room.onmessage = ({ data }) => data === 2 && room.leave();
  server.joined(LOBBY, { offset: "3-21", messages: [event(1), event(2), event(3)] });
  assert.deepEqual(data(told), [1, 2]);
});

test("who is thrown out is told why, and does not come back by itself", () => {
  const { server, bus, told } = inRoom();
  server.say({ do: "left", topic: LOBBY, why: "forbidden" });
  assert.deepEqual(told, [["left", { why: "forbidden" }]]);
  assert.deepEqual(bus.rooms, []);
  again(server);
  server.say(WELCOME);
  assert.deepEqual(server.asked("join"), []);
});

test("rooms outlast a close, for those who come back", () => {
  const { server, bus, room } = inRoom();
  bus.close();
  assert.equal(room.isJoined, false);
  bus.reconnect();
  tick(0);
  server.say(WELCOME);
  assert.equal(server.asked("join")[0].offset, "3-21");
});
