// The charts as Vega-Lite: each function returns a specification, whose data are the trials that are shown.
"use strict";
const { floor, low, high, ticks } = report.accuracy;
/** Return the place of an accuracy on its axis: how many decades its error lies below 1, as in the figures. */
const onScale = (accuracy) => -Math.log10(Math.max(1 + floor - accuracy, floor / 2));
const MARKS = ["#e69f00", "#cc79a7", "#d55e00", "#009e73", "#f0e442"]; // the colours of marked trials, in their order
const STRONG = "indexof(marked, datum.trial) >= 0 || datum.trial === hovered";
const Y = {
  field: "y",
  type: "quantitative",
  title: "validation accuracy (%)",
  scale: { domain: [onScale(low), onScale(high)], clamp: true, nice: false },
  axis: { values: ticks.map(onScale), labelExpr: `format(100 * (1 + ${floor} - pow(10, -datum.value)), '.4~g')` },
};

/** Return the colours of the chosen group: those of states are the same everywhere, searched values have an order. */
function colour() {
  const field = report.fields.find((each) => each.name === choice.group);
  const scale =
    choice.group === "state" ? { domain: report.states, range: report.states.map((state) => report.colours[state]) }
    : choice.group === "run" ? { domain: report.runs, scheme: "tableau10" }
    : { domain: field.groups, scheme: { name: "viridis", extent: [0, 0.9] } };
  const marks = MARKS.map((value, place) => ({ test: `marked[${place}] === datum.trial`, value }));
  return { field: "group", type: "nominal", title: choice.group, scale, legend: { orient: "top", symbolOpacity: 1 }, condition: marks };
}

/** Return the label of a trial's group; null where it has no such value. */
function groupOf(trial) {
  if (choice.group === "state" || choice.group === "run") return trial[choice.group];
  const field = report.fields.find((each) => each.name === choice.group);
  return field.group[trial.trial] === null ? null : field.groups[field.group[trial.trial]];
}

/** Return how strongly a mark is drawn: the marked and the hovered first, the others the less if any is marked. */
function emphasis(channel, strong, weak, behind) {
  return { [channel]: { condition: { test: STRONG, value: strong }, value: { expr: `length(marked) ? ${behind} : ${weak}` } } };
}

// Equal curves of several runs lie on each other: the first run's are the broadest, so that each is seen.
const width = () => {
  if (!several) return emphasis("strokeWidth", 3.5, 1.3, 1);
  const broad = report.runs.map((run, place) =>
    ({ test: `datum.run === ${JSON.stringify(run)}`, value: 1.2 + 2 * (report.runs.length - 1 - place) }));
  return { strokeWidth: { condition: broad, value: 1.2 } };
};

function curves() {
  const x = { field: "epoch", type: "quantitative", axis: { tickMinStep: 1, format: "d" }, scale: { nice: false } };
  const each = {
    mark: { type: "line", point: { size: 22 }, clip: true },
    encoding: { x, y: Y, color: colour(), detail: { field: "trial" }, tooltip: { field: "title" },
      ...width(), ...emphasis("opacity", 1, 0.7, 0.12) },
  };
  if (choice.group === "state") return { ...each, data: { name: "epochs" }, height: 330 };
  const ends = { aggregate: [
    { op: "median", field: "y", as: "median" }, { op: "q1", field: "y", as: "q1" }, { op: "q3", field: "y", as: "q3" },
  ], groupby: ["group", "epoch"] };
  const of = (field) => ({ ...Y, field });
  const ofGroup = { ...colour(), condition: undefined };
  return {
    data: { name: "epochs" },
    height: 330,
    layer: [
      { ...each, encoding: { ...each.encoding, ...emphasis("opacity", 1, 0.25, 0.1) } },
      { transform: [ends], mark: { type: "area", opacity: 0.15, clip: true },
        encoding: { x, y: of("q1"), y2: { field: "q3" }, color: ofGroup } },
      { transform: [ends], mark: { type: "line", strokeWidth: 3, clip: true },
        encoding: { x, y: of("median"), color: ofGroup } },
    ],
  };
}

