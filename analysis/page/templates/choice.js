// The trials of the page, and what a person has chosen among them: every other script shows it and changes it here.
"use strict";
const report = JSON.parse(document.getElementById("data").textContent);
const several = report.runs.length > 1;

/** Return a table of columns as rows. */
function rows(columns) {
  const names = Object.keys(columns);
  const count = names.length ? columns[names[0]].length : 0;
  return Array.from({ length: count }, (_, row) => Object.fromEntries(names.map((name) => [name, columns[name][row]])));
}

const trials = rows(report.trials).map((values, trial) => ({
  ...values,
  trial, // the place among all trials of the page
  title: (several ? `${values.run}, ` : "") + `trial ${values.number}`,
}));
const byAccuracy = trials
  .filter((trial) => trial.val_accuracy !== null && trial.state !== "failed")
  .sort((a, b) => b.val_accuracy - a.val_accuracy);
byAccuracy.forEach((trial, place) => (trial.rank = place + 1));

const choice = {
  words: "", // conditions such as "pool=early learning_rate>0.1", which a trial must fulfil
  states: new Set(report.states),
  top: 0, // so many of the best alone; 0: all
  marked: new Set(),
  hovered: -1,
  group: several ? "run" : "state", // what gives the charts their colours
};
const followers = [];

/** Have `follower` called with what changed whenever something does. */
function follow(follower) {
  followers.push(follower);
}

function choose(change) {
  Object.assign(choice, change);
  for (const follower of followers) follower(change);
}

function toggleMark(trial) {
  const marked = new Set(choice.marked);
  if (!marked.delete(trial)) marked.add(trial);
  choose({ marked });
}

/** Return the trials that all three filters let through. */
function shown() {
  const conditions = conditionsOf(choice.words).filter((condition) => condition.test);
  return trials.filter(
    (trial) =>
      choice.states.has(trial.state) &&
      (!choice.top || trial.rank <= choice.top) &&
      conditions.every((condition) => condition.test(trial)),
  );
}

const COMPARE = {
  "=": (a, b) => (typeof a === "number" ? a === Number(b) : String(a).toLowerCase() === b.toLowerCase()),
  "!=": (a, b) => !COMPARE["="](a, b),
  "<": (a, b) => a < Number(b),
  ">": (a, b) => a > Number(b),
  "<=": (a, b) => a <= Number(b),
  ">=": (a, b) => a >= Number(b),
};

/** Return the conditions in `words`, each with a test, or with a fault where it names no column. */
function conditionsOf(words) {
  return words.split(/\s+/).filter(Boolean).map((word) => {
    const [, name, operator, value] = word.match(/^(\w+)(<=|>=|!=|=|<|>)(.+)$/) ?? [];
    if (!name && /[<>=]/.test(word)) return { fault: "write conditions without spaces, such as learning_rate>0.1" };
    if (!name) {
      const test = (trial) => report.columns.some((column) => String(trial[column] ?? "").includes(word));
      return trials.some(test) ? { test } : { fault: `no trial has "${word}"; conditions are written one after another` };
    }
    if (!(name in (trials[0] ?? {}))) return { fault: `there is no column ${name}` };
    return { test: (trial) => trial[name] !== null && COMPARE[operator](trial[name], value) };
  });
}

/** Return a value as the table and the names of trials have it. */
function text(column, value) {
  if (value === null || value === undefined) return "";
  if (column === "val_accuracy") return `${(100 * value).toFixed(2)} %`;
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value >= 10000 ? value.toLocaleString("en-US") : String(value);
  return String(Number(value.toPrecision(4)));
}
