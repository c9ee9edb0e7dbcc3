// Accuracy against added parameters, on a logarithmic axis with a place for zero left of it.
define('tradeoff', {
  height: (width) => Math.min(520, Math.max(340, width * 0.5)),
  says: () => `Scatter plot of ${metric().label} against added parameters; its numbers are in the table of arms`,
  click: pickArm,
  option: (width) => {
    if (!data.metrics.length) return null;
    const { name, label, chance } = metric();
    const arms = shownArms().filter((arm) => present(arm.metrics[name].mean) && present(arm.added));
    if (!arms.length) return null;
    const places = logPlaces(arms.map((arm) => arm.added));
    const rows = arms.map((arm) => {
      const { mean, low, high } = arm.metrics[name];
      return [places.place(arm.added), mean, low, high];
    });
    const side = (place) => (place > places.min + 0.78 * (places.max - places.min) ? 'left' : 'right');
    const bounded = arms.filter((arm) => present(arm.metrics[name].low));
    const named = (arm) => arms.length <= 12 || arm.front || data.references.includes(arm.name) || chosen('arm') === arm.id;
    const front = frontOf(arms, name).map((arm) => [places.place(arm.added), arm.metrics[name].mean]);
    if (front.length) front.push([places.max, front[front.length - 1][1]]);
    return {
      grid: { left: 58, right: 24, top: 18, bottom: 48 },
      xAxis: axis({
        type: 'value', min: places.min, max: places.max, name: 'added parameters', nameLocation: 'middle', nameGap: 30,
        axisLabel: { customValues: places.ticks, formatter: places.label }, splitLine: { show: false },
        axisTick: { show: true, customValues: places.ticks, lineStyle: { color: colour('line') } },
      }),
      yAxis: axis({ type: 'value', ...range([...arms.map((arm) => arm.metrics[name]), ...(name === data.metrics[0].name ? data.band : [])], chance, width < 560 ? 4 : 7), name: width < 520 ? '' : label, nameLocation: 'middle', nameGap: 42 }),
      tooltip: { trigger: 'item', formatter: ({ data: point }) => (point?.arm ? armTip(armOf.get(point.arm), name) : '') },
      series: [
        ...frontBand(places, name),
        { type: 'line', step: 'end', data: front, symbol: 'none', silent: true, z: 1, lineStyle: { color: colour('accent'), width: 1.5, opacity: 0.55 } },
        intervals(rows, true, (index) => armColour(bounded[index])),
        {
          type: 'scatter', z: 3, symbolSize: 10,
          data: arms.map((arm, index) => ({
            value: rows[index].slice(0, 2), arm: arm.id,
            symbol: arm.name === 'shared' ? 'rect' : arm.name === 'separate' ? 'diamond' : 'circle',
            itemStyle: { color: armColour(arm), borderColor: colour('bg'), borderWidth: 1 },
            label: { show: named(arm), formatter: shortened(arm.name, 34), position: side(rows[index][0]), distance: 6, color: arm.front || chosen('arm') === arm.id ? colour('text') : colour('muted'), fontSize: 11 },
          })),
          labelLayout: () => ({ dy: -9, moveOverlap: 'shiftY', hideOverlap: true }),
          emphasis: { scale: 1.5 },
          markLine: present(chance) ? lineAt(chance, `chance ${share(chance)}`, 'yAxis') : undefined,
        },
      ],
    };
  },
});

// The band of the highest accuracy at a cost: for the first metric, over all arms of the study.
function frontBand(places, name) {
  if (!data.band.length || name !== data.metrics[0].name || shownArms().length < data.arms.length) return [];
  const steps = data.band.map((step, index) => [places.place(step.cost), index + 1 < data.band.length ? places.place(data.band[index + 1].cost) : places.max, step]);
  const edge = (side) => steps.flatMap(([from, to, step]) => [[from, step[side]], [to, step[side]]]);
  const corners = [...edge('low'), ...edge('high').reverse()];
  return [{
    type: 'custom', silent: true, z: 0, clip: true, encode: { x: 0, y: [1, 2] }, data: [[corners[0][0], Math.min(...data.band.map((step) => step.low)), Math.max(...data.band.map((step) => step.high))]],
    renderItem: (params, api) => ({ type: 'polygon', shape: { points: corners.map((corner) => api.coord(corner)) }, style: { fill: colour('accent'), opacity: 0.1 } }),
  }];
}

// The arms that no other arm beats on both, by added parameters.
function frontOf(arms, name) {
  const mean = (arm) => arm.metrics[name].mean;
  return arms
    .filter((arm) => !arms.some((rival) => (rival.added < arm.added && mean(rival) >= mean(arm)) || (rival.added <= arm.added && mean(rival) > mean(arm))))
    .sort((one, other) => one.added - other.added);
}
