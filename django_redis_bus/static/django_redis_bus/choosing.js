// A box that ticks all of a page, and how many are ticked. Without it every box still works.
"use strict";

function enhance(form) {
  const place = form.querySelector("[data-bus-tick-all]");
  const boxes = [...form.querySelectorAll('input[name="id"]')];
  const all = form.querySelector('input[name="all"]');
  if (place && !place.children.length && boxes.length && all) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.setAttribute("aria-label", place.dataset.busTickAll);
    place.append(box);
    const tell = () => {
      const ticked = boxes.filter((each) => each.checked).length;
      box.checked = ticked === boxes.length;
      box.indeterminate = ticked > 0 && ticked < boxes.length;
      for (const each of [box, ...boxes]) each.disabled = all.checked;
    };
    box.addEventListener("change", () => {
      for (const each of boxes) each.checked = box.checked;
      tell();
    });
    form.addEventListener("change", tell);
    tell(); // a browser keeps what was ticked when somebody goes back
  }
}

function enhanceAll() {
  for (const form of document.querySelectorAll("[data-bus-choosing]")) enhance(form);
}

document.addEventListener("bus:swapped", enhanceAll); // console.js has made the page anew
enhanceAll();
