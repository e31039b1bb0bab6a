// Starts what needs a script; without it the page keeps its drawings and tables.

function link(view) {
  // An operation in a diagram or table, and the same operation on the time axis, point at each other.
  const places = document.querySelectorAll("[data-event]");
  const byOperation = new Map();
  for (const place of places) {
    const i = view.operations.byEvent(Number(place.dataset.event));
    if (i < 0) continue;
    if (!byOperation.has(i)) byOperation.set(i, []);
    byOperation.get(i).push(place);
    const point = () => view.point(view.operations.beginS(i), i), leave = () => view.point(null, -1);
    place.addEventListener("pointerenter", point);
    place.addEventListener("pointerleave", leave);
    place.addEventListener("focus", point);
    place.addEventListener("blur", leave);
    const open = () => { view.show(i); document.getElementById("time").scrollIntoView(); };
    place.addEventListener("dblclick", open);
    place.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
  }
  view.on((what) => {
    if (what !== "hover") return;
    for (const place of places) place.classList.remove("linked");
    for (const place of byOperation.get(view.hover) ?? []) place.classList.add("linked");
  });
}

function centre() {
  // What is wider than the window shows its culprit first; what is folded does so once it is opened.
  const look = (root) => {
    for (const scroll of root.querySelectorAll(".anomaly .scroll")) {
      const wrong = scroll.querySelector(".culprit:not(.swatch), .twice, .alarm");
      if (!wrong || scroll.scrollWidth <= scroll.clientWidth) continue;
      const box = wrong.querySelector("rect, code")?.getBoundingClientRect() ?? wrong.getBoundingClientRect();
      const room = scroll.getBoundingClientRect();
      scroll.scrollLeft += box.left - room.left - Math.max(8, (room.width - box.width) / 2);
    }
  };
  look(document);
  for (const fold of document.querySelectorAll(".anomaly details, details.anomaly")) fold.addEventListener("toggle", () => look(document));
}

function copying() {
  const command = document.getElementById("command");
  if (!command || !navigator.clipboard) return;
  const button = make("button", { type: "button", onclick: () => {
    navigator.clipboard.writeText(command.textContent).then(() => { button.textContent = "Copied"; }, () => getSelection().selectAllChildren(command));
  } }, "Copy");
  const place = make("div", { class: "command" });
  command.replaceWith(place);
  place.append(command, button);
}

async function start() {
  copying();
  centre();
  const packed = document.getElementById("packed");
  if (typeof DecompressionStream === "undefined" || packed.textContent === "") return;
  const operations = await unpack(packed.textContent);
  performance.mark("unpacked");
  if (operations.n === 0) return;
  packed.remove();
  const view = new View(operations);
  const live = document.getElementById("live"), browser = document.getElementById("browser");
  document.documentElement.classList.add("js");
  live.hidden = browser.hidden = false;
  globalThis.quorate = { view, timeline: new Timeline(view, live), browser: new Browser(view, browser) };
  link(view);
  document.documentElement.dataset.ready = "yes";
  performance.mark("ready");
}

start().catch((error) => {
  // A browser too old or a file cut short: the drawings and tables are still there.
  console.error(error);
  const notice = make("p", { class: "muted" }, `Operations cannot be browsed: ${error.message}`);
  document.getElementById("operations").append(notice);
});
