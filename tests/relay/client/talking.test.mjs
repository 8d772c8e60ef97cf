// What is said in rooms, who is there, and rooms that the server chooses.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { BusError } from "./bus/bus.js";
import { again, begin, connected, data, event, inRoom, listen, LOBBY, settle, tick, WELCOME } from "./scripted.mjs";

afterEach(settle);

// --- who is here

test("the list of members is kept", () => {
  const { server, bus } = connected();
  const room = bus.join(LOBBY);
  const told = listen(room, "presence", "message");
  const [ada, bob, eve] = ["ada", "bob", "eve"].map((name, id) => ({ id: `${id}`, name }));
  const says = (type, member) => server.say({ do: "event", topic: LOBBY, event: { type: `bus.presence.${type}`, data: { member }, ephemeral: true } });

  server.joined(LOBBY, { members: [ada, bob] });
  assert.deepEqual(room.members, [ada, bob]);
  says("joined", eve);
  assert.deepEqual(told.at(-1), ["presence", { members: [ada, bob, eve], joined: eve }]);
  says("joined", eve); // once more, from another process
  assert.deepEqual(room.members, [ada, bob, eve]);
  says("left", bob);
  assert.deepEqual(told.at(-1), ["presence", { members: [ada, eve], left: bob }]);

  server.say({ do: "event", topic: LOBBY, event: { type: "bus.presence.members", data: { members: [eve] }, ephemeral: true } });
  assert.deepEqual(told.at(-1), ["presence", { members: [eve] }]); // after an outage

  again(server);
  server.say(WELCOME);
  server.joined(LOBBY, { members: [bob], recovered: true });
  assert.deepEqual(room.members, [bob]);
  assert.ok(told.every(([type]) => type === "presence"));
});

// --- what is said

test("publish resolves with the server's answer", async () => {
  const { server, room } = inRoom();
  const said = room.publish({ text: "hello" }, { type: "chat.said" });
  const [frame] = server.asked("publish");
  assert.deepEqual(frame, { do: "publish", topic: LOBBY, data: { text: "hello" }, type: "chat.said", id: frame.id });
  server.say({ do: "published", id: frame.id, topic: LOBBY, event_id: "x", offset: "4-28" });
  assert.equal((await said).event_id, "x");
});

test("a signal is not kept", () => {
  const { server, room } = inRoom();
  room.signal("chat.typing");
  const [frame] = server.asked("publish");
  assert.deepEqual([frame.type, frame.data, frame.ephemeral], ["chat.typing", {}, true]);
});

for (const [code, message] of [["invalid_payload", "text: missing"], ["unknown", "it may have been sent"]]) {
  test(`publish rejects with what the server says against it: ${code}`, async () => {
    const { server, room } = inRoom();
    const said = room.publish({});
    server.say({ do: "error", id: server.asked("publish")[0].id, topic: LOBBY, code, message });
    await assert.rejects(said, (error) => error instanceof BusError && error.code === code && error.message === message);
  });
}

test("without a connection nothing is sent, now or later", async () => {
  const { server, room } = inRoom();
  server.close(1006);
  await assert.rejects(room.publish("hello"), { code: "offline" });
  tick(60_000);
  server.say(WELCOME);
  assert.deepEqual(server.asked("publish"), []);
});

test("when the connection goes before the answer comes, nobody knows", async () => {
  const { server, room } = inRoom();
  const said = room.publish("hello");
  server.close(1006);
  await assert.rejects(said, { code: "lost" });
});

test("what the server would not take is not sent: it would cost the connection", async () => {
  const { server, room } = inRoom();
  await assert.rejects(room.publish("ä".repeat(8_200)), { code: "too_large" });
  assert.deepEqual(server.asked("publish"), []);
});

test("an error that answers nothing goes to its room, or to the bus", () => {
  const { server, bus, told } = inRoom();
  const others = listen(bus, "error");
  server.say({ do: "error", topic: LOBBY, code: "too_fast", message: "slow down" });
  server.say({ do: "error", code: "bad_frame", message: "what?" });
  assert.equal(told[0][1].code, "too_fast");
  assert.equal(others[0][1].code, "bad_frame");
});

// --- rooms that the server chooses

test("a room that the server has put us in is told, and kept over a reconnect without a hole", () => {
  const { server, bus } = connected();
  const told = [];
  bus.onroom = (room) => (room.onmessage = ({ data }) => told.push(data));
  server.say({ do: "joined", topic: "user:7", epoch: "e1", offset: "3-21", recovered: null, messages: [], can_publish: false, pushed: true });
  server.say({ do: "event", topic: "user:7", event: event(4) });
  again(server);
  server.say(WELCOME);
  server.say({ do: "joined", topic: "user:7", epoch: "e1", offset: "6-42", recovered: null, messages: [], can_publish: false, pushed: true });
  server.say({ do: "event", topic: "user:7", event: event(7) }); // it is in the answer to our join
  assert.equal(server.asked("join")[0].offset, "4-28");
  server.joined("user:7", { offset: "7-49", recovered: true, messages: [event(5), event(6), event(7)] });
  assert.deepEqual(told, [4, 5, 6, 7]);
});

test("a room that both want is one", () => {
  const { server, bus } = begin();
  const room = bus.join("user:7", { history: 5 });
  const rooms = listen(bus, "room");
  tick(0);
  server.say(WELCOME);
  const told = listen(room, "message", "joined", "gap");
  server.say({ do: "joined", topic: "user:7", epoch: "e1", offset: "3-21", recovered: null, messages: [], can_publish: false, pushed: true });
  server.say({ do: "event", topic: "user:7", event: { data: "not kept" } });
  server.joined("user:7", { offset: "3-21", messages: [event(3)] });
  assert.deepEqual(rooms, []);
  assert.deepEqual(data(told), ["not kept", 3, "joined"]);
});
