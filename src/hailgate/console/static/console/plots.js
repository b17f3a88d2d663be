// Plots of the days of a month: answers and tokens, by what the page brought with it.
(() => {
  "use strict";
  const paint = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const draw = (place) => {
    const days = JSON.parse(place.dataset.days);
    if (!days.length) return;
    const columns = [0, 1, 2].map((column) => days.map((day) => day[column]));
    const muted = paint("--muted-foreground"), axis = { stroke: muted, grid: { stroke: paint("--border") } };
    const bars = uPlot.paths.bars({ size: [0.6, 40] });
    place.replaceChildren();
    new uPlot({
      width: place.clientWidth,
      height: 200,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC"),
      scales: { tokens: { range: (_, __, most) => [0, Math.max(most, 1)] } },
      axes: [axis, { ...axis, scale: "tokens", size: 70 }],
      series: [
        {},
        { label: place.dataset.tokens, scale: "tokens", stroke: paint("--primary"), fill: paint("--primary"), paths: bars, points: { show: false } },
      ],
      legend: { show: false },
    }, [columns[0], columns[2]], place);
  };

  const all = () => document.querySelectorAll("[data-days]").forEach(draw);
  addEventListener("DOMContentLoaded", all);
  addEventListener("resize", all);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  new MutationObserver(all).observe(document.documentElement, { attributes: true, attributeFilter: ["class", "data-theme"] });
})();