function values(field) {
  const [places, labels] = [field.ticks.map((tick) => tick[0]), field.ticks.map((tick) => tick[1])];
  const x = {
    field: "x", type: "quantitative", title: field.name, scale: { domain: [-0.04, 1.04], nice: false },
    axis: { values: places, labelExpr: `${JSON.stringify(labels)}[indexof(${JSON.stringify(places)}, datum.value)]`, grid: false },
  };
  const points = {
    mark: { type: "point", filled: true, clip: true },
    encoding: { x, y: Y, color: { ...colour(), legend: null }, tooltip: { field: "title" },
      ...emphasis("opacity", 1, 0.75, 0.15), ...emphasis("size", 130, 35, 30) },
  };
  const middle = {
    transform: [{ filter: "datum.state === 'complete' && datum.bin !== null" }, { aggregate: [
      { op: "median", field: "y", as: "median" }, { op: "min", field: "x", as: "from" }, { op: "max", field: "x", as: "to" },
      { op: "count", as: "n" }], groupby: ["bin"] }, { filter: "datum.n > 1" }],
    mark: { type: "rule", strokeWidth: 2.5 },
    encoding: { x: { ...x, field: "from" }, x2: { field: "to" }, y: { ...Y, field: "median" }, color: { value: "#888" } },
  };
  return { data: { name: "values" }, height: 190, layer: field.searched ? [points, middle] : [points] };
}

function parallel(fields) {
  const names = [...fields.map((field) => field.name), "accuracy"];
  const span = onScale(high) - onScale(low);
  const labels = fields.flatMap((field) => field.ticks.map(([y, label]) => ({ axis: field.name, y, label })));
  labels.push(...ticks.map((tick) => ({ axis: "accuracy", y: (onScale(tick) - onScale(low)) / span, label: `${+(100 * tick).toPrecision(4)} %` })));
  const x = { field: "axis", type: "nominal", sort: names, title: null, axis: { labelAngle: -25, domain: false, grid: true }, scale: { type: "point", padding: 0.3 } };
  const y = { field: "y", type: "quantitative", axis: null, scale: { domain: [0, 1], nice: false, clamp: true } };
  return {
    height: 330,
    layer: [
      { data: { name: "lines" }, mark: { type: "line" },
        encoding: { x, y, order: { field: "order" }, detail: { field: "trial" }, color: colour(), tooltip: { field: "title" },
          ...emphasis("strokeWidth", 3.5, 1.2, 1), ...emphasis("opacity", 1, 0.65, 0.1) } },
      { data: { values: labels }, mark: { type: "text", align: "left", dx: 3, fontSize: 10 },
        encoding: { x, y, text: { field: "label" }, color: { value: style("--soft") } } },
    ],
  };
}

function best(over, steps, title) {
  const x = { field: over, type: "quantitative", title, scale: { nice: false } };
  const ofRun = { ...colour(), field: "run", scale: { domain: report.runs, scheme: "tableau10" }, condition: undefined };
  const colours = several ? { color: ofRun } : {};
  const layer = [
    { data: { name: "trials" }, transform: [{ filter: "datum.state === 'complete'" }],
      mark: { type: "point", filled: true, clip: true },
      encoding: { x, y: Y, tooltip: { field: "title" }, ...colours, ...emphasis("opacity", 1, 0.6, 0.2), ...emphasis("size", 130, 35, 30) } },
    { data: { name: steps }, mark: { type: "line", interpolate: "step-after", clip: true },
      encoding: { x, y: Y, ...(several ? { ...colours, ...width() } : { strokeWidth: { value: 2.5 } }) } },
  ];
  if (report.room) {
    const top = Math.max(...report.best.best);
    layer.unshift({ data: { values: [{ y: onScale(top), to: onScale(Math.min(top + report.room, 1)) }] },
      mark: { type: "rect", opacity: 0.15 }, encoding: { y: Y, y2: { field: "to" } } });
  }
  return { height: 230, layer };
}

function timeline() {
  const names = [...new Set(report.stretches.row)].sort(new Intl.Collator("en", { numeric: true }).compare);
  return {
    data: { name: "stretches" },
    height: Math.min(Math.max(24 * names.length, 60), 900),
    mark: { type: "bar", stroke: style("--back"), strokeWidth: 0.7 },
    encoding: {
      x: { field: "start", type: "quantitative", title: "time of searching (s)", scale: { nice: false } }, x2: { field: "end" },
      y: { field: "row", type: "nominal", title: null, sort: names }, color: colour(), tooltip: { field: "title" },
      ...emphasis("opacity", 1, 0.8, 0.25),
    },
  };
}

/** Return a colour of the page's style, which is another in the dark. */
function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
