// Placement x initialization: a heat map for each combination of the other factors, among them the grouping.
const AXES = ['placement', 'initialization'];
const SAID_BY_GROUPING = 'grouping_level';

function factorPanels() {
  const { name } = metric();
  const others = Object.keys(data.factors).filter((factor) => !AXES.includes(factor) && factor !== SAID_BY_GROUPING);
  const panels = new Map();
  for (const arm of shownArms().filter((one) => present(one.metrics[name].mean))) {
    const title = others.map((factor) => arm.factors[factor]).filter((level) => level !== '').join(', ') || 'all arms';
    if (!panels.has(title)) panels.set(title, []);
    panels.get(title).push(arm);
  }
  const levels = Object.fromEntries(AXES.map((factor) => [factor, [...new Set([...panels.values()].flat().map((arm) => arm.factors[factor]))]]));
  return { panels: [...panels].filter(([, arms]) => arms.length > 1), levels };
}

const PANEL = { width: 300, gap: 30, left: 120, top: 44 };

function panelLayout(width) {
  const { panels, levels } = factorPanels();
  const row = 26 * levels.placement.length;
  const columns = Math.max(1, Math.floor((width - 10) / (PANEL.width + PANEL.left)));
  return { panels, levels, row, columns, block: row + PANEL.top + 70 };
}

define('factors', {
  height: (width) => {
    const { panels, columns, block } = panelLayout(width);
    return Math.max(160, Math.ceil(panels.length / columns) * block + 30);
  },
  says: () => `Heat maps of ${metric().label} by placement and initialization, one for each combination of the other factors`,
  click: pickArm,
  option: (width) => {
    if (!data.metrics.length || !AXES.every((factor) => data.factors[factor])) return null;
    const { panels, levels, row, columns, block } = panelLayout(width);
    if (!panels.length) return null;
    const { name } = metric();
    const means = panels.flatMap(([, arms]) => arms.map((arm) => arm.metrics[name].mean));
    const each = width / columns;
    const left = Math.min(PANEL.left, 24 + 6.2 * Math.max(...levels.placement.map((level) => Math.min(16, level.length))));
    const boxes = panels.map((_, index) => ({ left: (index % columns) * each + left, top: Math.floor(index / columns) * block + PANEL.top, width: each - left - 16, height: row }));
    return {
      title: panels.map(([title], index) => ({ text: shortened(title, Math.floor(each / 8)), left: boxes[index].left - 4, top: boxes[index].top - 30, textStyle: { fontSize: 12, fontWeight: 600, color: colour('text') } })),
      grid: boxes,
      xAxis: boxes.map((_, index) => axis({ gridIndex: index, type: 'category', data: levels.initialization, splitLine: { show: false }, axisLabel: { interval: 0, rotate: levels.initialization.length > 3 ? 30 : 0, formatter: (level) => shortened(level || '(none)', 16) } })),
      yAxis: boxes.map((_, index) => axis({ gridIndex: index, type: 'category', inverse: true, data: levels.placement, axisLine: { show: false }, axisLabel: { interval: 0, formatter: (level) => shortened(level || '(none)', 16), color: colour('text') } })),
      visualMap: { ...sequence(Math.min(...means), Math.max(...means) + 1e-6), left: 'center', bottom: 0, dimension: 2, seriesIndex: panels.map((_, index) => index) },
      tooltip: { trigger: 'item', formatter: ({ data: cell }) => armTip(armOf.get(cell.arm), name) },
      series: panels.map(([, arms], index) => ({
        type: 'heatmap', xAxisIndex: index, yAxisIndex: index, itemStyle: { borderColor: colour('bg'), borderWidth: 2 },
        label: { show: each / levels.initialization.length > 60, fontSize: 11, formatter: ({ value }) => value[2].toFixed(3) },
        data: arms.map((arm) => ({ value: [levels.initialization.indexOf(arm.factors.initialization), levels.placement.indexOf(arm.factors.placement), arm.metrics[name].mean], arm: arm.id })),
      })),
    };
  },
});
