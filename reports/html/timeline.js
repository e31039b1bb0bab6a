// One canvas with every panel over one time axis, and a second one above it for what follows the pointer.

const LEFT = 92, RIGHT = 12, LANE = 19, LATENCY = 250, RATE = 74, NODE = 16;

function tick(power) {
  const [unit, least] = power < -3 ? ["µs", -6] : power < 0 ? ["ms", -3] : ["s", 0];
  return `${10 ** (power - least)} ${unit}`;
}

class Timeline {
  constructor(view, place) {
    this.view = view;
    this.o = view.operations;
    this.about = this.o.about;
    this.nodes = Object.keys(this.about.buckets.nodes).sort();
    this.kinds = [...new Set(this.about.faults.map((fault) => fault.fault))];
    this.peak = this.shown = this.cut = 0;
    this.layOut();
    this.base = make("canvas", { "aria-hidden": "true" });
    this.over = make("canvas", { class: "over", tabindex: "0", role: "application", "aria-label":
      "Operations over time. Arrow keys move, plus and minus zoom, 0 shows everything, n and p go from operation to operation, Enter picks." });
    this.tip = make("div", { id: "tip", hidden: true, role: "status" });
    this.stage = make("div", { class: "stage" }, this.base, this.over, this.tip);
    place.append(this.tools(), this.stage);
    view.on((what) => this.changed(what));
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.stage);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  layOut() {
    let y = 4;
    const panel = (height) => { const top = y; y += height; return { top, height }; };
    this.panels = { anomalies: panel(this.view.culprits.size ? LANE : 0), faults: panel(this.kinds.length * LANE), leader: panel(this.about.leaders.length ? LANE : 0) };
    y += 18; this.panels.latency = panel(LATENCY);
    y += 14; this.panels.rate = panel(RATE);
    y += 12; this.panels.nodes = panel(this.nodes.length * NODE);
    y += this.about.lines.length ? 10 : 0;
    this.logs = [...new Set(this.about.lines.map((line) => line[1]))].sort();
    this.panels.logs = panel(this.logs.length * NODE);
    this.panels.axis = panel(26);
    this.height = y;
  }

  tools() {
    const button = (label, words, act) => make("button", { type: "button", "aria-label": words, title: words, onclick: act }, label);
    this.range = make("span", { class: "muted", role: "status" });
    const lanes = make("button", { type: "button", "aria-pressed": "false", id: "lanes", onclick: () => {
      this.view.lanes = !this.view.lanes;
      lanes.setAttribute("aria-pressed", String(this.view.lanes));
      lanes.textContent = this.view.lanes ? "Show latency" : "Show processes";
      this.draw();
    } }, "Show processes");
    return make("div", { class: "tools" },
      make("span", { class: "group", role: "group", "aria-label": "Stretch of time" },
        button("◀", "Earlier", () => this.view.pan(-0.3)), button("−", "Zoom out", () => this.view.scale(2)), button("+", "Zoom in", () => this.view.scale(0.5)),
        button("▶", "Later", () => this.view.pan(0.3)), button("All", "Show the whole run", () => this.view.reset())), lanes,
      this.about.culprits.length ? button("Go to the anomaly", "Zoom to the operation that could not have happened",
        () => this.view.show([...this.view.culprits][0] ?? 0)) : "",
      this.range, make("span", { class: "muted end" }, "Drag to zoom · double-click: all · Ctrl and wheel · keys ← → + − 0 n p"));
  }

  x(seconds) { return LEFT + (seconds - this.view.from) / (this.view.to - this.view.from) * (this.width - LEFT - RIGHT); }
  at(x) { return this.view.from + (x - LEFT) / (this.width - LEFT - RIGHT) * (this.view.to - this.view.from); }

  // Latency in powers of ten; what never returned lies on the upper edge.
  y(i) {
    const { top, height } = this.panels.latency;
    if (this.view.lanes) return top + ((this.rank.get(this.o.process[i]) ?? 0) + 0.5) * this.lane;
    const took = this.o.tookS(i);
    if (took === null) return top + 4;
    return top + 10 + (height - 10) * (this.high - Math.log10(Math.max(took, 1e-6))) / (this.high - this.low);
  }

