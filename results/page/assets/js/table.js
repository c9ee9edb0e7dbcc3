// The table of arms: sorting, filtering, columns that are shown on demand, and one arm picked out in all figures. `valueOf`
// gives what a column sorts by.
function compareBy(key, direction) {
  return (one, other) => {
    const [a, b] = [valueOf(key, one), valueOf(key, other)];
    if (!present(a) || !present(b)) return present(b) - present(a);
    return direction * (typeof a === 'string' ? a.localeCompare(b) : a - b);
  };
}

// A name that may break before a plus sign rather than within a number.
function breakable(name) {
  return name.split(/(?=\+)/).flatMap((part, index) => (index ? [element('wbr', {}), part] : [part]));
}

// A button for the columns that few readers need. Without this code, and on paper, all of them show.
function buildMoreColumns(table) {
  const keys = [...table.tHead.querySelectorAll('th.more')].map((head) => head.dataset.key);
  if (!keys.length) return;
  const button = element('button', { type: 'button', class: 'columns', 'aria-controls': table.id });
  const all = () => chosen('columns') === 'all';
  button.addEventListener('click', () => {
    if (all() && keys.includes(chosen('sort').replace(/^-/, ''))) choose('sort', ''); // nothing is ordered by what cannot be seen
    choose('columns', all() ? '' : 'all');
  });
  table.parentElement.before(button);
  onChange(() => {
    table.classList.toggle('brief', !all());
    button.textContent = all() ? 'Fewer columns' : 'More columns';
    button.setAttribute('aria-expanded', String(all()));
  });
}

function buildArms() {
  const table = document.getElementById('arms-table');
  const body = table.tBodies[0];
  buildMoreColumns(table);
  const rows = new Map([...body.rows].map((row) => [row.dataset.arm, row]));
  for (const [id, row] of rows) {
    const cell = row.cells[0];
    const button = element('button', { type: 'button', title: 'Pick this arm out in all figures' }, ...breakable(cell.textContent));
    button.addEventListener('click', () => choose('arm', chosen('arm') === id ? '' : id));
    cell.replaceChildren(button);
  }
  const heads = [...table.tHead.querySelectorAll('th[data-key]')];
  for (const head of heads) {
    const place = head.querySelector('.head');
    const button = element('button', { type: 'button', title: place.title || null }, place.textContent);
    button.addEventListener('click', () => {
      const first = head.dataset.key === 'name' ? '' : '-';
      const opposite = first ? '' : '-';
      choose('sort', chosen('sort') === first + head.dataset.key ? opposite + head.dataset.key : first + head.dataset.key);
    });
    place.replaceChildren(button);
  }
  onChange(() => {
    const shown = new Set(shownArms().map((arm) => arm.id));
    const sort = chosen('sort');
    const key = sort.replace(/^-/, '');
    const order = sort ? [...data.arms].sort(compareBy(key, sort.startsWith('-') ? -1 : 1)) : data.arms;
    body.append(...order.map((arm) => rows.get(arm.id)).filter(Boolean));
    for (const [id, row] of rows) {
      row.hidden = !shown.has(id);
      row.setAttribute('aria-selected', String(chosen('arm') === id));
    }
    for (const head of heads) {
      if (head.dataset.key === key && sort) head.setAttribute('aria-sort', sort.startsWith('-') ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    }
  });
}

const pickArm = (event) => event.data?.arm && choose('arm', chosen('arm') === event.data.arm ? '' : event.data.arm);

// The numbers of a figure as a table, for readers who cannot see it, made when it is opened.
function table({ head, body }) {
  const cell = (tag, attributes) => (text) => element(tag, attributes, text);
  return element(
    'table', { class: 'data' },
    element('thead', {}, element('tr', {}, ...head.map(cell('th', { scope: 'col' })))),
    element('tbody', {}, ...body.map(([first, ...rest]) => element('tr', {}, element('th', { scope: 'row' }, first), ...rest.map(cell('td', { class: 'number' }))))),
  );
}

function buildNumbers() {
  for (const place of document.querySelectorAll('details[data-numbers]')) {
    const room = element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Numbers of the figure' });
    place.append(room);
    const fill = () => place.open && room.replaceChildren(table(numbers[place.dataset.numbers]()));
    place.addEventListener('toggle', fill);
    onChange(fill);
  }
}
