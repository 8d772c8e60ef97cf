// One room of the chat. The bus client keeps the connection, comes back by itself, and knows what was missed; this page shows it.

import { connect } from "../django_redis_bus/bus.js";

const SAID = "chat.said";
const TYPING = "chat.typing";
const TYPING_MS = 3000; // shown for so long, and told again a little earlier

const { topic, me } = document.getElementById("chat").dataset;
const [messages, people, typing, connection, now, newer, say, text] =
  ["messages", "people", "typing", "connection", "now", "newer", "say", "text"].map((id) => document.getElementById(id));

const bus = connect();
const room = bus.join(topic, { history: 50 });

// On a phone who is here is one line, until somebody unfolds it.
people.parentElement.open = !matchMedia("(max-width: 52rem)").matches;

// --- what comes

room.onmessage = (event) => {
  if (event.type === TYPING) return showTyping(event);
  if (event.type !== SAID && !event.foreign) return;
  stillTyping.delete(event.authorid);
  tellTyping();
  show(event);
};

// Messages that nobody can bring back. The page says so where they would have been.
room.ongap = ({ missed }) => mark(missed ? `You missed ${missed.toLocaleString()} message${missed === 1 ? "" : "s"} here` : "Messages are missing here", "gap");

room.onpresence = () => {
  const names = room.members.map((member) => (member.id === me ? `${member.name} (you)` : member.name)).sort();
  people.replaceChildren(...names.map((name) => Object.assign(document.createElement("li"), { textContent: name })));
  document.getElementById("count").textContent = names.length;
};

// After these codes the client does not try again.
const ENDS = {
  4401: "Signed out. Reload the page to come back.",
  4403: "This address is not one that the server accepts.",
  4404: "The server has no chat at this address.",
};

bus.onstate = ({ state, seconds, code, reason }) => {
  if (state === "waiting") tell(`Offline, next try in ${seconds} s`, "lost");
  else if (state === "closed") tell(ENDS[code] ?? `Closed: ${reason || code}. Reload the page to try again.`, "lost");
  else tell("Connecting …");
  now.hidden = state !== "waiting";
};
room.onjoined = () => tell("Connected", "open");
room.onerror = () => tell("Waiting for Redis …", "lost"); // it is joined as soon as that can be
room.onleft = ({ why }) => tell(`You may not be here (${why})`, "lost");

function tell(words, kind = "") {
  connection.textContent = words;
  connection.className = `pill ${kind}`;
}

now.onclick = () => bus.reconnect();

// --- what is said here

say.onsubmit = (submitted) => {
  submitted.preventDefault();
  const said = text.value.trim();
  if (!said) return;
  text.value = "";
  publish(said);
};

async function publish(said) {
  try {
    await room.publish({ text: said }, { type: SAID });
  } catch (error) {
    showFailed(said, error);
  }
}

text.onkeydown = (key) => {
  if (key.key !== "Enter" || key.shiftKey || key.isComposing) return;
  key.preventDefault();
  say.requestSubmit();
};

let toldTyping = 0;
text.oninput = () => {
  if (Date.now() - toldTyping < TYPING_MS * 0.8) return;
  toldTyping = Date.now();
  room.signal(TYPING, {}).catch(() => {}); // nobody misses it
};

// --- the list of messages

function show(event) {
  const item = clone("message");
  const last = messages.lastElementChild;
  const time = new Date(Number.isNaN(Date.parse(event.time)) ? Date.now() : event.time); // by hand, anything may be published
  const day = time.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" });
  if (messages.dataset.day !== day) mark((messages.dataset.day = day));
  const own = event.authorid === me;
  const author = event.authorname ?? "From outside"; // published by hand, by redis-cli say
  item.classList.toggle("own", own);
  item.classList.toggle("more", last === messages.lastElementChild && last?.dataset.author === author);
  item.dataset.author = author;
  item.querySelector(".author").textContent = author;
  item.querySelector(".author").classList.add(`hue${[...author].reduce((sum, c) => sum + c.codePointAt(0), 0) % 6}`);
  item.querySelector(".text").textContent = event.data?.text ?? (typeof event.data === "string" ? event.data : JSON.stringify(event.data));
  item.querySelector("time").textContent = time.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  item.querySelector("time").dateTime = time.toISOString();
  append(item, own);
}

function showFailed(said, error) {
  const item = clone("message");
  item.classList.add("own", "failed");
  item.querySelector(".text").textContent = said;
  const again = Object.assign(document.createElement("button"), { className: "again", type: "button" });
  // Redis, or the connection, was lost before the answer: if it was sent, it will appear as well.
  const doubt = ["unknown", "lost"].includes(error.code) ? "Perhaps not sent" : "Not sent";
  again.textContent = `${doubt}: ${error.message} Try again`;
  again.onclick = () => {
    item.remove();
    publish(said);
  };
  item.append(again);
  append(item, true);
}

function mark(words, kind = "day") {
  const item = clone("marker");
  item.classList.add(kind);
  item.textContent = words;
  append(item);
}

function append(item, own = false) {
  const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80;
  messages.append(item);
  if (own || atEnd) messages.scrollTop = messages.scrollHeight;
  newer.hidden = own || atEnd;
}

newer.onclick = () => (messages.scrollTop = messages.scrollHeight);
messages.onscroll = () => (newer.hidden ||= messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80);

function clone(id) {
  return document.getElementById(id).content.cloneNode(true).firstElementChild;
}

// --- who is typing

const stillTyping = new Map(); // id -> name

function showTyping({ authorid, authorname }) {
  if (authorid === me) return;
  clearTimeout(stillTyping.get(authorid)?.timer);
  const timer = setTimeout(() => (stillTyping.delete(authorid), tellTyping()), TYPING_MS);
  stillTyping.set(authorid, { name: authorname, timer });
  tellTyping();
}

function tellTyping() {
  const names = [...stillTyping.values()].map(({ name }) => name);
  typing.textContent = names.length ? `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing …` : "";
}