  changed(what) {
    if (what === "hover" || what === "pick") this.drawOver();
    else this.draw();
  }

  size(canvas) {
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(this.width * ratio);
    canvas.height = Math.round(this.height * ratio);
    canvas.style.height = `${this.height}px`;
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    return pen;
  }

  draw() {
    this.width = this.stage.clientWidth;
    if (this.width < 200) return;
    const style = getComputedStyle(document.documentElement);
    this.colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const pen = this.size(this.base);
    pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    this.choose();
    this.drawBands(pen);
    this.drawAnomalies(pen);
    this.drawGrid(pen);
    this.drawRate(pen);
    this.drawNodes(pen);
    this.drawPoints(pen);
    this.drawLabels(pen);
    const view = this.view, whole = view.to - view.from >= view.end * 0.999;
    this.range.textContent = whole ? `the whole run, ${lasting(view.end)}`
      : `${view.from.toFixed(4)} s to ${view.to.toFixed(4)} s: ${this.seen.toLocaleString("en")} operations`;
    this.drawOver();
  }

  // Which operations are in sight, and the latency scale that holds them all.
  choose() {
    const o = this.o, view = this.view;
    this.first = o.from(view.from - o.longest / 1e6);
    this.last = o.from(view.to);
    this.seen = 0;
    let least = Infinity, most = 0;
    const processes = new Set();
    for (let i = this.first; i < this.last; i++) {
      if (!view.mask[i]) continue;
      if ((o.begin[i] + o.took[i]) / 1e6 < view.from) continue;
      this.seen++;
      if (o.took[i] > 1) { if (o.took[i] < least) least = o.took[i]; if (o.took[i] > most) most = o.took[i]; }
      processes.add(o.process[i]);
    }
    this.low = Math.floor(Math.log10(Math.max(least - 1, 1) / 1e6));
    this.high = Math.max(this.low + 1, Math.ceil(Math.log10(Math.max(most, 2) / 1e6)));
    if (!Number.isFinite(this.low)) { this.low = -4; this.high = 0; }
    this.rank = new Map([...processes].sort((a, b) => a - b).map((process, rank) => [process, rank]));
    this.lane = Math.min(24, this.panels.latency.height / Math.max(1, this.rank.size));
  }

  drawBands(pen) {
    const { faults, leader } = this.panels;
    for (const fault of this.about.faults) {
      const x = Math.max(LEFT, this.x(fault.from)), until = Math.min(this.width - RIGHT, this.x(fault.to));
      if (until <= LEFT || x >= this.width - RIGHT) continue;
      pen.fillStyle = this.colour("band");
      pen.fillRect(x, faults.top, until - x, this.panels.axis.top - faults.top);
      const y = faults.top + this.kinds.indexOf(fault.fault) * LANE;
      if (fault.holds) {
        const since = Math.min(until, Math.max(x, this.x(fault.proved ?? fault.from)));
        pen.fillStyle = this.colour("fault");
        pen.globalAlpha = 0.45; // paler until it was proved
        pen.fillRect(x, y + 1, since - x, LANE - 4);
        pen.globalAlpha = 1;
        pen.fillRect(since, y + 1, until - since, LANE - 4);
      }
      else { pen.strokeStyle = this.colour("fail"); pen.setLineDash([3, 2]); pen.strokeRect(x + 0.5, y + 1.5, until - x, LANE - 5); pen.setLineDash([]); }
      this.inside(pen, `${fault.nodes.join(", ")}${fault.holds ? "" : " (not proved)"}`, x, until, y + 13, fault.holds ? "fault-ink" : "ink");
    }
    this.about.leaders.forEach((item, i) => {
      const next = this.about.leaders[i + 1];
      const x = Math.max(LEFT, this.x(item.time)), until = Math.min(this.width - RIGHT, this.x(next ? next.time : this.view.end));
      if (until <= x || !item.node) return;
      pen.fillStyle = this.colour("leader");
      pen.fillRect(x, leader.top + 1, until - x - 2, LANE - 4);
      this.inside(pen, item.node + (item.term === null ? "" : ` · term ${item.term}`), x, until, leader.top + 13, "leader-ink");
    });
  }

