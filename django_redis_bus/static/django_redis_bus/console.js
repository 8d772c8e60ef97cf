/* Console pages that say how often ask for themselves again, and swap what has changed.
   Everything works without this file. It asks nothing while nobody looks, while somebody types or has ticked something, or when told to pause. */
"use strict";

(() => {
  const live = document.getElementById("bus-live");
  const bar = document.querySelector(".bus-refresh");
  if (!live || !bar || !live.dataset.busRefresh) return;

  const everyMs = Number(live.dataset.busRefresh) * 1000;
  const button = document.getElementById("bus-pause");
  const state = document.getElementById("bus-state");
  const PATIENCE_MS = 20000;
  const inTrouble = Boolean(live.querySelector('.bus-trouble[role="alert"]'));
  let paused = false;
  let failed = false;
  let timer = 0;

  button.hidden = state.hidden = false;

  function typing() {
    const field = document.activeElement;
    return Boolean(field && field.closest("#content") && field.matches("input:not([type=submit]), select, textarea"));
  }

  // What is ticked is about to be acted on: a swap would lose it.
  function choosing() {
    return Boolean(live.querySelector("input:checked"));
  }

  function tell() {
    const word = paused ? "paused" : failed ? "failed" : choosing() ? "ticked" : typing() ? "waiting" : "live";
    bar.classList.toggle("bus-failed", word === "failed");
    if (state.textContent !== state.dataset[word]) state.textContent = state.dataset[word];
    button.textContent = paused ? button.dataset.off : button.dataset.on;
    button.setAttribute("aria-pressed", String(paused));
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(again, everyMs);
  }

  function mayAsk() {
    return !paused && !document.hidden && !typing() && !choosing() && document.getSelection().isCollapsed;
  }

  async function again() {
    if (mayAsk()) {
      try {
        const answer = await fetch(location.href, {
          headers: { Accept: "text/html" },
          credentials: "same-origin",
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById("bus-live");
        if (answer.ok && inTrouble && fresh) return location.reload();
        failed = !fresh || answer.ok === inTrouble;
        if (!failed && mayAsk()) swap(fresh);
      } catch {
        failed = true;
      }
    }
    tell();
    later();
  }

  // Where the keyboard is, by what stays the same when the page is made anew.
  function place(element) {
    if (!live.contains(element)) return null;
    if (element.id) return (root) => root.querySelector(`#${CSS.escape(element.id)}`);
    if (element.matches("summary")) {
      const { id } = element.parentElement;
      return (root) => id && root.querySelector(`#${CSS.escape(id)} > summary`);
    }
    const href = element.getAttribute("href");
    return (root) => [...root.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === href);
  }

  function swap(fresh) {
    const find = place(document.activeElement);
    const toggled = [...live.querySelectorAll("details[id]")].map((each) => [each.id, each.open]);
    const scrolled = [...live.querySelectorAll(".bus-scroll, .bus-data")].map((each) => [each.scrollLeft, each.scrollTop]);
    for (const kept of fresh.querySelectorAll("[data-bus-keep]")) keep(kept);
    const { scrollX, scrollY } = window;
    const known = new Set([...live.querySelectorAll("[data-bus-new]")].map((each) => each.id));
    live.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
    for (const [id, open] of toggled) {
      const details = document.getElementById(id);
      if (details) details.open = open;
    }
    live.querySelectorAll(".bus-scroll, .bus-data").forEach((each, at) => {
      if (scrolled[at]) [each.scrollLeft, each.scrollTop] = scrolled[at];
    });
    for (const each of live.querySelectorAll("[data-bus-new]")) {
      if (!known.has(each.id)) each.classList.add("bus-fresh");
    }
    document.dispatchEvent(new Event("bus:swapped"));
    find?.(live)?.focus({ preventScroll: true });
    window.scrollTo(scrollX, scrollY);
  }

  // A list to which each answer adds: what is there already goes below what is new.
  function keep(list) {
    const old = document.getElementById(list.id);
    if (!old) return;
    const most = Number(list.dataset.busKeep);
    const room = Math.max(most - list.children.length, 0);
    for (const each of [...old.children].slice(0, room)) list.append(document.importNode(each, true));
    if (!list.children.length) list.replaceChildren();
  }

  button.addEventListener("click", () => {
    paused = !paused;
    tell();
    if (!paused) again();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) later();
  });
  live.addEventListener("change", () => setTimeout(tell));
  document.addEventListener("focusin", tell);
  document.addEventListener("focusout", () => setTimeout(tell));
  tell();
  later();
})();
