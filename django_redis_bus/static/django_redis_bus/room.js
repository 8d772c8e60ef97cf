/** Room: one topic that this browser is in. Part of bus.js. */

import { Teller } from "./telling.js";

const REMEMBERED = 1_000; // offsets, to know a message again

/**
 * Tells of "message" (a CloudEvent), "gap" ({missed}: so many messages are lost here; null if nobody knows),
 * "interrupted" (nothing that is kept was lost, but messages that are for the moment only may have been), "presence"
 * ({members, joined, left}), "joined" ({recovered, messages}, after the messages that it brings), "left" ({why}) and
 * "error" (a BusError).
 *
 * @typedef {{id: string, name: string}} Member
 * @typedef {{epoch: string, offset: string}} Position
 * @typedef {Record<string, any>} CloudEvent `id`, `type`, `time`, `data`; `authorid`, `authorname` if a browser said it
 */
export class Room extends Teller {
  /** @type {Member[]} who is here, if the channel has presence */
  members = [];
  /** Whether this user may publish here. */
  canPublish = false;
  /** Whether it is joined just now. */
  isJoined = false;
  /** @type {Position | null} of the newest message that was told */
  position = null;

  #bus;
  #history;
  #been = false;
  #gone = false;
  #told = new Set();

  /** @internal Use `bus.join`. */
  constructor(bus, topic, { history = 0, position = null } = {}) {
    super();
    this.#bus = bus;
    this.topic = topic;
    this.#history = history;
    this.position = position;
  }

  /**
   * Say something here. Resolves when it is on the bus; it comes back as a message as well. Rejects with a BusError.
   *
   * @param {any} data
   * @param {{type?: string, ephemeral?: boolean}} [options] the event's type, if the channel has several
   * @returns {Promise<{event_id: string, offset?: string}>}
   */
  publish(data, { type, ephemeral } = {}) {
    return this.#bus._ask({ do: "publish", topic: this.topic, data, type, ephemeral });
  }

  /** Tell those who are here now, and nobody later: "is typing". @param {string} type @param {any} [data] */
  signal(type, data = {}) {
    return this.publish(data, { type, ephemeral: true });
  }

  /** Go, and hear nothing more. */
  leave() {
    this.#gone = true;
    this.isJoined = false;
    this.#bus._leave(this);
  }

  /** @internal What a join asks for. */
  get _wants() {
    return { ...this.position, history: this.#history };
  }

  /** @internal */
  _down() {
    this.isJoined = false;
  }

  /** @internal */
  _left(why) {
    this.#gone = true;
    this.isJoined = false;
    this._tell("left", { why });
  }

  /** @internal */
  _joined({ epoch, offset, recovered, messages, members, can_publish }) {
    const before = this.position;
    const fresh = messages.filter((event) => !this.#told.has(event.offset));
    // Without a place to go on from, as where a channel keeps nothing, what was said meanwhile is lost.
    const isLost = recovered === false || (this.#been && !before);
    this.#been = this.isJoined = true;
    this.canPublish = can_publish;
    if (isLost) {
      const next = fresh.length ? number(fresh[0].offset) : number(offset) + 1;
      this.#lost(before && before.epoch === epoch ? next - number(before.offset) - 1 : null);
    }
    for (const event of fresh) this.#show(event);
    this.position = place(epoch, offset);
    if (members) this.#present(members, {});
    if (!this.#gone) this._tell("joined", { recovered, messages: fresh.length });
  }

  /** @internal */
  _event(event) {
    if (event.offset) {
      // Before the answer to our join this is nothing new: the answer will bring it in its place.
      if (!this.isJoined || this.#told.has(event.offset)) return;
      const last = this.position;
      const isSame = last?.epoch === event.epoch;
      const missed = number(event.offset) - 1 - (isSame ? number(last.offset) : 0);
      this.position = place(event.epoch, event.offset);
      // The server tells of gaps; this is one that it does not know of. A new epoch may begin with its first message.
      if (last && missed !== 0) this.#lost(isSame ? missed : null);
    }
    this.#show(event);
  }

  /** @internal */
  _gap({ epoch, offset, missed }) {
    this.position = place(epoch, offset);
    this.#lost(missed);
  }

  /** @internal */
  _interrupted() {
    if (!this.#gone) this._tell("interrupted", {});
  }

  #lost(missed) {
    if (!this.#gone) this._tell("gap", { missed: missed > 0 ? missed : null });
  }

  #show(event) {
    if (this.#gone) return;
    if (event.offset) {
      this.#told.add(event.offset);
      if (this.#told.size > REMEMBERED) this.#told.delete(this.#told.values().next().value);
    }
    const { member, members } = event.data ?? {};
    const others = this.members.filter(({ id }) => id !== member?.id);
    if (event.type === "bus.presence.joined") this.#present([...others, member], { joined: member });
    else if (event.type === "bus.presence.left") this.#present(others, { left: member });
    else if (event.type === "bus.presence.members") this.#present(members, {});
    else this._tell("message", event);
  }

  #present(members, change) {
    this.members = members;
    if (!this.#gone) this._tell("presence", { members, ...change });
  }
}

/** @returns {Position | null} */
function place(epoch, offset) {
  return epoch && offset ? { epoch, offset } : null;
}

/** Messages of an epoch are counted by one: "42-1839274" is the 42nd. @param {string | null} offset */
function number(offset) {
  return Number.parseInt(offset ?? "", 10);
}