  // A flag for each impossible operation, and a line down through every panel.
  drawAnomalies(pen) {
    const { anomalies, axis } = this.panels;
    pen.strokeStyle = pen.fillStyle = this.colour("culprit");
    for (const i of this.view.culprits) {
      if (i < 0) continue;
      const x = this.x(this.o.beginS(i));
      if (x < LEFT || x > this.width - RIGHT) continue;
      pen.globalAlpha = 0.35;
      pen.beginPath(); pen.moveTo(x, anomalies.top + LANE - 4); pen.lineTo(x, axis.top); pen.stroke();
      pen.globalAlpha = 1;
      pen.beginPath(); pen.moveTo(x, anomalies.top + LANE - 3); pen.lineTo(x - 5, anomalies.top + 4); pen.lineTo(x + 5, anomalies.top + 4); pen.fill();
    }
  }

  inside(pen, words, x, until, y, colour) {
    while (words && pen.measureText(words).width > until - x - 8) words = words.slice(0, -1);
    pen.fillStyle = this.colour(colour);
    pen.textAlign = "left";
    pen.fillText(words, x + 4, y);
  }

  drawGrid(pen) {
    const { latency, axis } = this.panels;
    pen.strokeStyle = this.colour("grid");
    pen.fillStyle = this.colour("muted");
    pen.textAlign = "right";
    const rule = (x1, y1, x2, y2) => { pen.beginPath(); pen.moveTo(x1, y1); pen.lineTo(x2, y2); pen.stroke(); };
    if (this.view.lanes) {
      for (const [process, rank] of this.rank) {
        const y = latency.top + (rank + 0.5) * this.lane;
        if (this.lane >= 10) { rule(LEFT, y, this.width - RIGHT, y); pen.fillText(`p${process}`, LEFT - 8, y + 4); }
      }
    } else {
      for (let power = this.low; power <= this.high; power++) {
        const y = latency.top + 10 + (latency.height - 10) * (this.high - power) / (this.high - this.low);
        rule(LEFT, y, this.width - RIGHT, y);
        pen.fillText(tick(power), LEFT - 8, y + 4);
      }
    }
    const raw = (this.view.to - this.view.from) / Math.max(2, (this.width - LEFT) / 130);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * ([1, 2, 5, 10].find((factor) => power * factor >= raw) ?? 10);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    pen.textAlign = "center";
    for (let k = Math.ceil(this.view.from / step); k * step <= this.view.to; k++) {
      const x = this.x(k * step);
      rule(x, latency.top, x, axis.top + 5);
      pen.fillText(`${(k * step).toFixed(digits)} s`, x, axis.top + 18);
    }
  }

  // Counted from the operations themselves, so that it stays true at every zoom.
  drawRate(pen) {
    const o = this.o, { top, height } = this.panels.rate, columns = Math.max(20, Math.floor((this.width - LEFT - RIGHT) / 4));
    const counts = OUTCOMES.map(() => new Float64Array(columns));
    const span = this.view.to - this.view.from;
    for (let i = this.first; i < this.last; i++) {
      if (!this.view.mask[i]) continue;
      const at = Math.floor(((o.endS(i) ?? o.beginS(i)) - this.view.from) / span * columns);
      if (at >= 0 && at < columns) counts[o.outcome[i]][at]++;
    }
    const sums = Float64Array.from({ length: columns }, (_, c) => counts[0][c] + counts[1][c] + counts[2][c]);
    let most = sums.reduce((one, other) => Math.max(one, other), 0);
    this.peak = most / (span / columns);
    if (!most) return;
    // What waited for a leader comes back in one burst; it may be cut off, so that the rest can be seen. Cuts are marked.
    const usual = sums.filter((sum) => sum > 0).sort();
    const high = usual[Math.floor(usual.length * 0.97)] * 1.6;
    this.cut = most > high * 1.5 ? high : 0;
    if (this.cut) most = this.cut;
    const wide = (this.width - LEFT - RIGHT) / columns;
    for (let c = 0; c < columns; c++) {
      let y = top + height;
      OUTCOMES.forEach((name, outcome) => {
        const tall = Math.min(counts[outcome][c] / most * height, y - top);
        pen.fillStyle = this.colour(name);
        pen.fillRect(Math.floor(LEFT + c * wide), y - tall, Math.ceil(wide), tall);
        y -= tall;
      });
      if (!this.cut || sums[c] <= most) continue;
      const x = LEFT + (c + 0.5) * wide;
      pen.fillStyle = this.colour("ink");
      pen.beginPath(); pen.moveTo(x, top - 7); pen.lineTo(x - 4, top - 2); pen.lineTo(x + 4, top - 2); pen.fill();
    }
    this.shown = most / (span / columns);
  }

