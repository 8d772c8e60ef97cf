// The board of orders: rendered by the server, kept up to date over Server-Sent Events. EventSource is the browser's own.

const KEPT = 8; // cards per column

const board = document.getElementById("board");
const connection = document.getElementById("connection");

function connect(url) {
  const events = new EventSource(url);
  events.onopen = () => tell("Live", "open");
  // Each message is {"topic": …, "event": a CloudEvent}.
  events.onmessage = (message) => show(JSON.parse(message.data).event.data);
  // Some are gone for good, and the server says so. The database has what they would have told.
  events.addEventListener("gap", () => location.reload());
  events.onerror = () => {
    // It comes back by itself and goes on where it was; only after an answer such as 503 it does not.
    tell("Connection lost, trying again …", "lost");
    if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  };
}

// An order may be told of twice, as its event is delivered at least once. To show it again changes nothing.
function show({ number, status, total, goods }) {
  const card = board.querySelector(`[data-number="${number}"]`) ?? document.getElementById("card").content.cloneNode(true).firstElementChild;
  const column = board.querySelector(`[data-status="${status}"]`);
  if (card.parentElement === column) return;
  card.remove();
  if (!column) return; // deleted or cancelled
  card.dataset.number = number;
  card.querySelector("strong").textContent = `#${number}`;
  card.querySelector(".total").textContent = total;
  card.querySelector("small").textContent = goods;
  card.classList.add("moved");
  column.prepend(card);
  while (column.children.length > KEPT) column.lastElementChild.remove();
}

function tell(text, state) {
  connection.textContent = text;
  connection.className = `pill ${state}`;
}

connect(board.dataset.events);
