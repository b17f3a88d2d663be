// The last minutes of each figure as a line. What was seen since the page was opened is all there is to draw.
(() => {
  "use strict";
  const MOST = 120, LEAST = 20, WIDTH = 240, HEIGHT = 44, SVG = "http://www.w3.org/2000/svg";
  const seen = new Map();

  const node = (name, facts) => {
    const made = document.createElementNS(SVG, name);
    for (const [fact, value] of Object.entries(facts)) made.setAttribute(fact, value);
    return made;
  };

  const draw = (chart) => {
    const values = seen.get(chart.dataset.chart) || [];
    values.push(Number(chart.dataset.value));
    seen.set(chart.dataset.chart, values.slice(-MOST));
    const shown = seen.get(chart.dataset.chart), top = Math.max(...shown, 1);
    const step = WIDTH / (Math.max(shown.length, LEAST) - 1);
    const points = shown.map((value, place) => {
      const x = WIDTH - (shown.length - 1 - place) * step;
      return `${x.toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 6)).toFixed(1)}`;
    });
    if (points.length === 1) points.unshift(`${(WIDTH - step).toFixed(1)},${points[0].split(",")[1]}`);
    const picture = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const first = points[0].split(",")[0];
    picture.append(
      node("polygon", { points: `${first},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}` }),
      node("polyline", { points: points.join(" ") }),
    );
    chart.querySelector("svg")?.remove();
    chart.prepend(picture);
  };

  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);
  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "queue") drawAll();
  });
})();
