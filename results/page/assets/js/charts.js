// Charts: one registry that draws, redraws on a change of state, size or theme, and draws light for print.
const drawings = new Map();
const drawn = [];
const define = (name, drawing) => drawings.set(name, drawing);

const font = () => getComputedStyle(document.body).fontFamily;

// What all charts share; a drawing gives series, axes and the like.
function framed(option) {
  return {
    animation: false,
    textStyle: { fontFamily: font(), color: colour('text'), fontSize: 12 },
    ...option,
    tooltip: {
      confine: true, backgroundColor: colour('bg'), borderColor: colour('line'), padding: [6, 10],
      extraCssText: 'box-shadow: 0 2px 10px rgba(0,0,0,.15)', ...option.tooltip,
    },
  };
}

function axis(option) {
  return {
    axisLine: { lineStyle: { color: colour('line') } }, axisTick: { show: false },
    splitLine: { lineStyle: { color: colour('grid') } },
    ...option,
    axisLabel: { color: colour('muted'), fontSize: 11, ...option.axisLabel },
    nameTextStyle: { color: colour('muted'), fontSize: 12, ...option.nameTextStyle },
  };
}

function redraw(entry) {
  const { node, drawing } = entry;
  node.hidden = false; // a hidden place has no width
  const option = drawing.option(node.clientWidth, node);
  const empty = option === null;
  node.hidden = empty;
  const figure = node.closest('figure');
  figure.querySelectorAll('.nothing, figcaption:not(.kept)').forEach((part) => (part.hidden = part.classList.contains('nothing') ? !empty : empty));
  if (empty) return;
  const height = `${drawing.height(node.clientWidth, node)}px`;
  if (node.style.height !== height) node.style.height = height;
  entry.chart ??= echarts.init(node, null, { renderer: drawing.renderer || 'svg' });
  entry.chart.resize();
  entry.chart.setOption(framed(option), { notMerge: true });
  node.setAttribute('role', 'img');
  node.setAttribute('aria-label', drawing.says());
}

function drawAll() {
  drawn.forEach(redraw);
}

function buildCharts() {
  for (const node of document.querySelectorAll('[data-chart]')) {
    const entry = { node, drawing: drawings.get(node.dataset.chart), chart: null, width: node.clientWidth };
    drawn.push(entry);
    new ResizeObserver(() => {
      if (node.clientWidth && node.clientWidth !== entry.width) {
        entry.width = node.clientWidth;
        redraw(entry);
      }
    }).observe(node);
    if (entry.drawing.click) {
      redraw(entry);
      entry.chart?.on('click', entry.drawing.click);
    }
  }
  onChange(drawAll);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  matchMedia('print').addEventListener('change', drawAll);
}

// Lines from low to high with small caps. Data rows: [place, mean, low, high]; upright: the interval is along y. A shift
// moves them beside their place, in parts of a category. What lies beyond the axis is cut.
function intervals(rows, upright, style, shift = 0) {
  return {
    type: 'custom', silent: true, clip: true, z: 2, data: rows.filter((row) => present(row[2])),
    encode: upright ? { x: 0, y: [2, 3] } : { y: 0, x: [2, 3] },
    renderItem: (params, api) => {
      const aside = shift * (upright ? api.size([1, 0])[0] : api.size([0, 1])[1]);
      const at = (value) => {
        const [x, y] = api.coord(upright ? [api.value(0), value] : [value, api.value(0)]);
        return upright ? [x + aside, y] : [x, y + aside];
      };
      const [from, to] = [at(api.value(2)), at(api.value(3))];
      const look = { stroke: style(params.dataIndex), lineWidth: 1.4 };
      const [dx, dy] = upright ? [3, 0] : [0, 3];
      const line = (a, b, c, d) => ({ type: 'line', shape: { x1: a, y1: b, x2: c, y2: d }, style: look });
      return {
        type: 'group',
        children: [
          line(...from, ...to),
          ...[from, to].map(([x, y]) => line(x - dx, y - dy, x + dx, y + dy)),
        ],
      };
    },
  };
}

// A range of round numbers around values, with its step; the labels have as many decimals as the step needs.
function ticks(low, high, room = 6) {
  const span = Math.max(high - low, 1e-6);
  const rough = span / room;
  const power = 10 ** Math.floor(Math.log10(rough));
  const interval = power * [1, 2, 2.5, 5, 10].find((step) => step * power >= rough);
  const decimals = Math.max(0, Math.ceil(-Math.log10(interval) - 1e-9) + (Math.abs(interval / power - 2.5) < 1e-9 ? 1 : 0));
  return {
    min: Number((Math.floor(low / interval + 1e-9) * interval).toFixed(8)), max: Number((Math.ceil(high / interval - 1e-9) * interval).toFixed(8)), interval,
    axisLabel: { formatter: (value) => value.toFixed(decimals) },
  };
}

// The range of an axis of accuracies: all bounds within what is possible, and chance where that does not squeeze them.
function range(estimates, chance, room, [least, most] = [0, 1]) {
  const values = estimates.flatMap((one) => [one.mean, one.low, one.high]).filter(present);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const span = Math.max(high - low, 0.02);
  if (present(chance) && chance < low && low - chance < 1.2 * span) low = chance;
  return ticks(Math.max(low - 0.02 * span, least), Math.min(high + 0.02 * span, most), room);
}

function lineAt(value, label, along) {
  return {
    silent: true, symbol: 'none', animation: false, data: [{ [along]: value }],
    lineStyle: { color: colour('warm'), type: 'dashed', width: 1 },
    label: { formatter: label, color: colour('warm'), fontSize: 11, position: along === 'yAxis' ? 'insideEndTop' : 'end' },
  };
}

// Room for names left of an axis.
const leftOf = (names) => 14 + 6.6 * Math.max(4, ...names.map((text) => text.length));

// Counts on a logarithmic axis with a place for zero left of it.
const GAP = 0.7;

function logPlaces(counts) {
  const positive = counts.filter((value) => value > 0).map(Math.log10);
  const [low, high] = positive.length ? [Math.min(...positive) - 0.25, Math.max(...positive) + 0.25] : [0, 1];
  const zero = low - GAP;
  const hasZero = counts.some((value) => value === 0);
  const decades = [];
  const steps = high - low > 1.6 ? [1] : [1, 2, 5];
  for (let decade = Math.floor(low); decade <= Math.ceil(high); decade += 1) {
    steps.forEach((step) => decades.push(Math.log10(step * 10 ** decade)));
  }
  const ticks = decades.filter((tick) => tick >= low && tick <= high);
  return {
    place: (value) => (value > 0 ? Math.log10(value) : zero),
    min: hasZero ? zero - 0.3 : low,
    max: high,
    ticks: hasZero ? [zero, ...ticks] : ticks,
    label: (tick) => (hasZero && Math.abs(tick - zero) < 1e-9 ? '0' : shortCount(Number((10 ** tick).toPrecision(3)))),
  };
}

// One row for each task.
function taskAxis(names) {
  return axis({
    type: 'category', inverse: true, data: names.map((_, index) => `${index}`), axisLine: { show: false },
    axisLabel: { interval: 0, formatter: (index) => names[Number(index)], color: colour('text') },
  });
}
