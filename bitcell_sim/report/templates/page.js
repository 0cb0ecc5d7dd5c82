"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const faint = (name) => colour(name) + "40";
  const two = (n) => String(n).padStart(2, "0");
  const clock = (s) => {
    const t = Math.round(s), h = Math.floor(t / 3600), rest = two(t % 60);
    return h ? `${h}:${two(Math.floor((t % 3600) / 60))}:${rest}` : `${Math.floor(t / 60)}:${rest}`;
  };
  const short = (v) => Math.abs(v) >= 100 ? Math.round(v).toLocaleString("en") : String(+v.toPrecision(3));
  const value = (chart, v) => v == null ? "–" : chart.y_kind === "percent" ? `${(100 * v).toFixed(1)} %` : short(v);
  const place = (chart, x) => chart.x_kind === "clock" ? clock(x) : `${+x.toPrecision(4)} ${chart.x_kind}`;

  // Bands below the lines, limits above them.
  const drawBands = (chart) => (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    for (const [from, to, , profile] of chart.bands) {
      const a = u.valToPos(from, "x", true), b = u.valToPos(to, "x", true);
      ctx.fillStyle = colour("band");
      for (const [start, end, strength] of profile || [[from, to, 1]]) {
        const left = profile ? u.valToPos(start, "x", true) : a, right = profile ? u.valToPos(end, "x", true) : b;
        ctx.globalAlpha = strength;
        ctx.fillRect(left, bbox.top, Math.max(right - left, profile ? 0 : 2), bbox.height);
      }
      ctx.globalAlpha = 1;
      ctx.fillStyle = colour("band-edge");
      ctx.fillRect(a, bbox.top, uPlot.pxRatio * 1.5, bbox.height);
    }
    ctx.restore();
  };
  const drawMarks = (chart) => (u) => {
    const { ctx, bbox } = u, px = uPlot.pxRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("ink");
    ctx.lineWidth = 1.5 * px;
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.font = `${12 * px}px system-ui, "DejaVu Sans", sans-serif`;
    for (const mark of chart.marks) {
      const at = u.valToPos(mark.at, mark.axis, true);
      ctx.setLineDash([5 * px, 4 * px]);
      ctx.beginPath();
      if (mark.axis === "x") {
        const late = at > bbox.left + 0.6 * bbox.width;
        ctx.moveTo(at, bbox.top);
        ctx.lineTo(at, bbox.top + bbox.height);
        ctx.textAlign = late ? "right" : "left";
        if (!chart.small) ctx.fillText(mark.label, at + (late ? -6 : 6) * px, bbox.top + 13 * px);
      } else {
        ctx.moveTo(bbox.left, at);
        ctx.lineTo(bbox.left + bbox.width, at);
        ctx.fillText(mark.label, bbox.left + 6 * px, at - 5 * px);
      }
      ctx.stroke();
    }
    ctx.restore();
  };

  const seriesOf = (s) => ({
    label: s.label,
    stroke: () => s.bars ? "transparent" : colour(s.colour),
    fill: s.bars ? () => colour(s.colour) + (s.shown ? "e6" : "66") : s.fill ? () => faint(s.colour) : undefined,
    width: s.width || 1.8,
    dash: s.dash,
    paths: s.bars ? uPlot.paths.bars({ size: [s.shown ? 1 : 0.92, Infinity], gap: 0 }) : undefined,
    points: { show: false },
  });

  const axis = (more) => ({
    stroke: () => colour("muted"),
    font: '12px system-ui, "DejaVu Sans", sans-serif',
    labelFont: '12px system-ui, "DejaVu Sans", sans-serif',
    labelSize: 20,
    labelGap: 2,
    grid: { stroke: () => colour("grid"), width: 1 },
    ticks: { stroke: () => colour("line"), width: 1, size: 4 },
    ...more,
  });

  // Charts over time stand exactly above the lanes of the nodes.
  const lane = (side) => parseFloat(colour("lane-" + side));
  const options = (chart, width, onCursor) => ({
    width,
    height: chart.small ? 118 : 230,
    padding: [10, chart.x_kind === "clock" ? lane("right") : 16, 0, 0],
    legend: { show: false },
    cursor: {
      drag: { setScale: false, x: false, y: false },
      points: { size: 7 },
      y: false,
      sync: chart.sync ? { key: chart.sync, setSeries: false } : undefined,
    },
    scales: {
      x: { time: false, range: () => chart.x_range },
      y: {
        range: (u, low, high) => {
          if (chart.y_kind === "percent") return [0, 1.03];
          const marks = chart.marks.filter((mark) => mark.axis === "y").map((mark) => mark.at);
          return [0, 1.08 * Math.max(high || 0, ...marks, 1e-9)];
        },
      },
    },
    axes: [
      axis({
        label: chart.small ? undefined : chart.x_label,
        size: chart.small ? 26 : 30,
        incrs: chart.x_kind === "clock" ? STEPS : undefined,
        space: chart.x_kind === "clock" ? 70 : 50,
        values: (u, splits) => splits.map((v) => chart.x_kind === "clock" ? clock(v) : String(+v.toPrecision(6))),
      }),
      axis({
        label: chart.y_label || undefined,
        size: chart.x_kind === "clock" ? lane("left") : 44,
        space: chart.small ? 30 : 36,
        values: (u, splits) => splits.map((v) => chart.y_kind === "percent" ? (v > 1 ? "" : `${Math.round(100 * v)}%`) : short(v)),
      }),
    ],
    series: [{}, ...chart.series.map(seriesOf)],
    hooks: { drawClear: [drawBands(chart)], draw: [drawMarks(chart)], setCursor: [onCursor] },
  });

  const swatch = (s) => {
    const mark = document.createElement("i");
    const mix = (share) => `color-mix(in srgb, var(--${s.colour}) ${share}%, transparent)`;
    const stroke = s.dash && s.dash.length ? (s.dash[0] < 4 ? "dotted" : "dashed") : "solid";
    mark.style.borderTop = s.bars ? `10px solid ${mix(s.shown ? 90 : 40)}` : s.fill ? `10px solid ${mix(25)}`
      : `${Math.max(2, s.width || 2)}px ${stroke} var(--${s.colour})`;
    return mark;
  };

  const legend = (holder, chart) => {
    const entry = (...content) => {
      const span = document.createElement("span"), b = document.createElement("b");
      span.append(...content, b);
      holder.append(span);
      return b;
    };
    const cells = chart.series.map((s) => chart.small ? entry() : entry(swatch(s), s.label));
    const at = entry();
    return (index) => {
      at.textContent = index == null ? "" : `${chart.x_kind === "clock" ? "at" : "within"} ${place(chart, chart.x[index])}`;
      chart.series.forEach((s, i) => { cells[i].textContent = index == null ? "" : value(chart, (s.shown || s.values)[index]); });
    };
  };

  const mount = (holder) => {
    const chart = data[holder.dataset.chart];
    const plot = holder.querySelector(".plot"), said = holder.querySelector(".readout");
    const show = legend(holder.querySelector(".legend"), chart);
    const lines = [chart.x, ...chart.series.map((s) => s.values)];
    const u = new uPlot(options(chart, plot.clientWidth || 600, (self) => show(self.cursor.idx)), lines, plot);
    const read = (index) => {
      u.setCursor({ left: u.valToPos(chart.x[index], "x"), top: u.over.clientHeight / 2 }, true, true);
      const values = chart.series.map((s) => `${s.label} ${value(chart, (s.shown || s.values)[index])}`);
      const faults = chart.bands.filter(([from, to]) => from <= chart.x[index] && chart.x[index] <= to).map((band) => band[2]);
      said.textContent = [place(chart, chart.x[index]), ...values, ...faults].join(", ");
    };
    plot.addEventListener("keydown", (event) => {
      const last = chart.x.length - 1, now = u.cursor.idx == null ? -1 : u.cursor.idx, step = event.shiftKey ? 10 : 1;
      const next = { ArrowRight: now + step, ArrowLeft: now - step, Home: 0, End: last }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      read(Math.min(last, Math.max(0, next)));
    });
    plot.addEventListener("blur", () => u.setCursor({ left: -10, top: -10 }, true, true));
    new ResizeObserver(() => {
      const width = plot.clientWidth;
      if (width && width !== u.width) u.setSize({ width, height: u.height });
    }).observe(plot);
    dark.addEventListener("change", () => u.redraw(false, true));
  };

  document.querySelectorAll("[data-chart]").forEach(mount);
  document.documentElement.dataset.ready = "yes";
})();
