// What the reader chose, kept in the address (#section?key=value) so that a link shows the same view.
const state = { section: '', values: new Map() };
const listeners = [];
const onChange = (listener) => listeners.push(listener);
const chosen = (key, fallback = '') => state.values.get(key) ?? fallback;

function readAddress() {
  const [section, query] = location.hash.slice(1).split('?');
  state.section = section;
  state.values = new Map(new URLSearchParams(query || ''));
}

function address(section = state.section) {
  const query = new URLSearchParams([...state.values].sort()).toString();
  return `#${section}${query ? `?${query}` : ''}`;
}

function choose(key, value) {
  if (value) state.values.set(key, value);
  else state.values.delete(key);
  history.replaceState(null, '', address());
  listeners.forEach((listener) => listener());
}

function goTo(section) {
  state.section = section;
  history.replaceState(null, '', address());
  document.getElementById(section)?.scrollIntoView();
}

const measured = ({ label, chance }) => (present(chance) ? `${label} (chance ${share(chance)})` : label);
const metric = () => metricOf.get(chosen('metric')) || data.metrics[0];

// The arms that pass the filters, in the order of the table.
function shownArms() {
  const words = chosen('search').toLowerCase().split(/\s+/).filter(Boolean);
  return data.arms.filter(
    (arm) =>
      words.every((word) => arm.name.toLowerCase().includes(word)) &&
      Object.keys(data.factors).every((factor) => !chosen(factor) || arm.factors[factor] === chosen(factor)),
  );
}

// A select whose entries and value follow the state; it stays in place, so that it keeps the focus.
function addPicker(place, label, entries, value, onPick) {
  const select = element('select', {});
  select.addEventListener('change', () => onPick(select.value));
  place.append(element('label', { class: 'picker' }, label, select));
  onChange(() => options(select, entries(), value()));
}

const named = (ids) => ids.map((id) => [id, armOf.get(id).name]);
const pick = (id) => choose('arm', id);

function buildFilters() {
  const form = document.getElementById('filters');
  const search = element('input', { type: 'search', placeholder: 'arm', 'data-filter': 'search', size: 14 });
  search.addEventListener('input', () => choose('search', search.value));
  form.append(element('label', {}, 'Search', search));
  const selects = [];
  const add = (key, label, entries) => {
    const select = element('select', { 'data-filter': key });
    options(select, entries);
    select.addEventListener('change', () => choose(key, select.value));
    selects.push([key, select]);
    form.append(element('label', {}, label, select));
  };
  for (const [factor, levels] of Object.entries(data.factors)) {
    add(factor, factor.replace('_', ' '), [['', 'all'], ...levels.map((level) => [level, shortened(level || '(none)', 40)])]);
  }
  if (data.metrics.length > 1) add('metric', 'metric of the figures', data.metrics.map((one, i) => [i ? one.name : '', one.label]));
  const reset = element('button', { type: 'button' }, 'Reset');
  reset.addEventListener('click', () => {
    state.values.clear();
    choose('', '');
  });
  const shown = element('output', { 'aria-live': 'polite' });
  form.append(reset, shown);
  form.addEventListener('submit', (event) => event.preventDefault());
  onChange(() => {
    if (search !== document.activeElement) search.value = chosen('search');
    selects.forEach(([key, select]) => (select.value = chosen(key)));
    shown.textContent = `${shownArms().length} of ${data.arms.length} arms`;
    document.querySelectorAll('.metric').forEach((place) => (place.textContent = metric() ? measured(metric()) : ''));
  });
}

function buildContents() {
  const list = document.getElementById('contents');
  for (const section of document.querySelectorAll('main > section')) {
    const title = section.querySelector('h2');
    const link = element('a', { href: `#${section.id}` }, title ? title.textContent : section.getAttribute('aria-label'));
    link.addEventListener('click', (event) => {
      event.preventDefault();
      goTo(section.id);
    });
    list.append(element('li', {}, link));
  }
}