  drawNodes(pen) {
    const { nodes, logs } = this.panels, wide = this.about.buckets.width;
    const clip = (from, to) => [Math.max(LEFT, this.x(from)), Math.min(this.width - RIGHT, this.x(to))];
    const shades = ["s0", "s1", "s2", "s3", "s4"].map((name) => this.colour(name));
    this.nodes.forEach((node, row) => {
      const levels = this.about.buckets.nodes[node].map((share) => (share === null ? -1 : Math.floor(share * 4)));
      for (let from = 0, to = 1; from < levels.length; from = to++) {
        while (to < levels.length && levels[to] === levels[from]) to++;
        const [x, until] = clip(from * wide, to * wide);
        if (levels[from] < 0 || until <= x) continue;
        pen.fillStyle = shades[levels[from]];
        pen.fillRect(x, nodes.top + row * NODE + 2, until - x, NODE - 5);
      }
    });
    const colours = ["muted", "muted", "unknown", "invalid"].map((name) => this.colour(name));
    for (const level of [0, 1, 2, 3]) {
      pen.fillStyle = colours[level];
      for (const line of this.about.lines) {
        if (line[2] !== level || line[0] < this.view.from || line[0] > this.view.to) continue;
        const tall = level < 2 ? 6 : 11;
        pen.fillRect(this.x(line[0]) - 0.5, logs.top + this.logs.indexOf(line[1]) * NODE + (13 - tall) / 2 + 1, level < 2 ? 1 : 2, tall);
      }
    }
  }

