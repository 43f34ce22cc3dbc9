// The charts on the page: each is drawn once, then follows what is chosen; a click in one marks the trial everywhere.
"use strict";
(() => {
  const ERRORS = 1; // alone are logged: a filter that lets nothing through is no reason to warn
  const MANY = 400; // trials, above which a picture of points is quicker than one of elements
  const charts = [
    ["curves", curves, "validation accuracy of every trial over its epochs"],
    ["parallel", () => parallel(report.fields.filter((field) => field.searched)), "each trial as a line through its values"],
    ["timeline", timeline, "when and where each trial was trained"],
    ["best-by-number", () => best("number", "best", "trial number"), "the best accuracy so far over the trials"],
    ["best-by-time", () => best("clock", "best_in_time", "time of searching (s)"), "the best accuracy so far over time"],
    ...report.fields.map((field) => [`values-${field.name}`, () => values(field), `${field.name} against accuracy`]),
  ];
  const views = new Map();
  const epochs = rows(report.epochs);
  const steps = { best: rows(report.best), best_in_time: rows(report.best_in_time) };
  const stretches = rows(report.stretches);

  /** Return the rows of each data set, of the trials that are shown. */
  function tables() {
    const drawn = new Map();
    const all = new Map();
    for (const trial of shown()) {
      const about = { trial: trial.trial, title: title(trial), state: trial.state, run: trial.run,
        number: trial.number, group: groupOf(trial), y: trial.val_accuracy === null ? null : onScale(trial.val_accuracy) };
      all.set(trial.trial, about);
      if (!(trial.rank > report.most)) drawn.set(trial.trial, about);
    }
    const of = (table, more, among = drawn) => table.filter((row) => among.has(row.trial))
      .map((row) => ({ ...among.get(row.trial), ...row, ...more(row) }));
    const seen = [...drawn.values()].filter((trial) => trial.y !== null && trial.state !== "failed");
    const clocks = new Map(steps.best_in_time.map((row) => [row.trial, row.clock]));
    const placed = (table) => table.map((row) => ({ ...row, run: trials[row.trial].run, y: onScale(row.best) }));
    return {
      epochs: of(epochs, (row) => ({ y: onScale(row.val_accuracy) })),
      stretches: of(stretches, () => ({}), all),
      trials: seen.map((trial) => ({ ...trial, clock: clocks.get(trial.trial) })),
      best: placed(steps.best),
      best_in_time: placed(steps.best_in_time),
      lines: lines(seen),
      values: (field) => seen.map((trial) => ({ ...trial, x: beside(field, trial.trial), bin: field.group?.[trial.trial] ?? null }))
        .filter((point) => point.x !== null),
    };
  }

  /** Return what the pointer shows of a trial. */
  function title(trial) {
    const values = report.searched.map((name) => `${name} ${text(name, trial[name])}`).join(", ");
    return `${trial.title}, ${trial.state}, ${text("val_accuracy", trial.val_accuracy)}: ${values}`;
  }

  /** Return the place of a trial's value; of choices a little aside, the same each time, so that all are seen. */
  function beside(field, trial) {
    const place = field.places[trial];
    if (place === null || !field.choice) return place;
    return place + (((trial * 0.618) % 1) - 0.5) * (0.3 / field.ticks.length);
  }

  function lines(seen) {
    const span = onScale(high) - onScale(low);
    const fields = report.fields.filter((field) => field.searched);
    return seen.flatMap((trial) => [
      ...fields.map((field, order) => ({ ...trial, order, axis: field.name, y: field.places[trial.trial] })),
      { ...trial, order: fields.length, axis: "accuracy", y: (trial.y - onScale(low)) / span },
    ]).filter((point) => point.y !== null);
  }

  const config = () => {
    const [colour, line] = [style("--text"), style("--line")];
    return { background: "transparent", aria: false, font: "system-ui, sans-serif", view: { stroke: null },
      axis: { labelColor: colour, titleColor: colour, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: 500 },
      legend: { labelColor: colour, titleColor: colour } };
  };

  async function draw(id, spec, description, found) {
    const place = document.getElementById(id);
    const whole = { ...spec(), datasets: of(id, found), width: "container", config: config(),
      autosize: { type: "fit-x", contains: "padding" },
      params: [{ name: "marked", value: [...choice.marked] }, { name: "hovered", value: choice.hovered }] };
    const options = { actions: false, renderer: trials.length > MANY ? "canvas" : "svg", logLevel: ERRORS };
    const { view } = await vegaEmbed(place, whole, options);
    place.firstElementChild.setAttribute("aria-hidden", "true"); // what it shows is in the table, which can be read out
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", description);
    view.addEventListener("click", (_, item) => item?.datum?.trial !== undefined && toggleMark(item.datum.trial));
    view.addEventListener("mouseover", (_, item) => item?.datum?.trial !== undefined && choose({ hovered: item.datum.trial }));
    view.addEventListener("mouseout", () => choice.hovered >= 0 && choose({ hovered: -1 }));
    views.get(id)?.finalize();
    views.set(id, view);
  }

  /** Return the data sets of a chart, by their names. */
  function of(id, found) {
    const field = report.fields.find((each) => `values-${each.name}` === id);
    const { values, ...others } = found;
    return field ? { values: values(field) } : others;
  }

  function fill(id, view, found) {
    const names = view.getState({ data: () => true, signals: () => false }).data;
    for (const [name, table] of Object.entries(of(id, found))) if (name in names) view.data(name, table);
    return view.runAsync();
  }

  let round = 0; // of drawing: a newer one ends those before it

  async function drawAll() {
    const own = ++round;
    const found = tables();
    for (const [id, spec, description] of charts) {
      await draw(id, spec, description, found);
      if (own !== round) return;
    }
    refill(); // with what was chosen meanwhile
    document.documentElement.dataset.drawn = "yes";
  }

  function refill() {
    const found = tables();
    for (const [id, view] of views) fill(id, view, found);
  }

  follow((change) => {
    if ("group" in change) return void drawAll();
    if ("words" in change || "states" in change || "top" in change) {
      refill();
    }
    if ("marked" in change || "hovered" in change) {
      for (const view of views.values()) view.signal("marked", [...choice.marked]).signal("hovered", choice.hovered).runAsync();
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();
