// The table of all trials: sorted by a click on a column's name, filtered with everything else.
"use strict";
(() => {
  const STEP = 50; // rows at first, and more at each click: browsers lay out thousands slowly
  const LABELS = { number: "trial", epochs_run: "epochs", val_accuracy: "val. accuracy", num_parameters: "parameters",
    milliseconds_per_image: "ms/image", images_per_second: "images/s" };
  const table = document.getElementById("trials");
  const more = document.getElementById("more");
  const order = { column: "val_accuracy", down: true };
  let count = STEP;

  const head = table.tHead.insertRow();
  for (const column of report.columns) {
    const button = document.createElement("button");
    button.textContent = LABELS[column] ?? column;
    button.addEventListener("click", () => {
      order.down = order.column === column ? !order.down : column === "val_accuracy";
      order.column = column;
      draw();
    });
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.append(button);
    head.append(cell);
  }

  function compare(a, b) {
    const [x, y] = [a[order.column], b[order.column]];
    if (x === y) return a.trial - b.trial;
    if (x === null || y === null) return x === null ? 1 : -1; // what is missing comes last either way
    return (x < y ? -1 : 1) * (order.down ? -1 : 1);
  }

  function row(trial) {
    const line = document.createElement("tr");
    line.dataset.trial = trial.trial;
    for (const column of report.columns) {
      const cell = line.insertCell();
      if (column === "number") {
        const button = document.createElement("button");
        button.textContent = report.winners.includes(trial.trial) ? `${trial.number} ★` : trial.number;
        if (report.winners.includes(trial.trial)) button.title = "the winner";
        button.addEventListener("click", () => toggleMark(trial.trial));
        cell.append(button);
      } else {
        cell.textContent = text(column, trial[column]);
        cell.className = typeof trial[column] === "number" ? "number" : "word";
      }
    }
    return line;
  }

  function draw() {
    const found = shown().sort(compare);
    table.tBodies[0].replaceChildren(...found.slice(0, count).map(row));
    report.columns.forEach((column, place) => {
      const sorted = column === order.column ? (order.down ? "descending" : "ascending") : "none";
      head.cells[place].setAttribute("aria-sort", sorted);
    });
    more.hidden = found.length <= count;
    more.textContent = `show ${Math.min(STEP, found.length - count)} more of ${found.length}`;
    mark();
  }

  function mark() {
    for (const line of table.tBodies[0].rows) {
      const trial = Number(line.dataset.trial);
      const marked = choice.marked.has(trial);
      line.classList.toggle("marked", marked);
      line.classList.toggle("hovered", choice.hovered === trial);
      line.querySelector("button").setAttribute("aria-pressed", marked);
    }
  }

  more.addEventListener("click", () => {
    count += STEP;
    draw();
  });
  table.tBodies[0].addEventListener("mouseover", (event) => {
    const line = event.target.closest("tr");
    if (line) choose({ hovered: Number(line.dataset.trial) });
  });
  table.addEventListener("mouseleave", () => choose({ hovered: -1 }));
  table.tBodies[0].addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (line && !event.target.closest("button")) toggleMark(Number(line.dataset.trial));
  });
  follow((change) => {
    if ("marked" in change || "hovered" in change) mark();
    else if (!("group" in change)) draw();
  });
  draw();
})();
