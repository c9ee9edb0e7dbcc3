// Arms by accuracy, with their intervals; hollow: the seeds show that another arm is better.
const tied = (arm, name) => name !== data.metrics[0].name || !data.tied.length || data.tied.includes(arm.name);

define('ranking', {
  height: () => 58 + 22 * Math.max(2, shownArms().length),
  says: () => `Arms ranked by ${metric().label} with intervals; the numbers are in the table of arms`,
  click: pickArm,
  option: (width) => {
    if (!data.metrics.length) return null;
    const { name, label, chance } = metric();
    const arms = shownArms().filter((arm) => present(arm.metrics[name].mean)).sort((one, other) => one.metrics[name].mean - other.metrics[name].mean);
    if (!arms.length) return null;
    const rows = arms.map((arm, index) => [index, arm.metrics[name].mean, arm.metrics[name].low, arm.metrics[name].high]);
    const bounded = arms.filter((arm) => present(arm.metrics[name].low));
    const characters = width < 560 ? 18 : 36;
    const names = arms.map((arm) => shortened(arm.name, characters));
    return {
      grid: { left: 16 + 6.6 * Math.max(...names.map((text) => text.length)), right: 30, top: 22, bottom: 36 },
      xAxis: axis({ type: 'value', ...range(arms.map((arm) => arm.metrics[name]), chance, width < 560 ? 4 : 7), name: label, nameLocation: 'middle', nameGap: 24 }),
      yAxis: axis({ type: 'category', data: names.map((text, index) => ({ value: `${index}`, textStyle: { color: colour('text') } })), axisLabel: { interval: 0, formatter: (index) => names[Number(index)] }, axisLine: { show: false } }),
      tooltip: { trigger: 'item', formatter: ({ data: point }) => (point?.arm ? armTip(armOf.get(point.arm), name) : '') },
      series: [
        intervals(rows, false, (index) => armColour(bounded[index])),
        {
          type: 'scatter', symbolSize: 9, z: 3,
          data: arms.map((arm, index) => ({ value: [arm.metrics[name].mean, index], arm: arm.id, itemStyle: tied(arm, name) ? { color: armColour(arm), borderColor: armColour(arm), borderWidth: 1.5 } : { color: colour('bg'), borderColor: armColour(arm), borderWidth: 1.5 } })),
          markLine: present(chance) ? lineAt(chance, `chance ${share(chance)}`, 'xAxis') : undefined,
        },
      ],
    };
  },
});

// Any two arms, paired by seed.
function pairOf(one, other) {
  const { arms, rule, ...columns } = data.pairs;
  const [i, j] = [arms.indexOf(one), arms.indexOf(other)];
  if (i < 0 || j < 0 || i === j) return null;
  const [row, column] = [Math.min(i, j), Math.max(i, j)];
  const at = row * arms.length - (row * (row + 1)) / 2 + column - row - 1;
  const found = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[at]]));
  if (i < j || !present(found.mean)) return found;
  return { ...found, mean: -found.mean, low: present(found.high) ? -found.high : null, high: present(found.low) ? -found.low : null };
}

function pairSentence(one, other) {
  const found = pairOf(one.id, other.id);
  if (!found || !present(found.mean)) return 'Choose two arms that have a seed in common.';
  if (!present(found.low)) return `${one.name} minus ${other.name}: ${signed(found.mean)} over one common seed; no interval, so no conclusion.`;
  const size = `${estimate(found, signed)}, n = ${found.n} common seeds, p = ${Number(found.p_holm.toPrecision(2))} (${data.pairs.rule})`;
  if (found.told) return `${one.name} ${found.mean > 0 ? 'beats' : 'stays below'} ${other.name}: ${size}.`;
  const alone = found.low > 0 || found.high < 0 ? '; zero lies outside the interval of this pair alone, but not after the correction' : '';
  return `${one.name} and ${other.name} cannot be told apart at this number of seeds: ${size}${alone}.`;
}

function buildPairs() {
  const place = document.querySelector('#ranking .pick');
  const said = document.querySelector('#ranking .pair');
  const ids = data.pairs.arms;
  if (ids.length < 2) return;
  const one = () => (ids.includes(chosen('arm')) ? chosen('arm') : [bestArm().id, ...ids].find((id) => ids.includes(id)));
  const other = () => [chosen('against'), reference()?.id, ...ids].find((id) => ids.includes(id) && id !== one());
  addPicker(place, 'Compare', () => named(ids), one, pick);
  addPicker(place, 'with', () => named(ids), other, (id) => choose('against', id));
  onChange(() => (said.textContent = pairSentence(armOf.get(one()), armOf.get(other()))));
}