  drawPoints(pen) {
    const few = this.seen <= 4000;
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, this.panels.latency.top - 2, this.width - LEFT - RIGHT, this.panels.latency.height + 6);
    pen.clip();
    for (let outcome = 0; outcome < 3; outcome++) {
      pen.fillStyle = pen.strokeStyle = this.colour(OUTCOMES[outcome]);
      if (few) this.drawFew(pen, outcome); else this.drawMany(pen, outcome);
    }
    // From afar the impossible ones alone are ringed; near enough to separate them, what they contradict as well.
    for (const i of this.seen > 2000 ? this.view.culprits : this.view.marked) {
      if (this.view.mask[i] && i >= this.first && i < this.last) this.ring(pen, i, this.view.culprits.has(i) ? "culprit" : "ink");
    }
    pen.restore();
  }

  // A pixel is painted once, however many operations fall on it.
  drawMany(pen, outcome) {
    const o = this.o, mask = this.view.mask, side = this.seen > 60000 ? 1.5 : 2.5;
    const columns = Math.ceil(this.width), taken = new Uint8Array(columns * this.height);
    for (let i = this.first; i < this.last; i++) {
      if (o.outcome[i] !== outcome || !mask[i]) continue;
      const x = this.x(o.begin[i] / 1e6), y = this.y(i);
      if (x < LEFT) continue;
      const cell = Math.floor(y) * columns + Math.floor(x);
      if (taken[cell]) continue;
      taken[cell] = 1;
      pen.fillRect(x - side / 2, y - side / 2, side, side);
    }
  }

  // Few enough to show each with its length: a mark where it began, a line to where it ended.
  drawFew(pen, outcome) {
    const o = this.o, size = this.seen < 400 ? 4 : 2.8;
    const thick = this.view.lanes ? Math.max(2, this.lane - 5) : this.seen < 400 ? 2.5 : 1;
    for (let i = this.first; i < this.last; i++) {
      if (o.outcome[i] !== outcome || !this.view.mask[i]) continue;
      const x = this.x(o.beginS(i)), y = this.y(i), until = this.x(o.endS(i) ?? this.view.end);
      pen.globalAlpha = 0.4;
      pen.fillRect(x, y - thick / 2, Math.max(1, until - x), thick);
      pen.globalAlpha = 1;
      if (this.view.lanes && until - x > 40 && this.lane >= 12) this.inside(pen, o.words(i), x + 5, until, y + 4, "ink");
      pen.fillStyle = this.colour(OUTCOMES[outcome]);
      pen.beginPath();
      if (outcome === 0) pen.arc(x, y, size * 0.7, 0, 7);
      else if (outcome === 1) { pen.lineWidth = 1.6; pen.moveTo(x - size, y - size); pen.lineTo(x + size, y + size); pen.moveTo(x + size, y - size); pen.lineTo(x - size, y + size); pen.stroke(); pen.lineWidth = 1; }
      else { pen.moveTo(x, y - size * 1.2); pen.lineTo(x + size * 1.1, y + size * 0.9); pen.lineTo(x - size * 1.1, y + size * 0.9); }
      pen.fill();
    }
  }

  ring(pen, i, colour) {
    const x = this.x(this.o.beginS(i)), y = this.y(i);
    pen.strokeStyle = this.colour(colour);
    pen.lineWidth = 2;
    pen.beginPath(); pen.arc(x, y, 7, 0, 7); pen.stroke();
    pen.lineWidth = 1;
  }

  drawLabels(pen) {
    pen.fillStyle = this.colour("ink");
    pen.textAlign = "right";
    const { anomalies, faults, leader, latency, rate, nodes, logs } = this.panels;
    const label = (words, y) => pen.fillText(words.length > 13 ? `${words.slice(0, 12)}…` : words, LEFT - 8, y);
    if (anomalies.height) label(this.view.culprits.size === 1 ? "anomaly" : "anomalies", anomalies.top + 13);
    this.kinds.forEach((kind, row) => label(kind, faults.top + row * LANE + 13));
    if (this.about.leaders.length) label("leader", leader.top + 13);
    this.nodes.forEach((node, row) => label(`${node} served`, nodes.top + row * NODE + 11));
    this.logs.forEach((node, row) => label(`${node} log`, logs.top + row * NODE + 11));
    label("rate", rate.top + 10);
    if (!this.view.lanes) label("latency", latency.top - 5);
    pen.fillStyle = this.colour("muted");
    const each = (number) => `${number >= 10 ? number.toFixed(0) : number.toFixed(1)}/s`;
    label(this.peak ? each(this.shown) : "", rate.top + 24);
    if (this.cut) label(`▲ ${each(this.peak)}`, rate.top + 38);
  }

  drawOver() {
    if (!this.colour) return;
    const pen = this.size(this.over), view = this.view;
    if (this.drag) {
      pen.fillStyle = this.colour("focus");
      pen.globalAlpha = 0.18;
      pen.fillRect(Math.min(this.drag.x, this.drag.to), 0, Math.abs(this.drag.to - this.drag.x), this.height);
      pen.globalAlpha = 1;
    }
    for (const i of [view.picked, view.hover]) if (i >= 0 && view.mask[i] && i >= this.first && i < this.last) this.ring(pen, i, "focus");
    if (view.time === null) { this.tip.hidden = true; return; }
    const x = this.x(view.time);
    if (x < LEFT || x > this.width - RIGHT) { this.tip.hidden = true; return; }
    pen.strokeStyle = this.colour("muted");
    pen.setLineDash([4, 3]);
    pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, this.panels.axis.top); pen.stroke();
    pen.setLineDash([]);
    this.explain(x);
  }

  explain(x) {
    const view = this.view, o = this.o, i = view.hover, lines = [];
    const line = (cls, ...words) => lines.push(make("p", { class: cls }, ...words));
    if (i >= 0) {
      line("", make("b", {}, o.words(i).slice(0, 200)));
      line("", `p${o.process[i]} on ${o.nodes[o.node[i]] || "?"} · ${OUTCOMES[o.outcome[i]]} · ${lasting(o.tookS(i))}`);
      if (o.errorOf(i)) line("", o.errorOf(i));
      if (view.culprits.has(i)) line("alarm", "✗ could not have happened");
    }
    line("muted", `at ${view.time.toFixed(4)} s`);
    for (const fault of view.faultsAt(view.time)) line("", `${fault.fault} on ${fault.nodes.join(", ")}: ${fault.proof}`);
    const leader = view.leaderAt(view.time);
    if (leader && leader.node) line("", `leader ${leader.node}${leader.term === null ? "" : `, term ${leader.term}`}`);
    const within = (view.to - view.from) / (this.width - LEFT) * 6;
    for (const found of view.linesNear(view.time, within, 3)) line("log", `${found[1]}: ${found[3]}`);
    this.tip.replaceChildren(...lines);
    this.tip.hidden = false;
    const wide = this.tip.offsetWidth, right = x + 16 + wide < this.width;
    this.tip.style.left = `${right ? x + 14 : Math.max(0, x - wide - 14)}px`;
    this.tip.style.top = `${this.panels.latency.top + 6}px`;
  }

  nearest(x, y) {
    const o = this.o, { latency } = this.panels, reach = 14;
    if (y < latency.top - 4 || y > latency.top + latency.height + 4) return -1;
    const bars = this.seen <= 4000;
    const from = bars ? this.first : o.from(this.at(x - reach)), to = o.from(this.at(x + reach));
    let best = -1, least = reach * reach;
    for (let i = from; i < to; i++) {
      if (!this.view.mask[i]) continue;
      const begin = this.x(o.beginS(i)), until = bars ? this.x(o.endS(i) ?? this.view.end) : begin;
      const dx = x < begin ? begin - x : x > until ? x - until : (x - begin) * 0.01, dy = this.y(i) - y;
      const distance = dx * dx + dy * dy;
      if (distance < least) { least = distance; best = i; }
    }
    return best;
  }

  listen() {
    const over = this.over, view = this.view, place = (event) => { const box = over.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    over.addEventListener("pointerdown", (event) => { const [x] = place(event); if (event.button === 0 && x >= LEFT) { this.drag = { x, to: x }; over.setPointerCapture(event.pointerId); } });
    over.addEventListener("pointermove", (event) => {
      const [x, y] = place(event);
      if (this.drag) { this.drag.to = Math.max(LEFT, Math.min(x, this.width - RIGHT)); this.drawOver(); return; }
      if (x < LEFT || x > this.width - RIGHT) { view.point(null, -1); return; }
      view.point(this.at(x), this.nearest(x, y));
    });
    over.addEventListener("pointerup", (event) => {
      const drag = this.drag, [x, y] = place(event);
      this.drag = null;
      if (!drag) return;
      if (Math.abs(drag.to - drag.x) > 5) view.zoom(this.at(Math.min(drag.x, drag.to)), this.at(Math.max(drag.x, drag.to)));
      else { const found = this.nearest(x, y); if (found >= 0) view.pick(found); }
    });
    over.addEventListener("pointercancel", () => { this.drag = null; this.drawOver(); });
    over.addEventListener("pointerleave", () => { if (!this.drag) view.point(null, -1); });
    over.addEventListener("dblclick", () => view.reset());
    over.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) return;
      event.preventDefault();
      view.scale(event.deltaY > 0 ? 1.25 : 0.8, this.at(place(event)[0]));
    }, { passive: false });
    over.addEventListener("keydown", (event) => {
      const step = (way) => {
        let i = view.hover >= 0 ? view.hover + way : way > 0 ? this.first : this.last - 1;
        while (i >= 0 && i < this.o.n && !view.mask[i]) i += way;
        if (i < 0 || i >= this.o.n) return;
        const begin = this.o.beginS(i);
        if (begin < view.from || begin > view.to) view.zoom(begin - (view.to - view.from) / 2, begin + (view.to - view.from) / 2);
        view.point(begin, i);
      };
      const acts = { ArrowLeft: () => view.pan(-0.15), ArrowRight: () => view.pan(0.15), "+": () => view.scale(0.5, view.time ?? undefined), "=": () => view.scale(0.5, view.time ?? undefined),
        "-": () => view.scale(2), 0: () => view.reset(), n: () => step(1), p: () => step(-1), Enter: () => { if (view.hover >= 0) view.pick(view.hover); }, Escape: () => view.point(null, -1) };
      const act = event.ctrlKey || event.metaKey ? undefined : acts[event.key];
      if (act) { event.preventDefault(); act(); }
    });
  }
}
