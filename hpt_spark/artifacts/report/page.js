"use strict";
// The table of candidates, shown a few rows at a time, and the notes at what is pointed at. Texts become text nodes only.
(() => {
  const AT_ONCE = 60;
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, text, className) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  const note = make("div", undefined, "tip");
  note.setAttribute("role", "presentation");
  note.hidden = true;
  document.body.append(note);
  document.addEventListener("pointerover", (event) => {
    const told = event.target.closest("[data-tip]");
    note.hidden = !told;
    if (told) note.textContent = told.getAttribute("data-tip");
  });
  document.addEventListener("pointermove", (event) => {
    if (note.hidden) return;
    const right = event.clientX + note.offsetWidth + 24 > innerWidth;
    note.style.left = `${Math.max(4, event.clientX + (right ? -note.offsetWidth - 12 : 14))}px`;
    note.style.top = `${Math.min(innerHeight - note.offsetHeight - 4, event.clientY + 14)}px`;
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));

  const block = document.getElementById("candidates-data");
  if (!block) return;
  const { columns, rows, numbers, best, within, range } = JSON.parse(block.textContent);
  const body = document.getElementById("rows");
  const box = body.closest(".scroll");
  const heads = [...box.querySelectorAll("thead th")];
  const input = document.getElementById("filter");
  const output = document.getElementById("shown");
  const close = new Set(within);
  const every = rows.map((_, at) => at);
  let order = every;
  let shown = 0;

  const place = (score) => (range[1] > range[0] ? 4 + (92 * (score - range[0])) / (range[1] - range[0]) : 50);
  const strip = (folds, mean) => {
    const svg = document.createElementNS(SVG, "svg");
    const known = folds.filter((score) => score !== null);
    svg.setAttribute("class", "strip");
    svg.setAttribute("viewBox", "0 0 100 16");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", known.length ? `folds: ${known.join(", ")}` : "no fold has a score");
    const dot = (score, radius, name) => {
      const circle = document.createElementNS(SVG, "circle");
      for (const [key, value] of Object.entries({ cx: place(score), cy: 8, r: radius, class: name })) circle.setAttribute(key, value);
      svg.append(circle);
    };
    known.forEach((score) => dot(score, 2, "fold"));
    if (mean !== null) dot(mean, 3.6, "mean");
    return svg;
  };
  const meanAt = columns.findIndex((column) => column.name === "mean" && column.kind === "number");
  const said = (value, column) => {
    if (value === null) return "–";
    if (column.kind !== "number") return value;
    if (column.name === "mean" || column.name === "std") return value.toFixed(5);
    return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
  };
  const rowOf = (at) => {
    const line = make("tr");
    if (numbers[at] === best) line.className = "is-best";
    else if (close.has(numbers[at])) line.className = "is-within";
    columns.forEach((column, which) => {
      const value = rows[at][which];
      const cell = make(which ? "td" : "th", column.kind === "folds" ? undefined : said(value, column), column.kind === "number" ? "number" : "");
      if (!which) cell.scope = "row";
      if (!which && numbers[at] === best) cell.append(make("span", "best", "tag"));
      if (column.kind === "folds") cell.append(strip(value, rows[at][meanAt]));
      line.append(cell);
    });
    return line;
  };
  const more = (count) => {
    const lines = document.createDocumentFragment();
    for (const at of order.slice(shown, shown + count)) lines.append(rowOf(at));
    shown = Math.min(order.length, shown + count);
    body.append(lines);
  };
  const anew = () => {
    body.replaceChildren();
    shown = 0;
    more(AT_ONCE);
    box.scrollTop = 0;
  };
  box.addEventListener("scroll", () => {
    if (shown < order.length && box.scrollTop + box.clientHeight > box.scrollHeight - 600) more(AT_ONCE);
  });
  addEventListener("beforeprint", () => more(300));

  let sorted = { which: 0, way: 1 };
  const compare = (one, two) => {
    const [a, b] = [rows[one][sorted.which], rows[two][sorted.which]];
    if (a === null || b === null) return (a === null) - (b === null); // what is absent comes last either way
    return sorted.way * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  };
  const texts = rows.map((row) => row.map((value, which) => (columns[which].kind === "folds" ? "" : said(value, columns[which]))).join(" ").toLowerCase());
  const CONDITION = /^(.+?)(<=|>=|!=|=|<|>)(.*)$/;
  const test = (word) => {
    const parts = CONDITION.exec(word);
    const which = parts ? columns.findIndex((column) => column.name.toLowerCase() === parts[1] && column.kind !== "folds") : -1;
    if (which < 0) return (at) => texts[at].includes(word);
    const wanted = parts[3];
    const number = Number(wanted);
    return (at) => {
      const value = rows[at][which];
      const both = typeof value === "number" && wanted !== "" && !Number.isNaN(number);
      const text = String(said(value, columns[which])).toLowerCase();
      const [a, b] = both ? [value, number] : [text, wanted];
      switch (parts[2]) {
        case "=": return a === b || text === wanted; // a number as it is shown, too
        case "!=": return a !== b && text !== wanted;
        case "<": return both && a < b;
        case ">": return both && a > b;
        case "<=": return both && a <= b;
        default: return both && a >= b;
      }
    };
  };
  const choose = () => {
    const tests = input.value.toLowerCase().split(/\s+/).filter(Boolean).map(test);
    order = every.filter((at) => tests.every((one) => one(at)));
    if (sorted.which || sorted.way < 0) order.sort(compare);
    const all = rows.length.toLocaleString("en");
    output.textContent = order.length === rows.length ? `${all} rows` : `${order.length.toLocaleString("en")} of ${all} rows`;
    anew();
  };
  input.addEventListener("input", choose);
  heads.forEach((head, which) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      sorted = { which, way: sorted.which === which ? -sorted.way : 1 };
      heads.forEach((one) => one.hasAttribute("aria-sort") && one.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", sorted.way > 0 ? "ascending" : "descending");
      choose();
    });
  });
  anew();
})();
