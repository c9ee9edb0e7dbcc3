// Curves of all arms over epochs; the picked arm, the front and the references with their spread over seeds.
const curveNames = () => [...new Set(data.arms.flatMap((arm) => Object.keys(arm.curves || {})))];
const curveName = () => (curveNames().includes(chosen('curve')) ? chosen('curve') : curveNames()[0]);

function band(arm, curve, tint) {
  const corners = [
    ...curve.epochs.map((epoch, index) => [epoch, curve.low[index]]),
    ...[...curve.epochs.keys()].reverse().map((index) => [curve.epochs[index], curve.high[index]]),
  ].filter((corner) => present(corner[1]));
  return {
    type: 'custom', silent: true, z: 1, clip: true, encode: { x: 0, y: 1 }, data: corners.length ? [corners[0]] : [],
    renderItem: (params, api) => ({ type: 'polygon', shape: { points: corners.map((corner) => api.coord(corner)) }, style: { fill: tint, opacity: 0.14 } }),
  };
}

// Which arms stand out (of many: the front, the references and the one picked out), and the colour of each.
function emphasis(arms) {
  const few = arms.length <= 8;
  const strong = (arm) => few || arm.front || data.references.includes(arm.name) || chosen('arm') === arm.id;
  const palette = ['accent', 'warm', 'good', 'bad', 'hue-5', 'hue-6', 'hue-7', 'hue-8'].map(colour);
  const marked = arms.filter(strong);
  return { strong, marked, tint: (arm) => (strong(arm) ? palette[marked.indexOf(arm) % palette.length] : colour('point')) };
}

define('curves', {
  height: (width) => Math.min(480, Math.max(320, width * 0.45)),
  says: () => `Curves of ${curveName()} over epochs for every arm`,
  option: (width) => {
    const name = curveName();
    const arms = shownArms().filter((arm) => arm.curves?.[name]);
    if (!arms.length) return null;
    const { strong, marked, tint } = emphasis(arms);
    const spreads = marked.flatMap((arm) => [...arm.curves[name].low, ...arm.curves[name].high]);
    const values = [...arms.flatMap((arm) => arm.curves[name].mean), ...spreads].filter(present);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pad = 0.04 * Math.max(high - low, 1e-9);
    const wide = width > 640;
    return {
      legend: wide ? undefined : { type: 'scroll', top: 0, data: marked.map((arm) => arm.id), formatter: (id) => shortened(armOf.get(id).name, 24), textStyle: { color: colour('text') } },
      grid: { left: 60, right: wide ? 220 : 20, top: wide ? 16 : 40, bottom: 44 },
      xAxis: axis({ type: 'value', min: 'dataMin', max: 'dataMax', name: 'epoch', nameLocation: 'middle', nameGap: 26, minInterval: 1, splitLine: { show: false } }),
      yAxis: axis({ type: 'value', ...ticks(low - pad, high + pad), name: wide ? name.replaceAll('_', ' ') : '', nameLocation: 'middle', nameGap: 44 }),
      tooltip: {
        trigger: 'item',
        formatter: ({ seriesId, value }) => {
          const arm = armOf.get(seriesId);
          const curve = arm.curves[name];
          const at = curve.epochs.indexOf(value[0]);
          return tip(arm.name, `epoch ${value[0]}: ${Number(value[1].toPrecision(4))}`, present(curve.low[at]) && `seeds from ${Number(curve.low[at].toPrecision(4))} to ${Number(curve.high[at].toPrecision(4))}, n = ${curve.n}`);
        },
      },
      series: arms.flatMap((arm) => [
        ...(strong(arm) ? [band(arm, arm.curves[name], tint(arm))] : []),
        {
          type: 'line', id: arm.id, name: arm.id, z: strong(arm) ? 3 : 2, symbol: 'circle', symbolSize: 4, showSymbol: arm.curves[name].epochs.length < 12,
          data: arm.curves[name].epochs.map((epoch, index) => [epoch, arm.curves[name].mean[index] ?? '-']),
          color: tint(arm), lineStyle: { width: strong(arm) ? 2 : 1, opacity: strong(arm) ? 1 : 0.4 },
          endLabel: { show: wide && strong(arm), formatter: shortened(arm.name, 30), color: tint(arm), fontSize: 11 },
          labelLayout: { moveOverlap: 'shiftY' }, emphasis: { focus: 'series' }, triggerLineEvent: true,
        },
      ]),
    };
  },
});

function buildCurves() {
  const place = document.querySelector('#curves .pick');
  if (place && curveNames().length > 1) {
    addPicker(place, 'Curve', () => curveNames().map((name) => [name, name.replaceAll('_', ' ')]), curveName, (name) => choose('curve', name));
  }
}
