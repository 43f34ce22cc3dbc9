// The bar above the table and the charts: the filters, what gives the colours, and the marked trials.
"use strict";
(() => {
  const bar = document.getElementById("controls");

  for (const state of report.states) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      const states = new Set(choice.states);
      if (!states.delete(state)) states.add(state);
      choose({ states });
    });
    const label = document.createElement("label");
    const count = trials.filter((trial) => trial.state === state).length;
    label.append(box, ` ${state} (${count})`);
    document.getElementById("states").append(label);
  }

  bar.querySelector("#top").addEventListener("input", (event) => choose({ top: Number(event.target.value) || 0 }));
  bar.querySelector("#words").addEventListener("input", (event) => {
    const fault = conditionsOf(event.target.value).find((condition) => condition.fault)?.fault;
    event.target.setAttribute("aria-invalid", Boolean(fault));
    document.getElementById("fault").textContent = fault ?? "";
    choose({ words: event.target.value });
  });

  const group = bar.querySelector("#group");
  const axes = report.fields.filter((field) => field.searched).map((field) => field.name);
  for (const name of [...(several ? ["run"] : []), "state", ...axes]) group.add(new Option(name, name));
  group.value = choice.group;
  group.addEventListener("change", () => choose({ group: group.value }));

  const marks = document.getElementById("marks");
  function showMarks() {
    marks.replaceChildren();
    [...choice.marked].forEach((place, order) => {
      const button = document.createElement("button");
      button.style.borderColor = MARKS[order] ?? "";
      button.textContent = `${trials[place].title} ×`;
      button.setAttribute("aria-label", `unmark ${trials[place].title}`);
      button.addEventListener("click", () => toggleMark(place));
      marks.append(button);
    });
    if (choice.marked.size > 1) {
      const clear = document.createElement("button");
      clear.textContent = "unmark all";
      clear.addEventListener("click", () => choose({ marked: new Set() }));
      marks.append(clear);
    }
    if (!choice.marked.size) marks.textContent = "none: click a trial in the table or in a chart";
  }

  function count() {
    document.getElementById("count").textContent = `${shown().length} of ${trials.length} trials shown` +
      (trials.length > report.most ? `; the charts draw the best ${report.most}` : "");
  }
  follow((change) => {
    if ("marked" in change) showMarks();
    if ("words" in change || "states" in change || "top" in change) count();
  });
  showMarks();
  count();
})();
