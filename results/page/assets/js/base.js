// The data, elements and numbers. Text enters the page through textContent alone.
const data = JSON.parse(document.getElementById('data').textContent);
const armOf = new Map(data.arms.map((arm) => [arm.id, arm]));
const metricOf = new Map(data.metrics.map((metric) => [metric.name, metric]));

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const present = (value) => value !== null && value !== undefined;
const share = (value) => (present(value) ? value.toFixed(3) : '-');
const signed = (value) => (present(value) ? (value < 0 ? '\u2212' : '+') + Math.abs(value).toFixed(3) : '-');
const count = (value) => (present(value) ? Math.round(value).toLocaleString('en-US') : '-');
const percent = (value) => (present(value) ? `${value < 0.1 && value > 0 ? Number((100 * value).toPrecision(2)) : (100 * value).toFixed(0)} %` : '-');
const shortened = (text, longest) =>
  text.length <= longest ? text : `${text.slice(0, Math.ceil(longest / 2) - 1)}\u2026${text.slice(1 - longest / 2)}`;

function shortCount(value) {
  for (const [size, suffix] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
    if (value >= size) return `${Number((value / size).toPrecision(3))}${suffix}`;
  }
  return String(Number(value.toPrecision(3)));
}

function estimate(value, show = share) {
  if (!value || !present(value.mean)) return '-';
  return present(value.low) ? `${show(value.mean)} [${show(value.low)}, ${show(value.high)}]` : show(value.mean);
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// A tooltip: a bold head and lines of plain text.
function tip(head, ...lines) {
  return element('div', { class: 'tip' }, element('b', {}, head), ...lines.filter(Boolean).map((line) => element('span', {}, line)));
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => element('option', { value, selected: value === chosen }, text)));
}
