// Performance profiles, and every arm against the reference: probability of improvement and relative gain.
define('profiles', {
  height: (width) => Math.min(460, Math.max(320, width * 0.45)),
  says: () => `Performance profiles: share of runs above each ${data.metrics[0].label}, for every arm`,
  option: (width) => {
    const { thresholds, profiles } = data.performance;
    const arms = shownArms().filter((arm) => profiles[arm.id]);
    if (!arms.length) return null;
    const { strong, tint } = emphasis(arms);
    const wide = width > 640;
    return {
      legend: { type: 'scroll', top: 0, data: arms.filter(strong).map((arm) => arm.id), formatter: (id) => shortened(armOf.get(id).name, 24), textStyle: { color: colour('text') } },
      grid: { left: 58, right: 24, top: 40, bottom: 44 },
      xAxis: axis({ type: 'value', min: thresholds[0], max: thresholds[thresholds.length - 1], name: data.metrics[0].label, nameLocation: 'middle', nameGap: 26, splitNumber: wide ? 7 : 4, axisLabel: { hideOverlap: true, showMinLabel: false, showMaxLabel: false, formatter: (value) => value.toFixed(2) } }),
      yAxis: axis({ type: 'value', min: 0, max: 1, name: wide ? 'share of runs above' : '', nameLocation: 'middle', nameGap: 40 }),
      tooltip: {
        trigger: 'item',
        formatter: ({ seriesId, dataIndex }) => {
          const { share: shares, low, high } = profiles[seriesId];
          return tip(armOf.get(seriesId).name, `above ${thresholds[dataIndex].toFixed(3)}: ${estimate({ mean: shares[dataIndex], low: low[dataIndex], high: high[dataIndex] })} of its runs`);
        },
      },
      series: arms.flatMap((arm) => {
        const own = profiles[arm.id];
        return [
          ...(strong(arm) && present(own.low[0]) ? [band(arm, { epochs: thresholds, low: own.low, high: own.high }, tint(arm))] : []),
          {
            type: 'line', id: arm.id, name: arm.id, z: strong(arm) ? 3 : 2, showSymbol: false, data: thresholds.map((threshold, index) => [threshold, own.share[index]]),
            color: tint(arm), lineStyle: { width: strong(arm) ? 2 : 1, opacity: strong(arm) ? 1 : 0.4 }, emphasis: { focus: 'series' }, triggerLineEvent: true,
          },
        ];
      }),
    };
  },
});

function againstReference(chart, values, options) {
  define(chart, {
    height: () => 62 + 22 * Math.max(2, shownArms().filter((arm) => values()[arm.id]).length),
    says: () => `Arms by ${options.name()} with intervals; the numbers are below`,
    click: pickArm,
    option: (width) => {
      const found = values();
      const arms = shownArms().filter((arm) => found[arm.id] && present(found[arm.id].mean)).sort((one, other) => found[one.id].mean - found[other.id].mean);
      if (!arms.length) return null;
      const names = arms.map((arm) => shortened(arm.name, width < 420 ? 16 : 28));
      const told = (arm) => data.performance.told.includes(arm.id);
      const bounded = arms.filter((arm) => present(found[arm.id].low));
      return {
        grid: { left: leftOf(names), right: 24, top: 8, bottom: 40 },
        xAxis: axis({ type: 'value', ...options.scale(arms.map((arm) => found[arm.id]), width), name: options.name(), nameLocation: 'middle', nameGap: 24 }),
        yAxis: axis({ type: 'category', data: names.map((_, index) => `${index}`), axisLabel: { interval: 0, formatter: (index) => names[Number(index)], color: colour('text') }, axisLine: { show: false } }),
        tooltip: { trigger: 'item', formatter: ({ data: point }) => point?.arm && tip(armOf.get(point.arm).name, `${options.name()} ${estimate(found[point.arm], options.show)}`, `n = ${found[point.arm].n} common seeds`) },
        series: [
          intervals(arms.map((arm, index) => [index, found[arm.id].mean, found[arm.id].low, found[arm.id].high]), false, (index) => armColour(bounded[index])),
          {
            type: 'scatter', symbolSize: 9, z: 3,
            data: arms.map((arm, index) => ({ value: [found[arm.id].mean, index], arm: arm.id, itemStyle: { color: told(arm) ? armColour(arm) : colour('bg'), borderColor: armColour(arm), borderWidth: 1.5 } })),
            markLine: lineAt(options.even, '', 'xAxis'),
          },
        ],
      };
    },
  });
}
againstReference('improvement', () => data.performance.improvement, {
  even: 0.5, show: share, name: () => `probability of beating ${shortened(data.performance.reference, 24)}`, scale: () => ({ min: 0, max: 1 }),
});
againstReference('relative', () => data.performance.relative, {
  even: 0, show: signed, name: () => `relative gain over ${shortened(data.performance.reference, 24)}`, scale: (found, width) => range([...found, { mean: 0 }], null, width < 420 ? 3 : 6, [-Infinity, Infinity]),
});
