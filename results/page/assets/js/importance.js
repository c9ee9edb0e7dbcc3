// What matters: importances over tune trials, and shares of the variance between confirm trials.
const importanceResponses = () => [...new Set(['tune', 'confirm'].flatMap((kind) => Object.keys(data.importance[kind])))];
const importanceResponse = () => (importanceResponses().includes(chosen('response')) ? chosen('response') : importanceResponses()[0]);
const effectsOf = (kind) => data.importance[kind][importanceResponse()] || [];

function effectBars(kind, name, tint, says) {
  const shown = () => effectsOf(kind).slice(0, 20);
  define(kind === 'tune' ? 'importance' : 'variance', {
    height: () => 74 + 26 * Math.max(2, shown().length),
    says: () => `Bars of ${says} for ${importanceResponse()}; the numbers are below`,
    option: (width) => {
      const effects = shown();
      if (!effects.length) return null;
      const names = effects.map((effect) => shortened(effect.name, width < 420 ? 20 : 32));
      return {
        title: { text: says, left: 0, top: 0, textStyle: { fontSize: 13, fontWeight: 600, color: colour('text') } },
        grid: { left: leftOf(names), right: 20, top: 28, bottom: 42 },
        xAxis: axis({ type: 'value', min: 0, max: 1, name: `${name} for ${importanceResponse()}`, nameLocation: 'middle', nameGap: 24, axisLabel: { hideOverlap: true } }),
        yAxis: axis({ type: 'category', inverse: true, data: names.map((_, index) => `${index}`), axisLine: { show: false }, axisLabel: { interval: 0, formatter: (index) => names[Number(index)], color: colour('text') } }),
        tooltip: { trigger: 'item', formatter: ({ dataIndex }) => tip(effects[dataIndex].name, `${name} ${estimate({ ...effects[dataIndex], mean: effects[dataIndex].value })}`, present(effects[dataIndex].p) && `F test: p = ${Number(effects[dataIndex].p.toPrecision(2))}`) },
        series: [
          { type: 'bar', barWidth: '58%', data: effects.map((effect) => ({ value: effect.value, itemStyle: { color: tint(effect) ? colour('accent') : colour('point'), opacity: 0.75 } })) },
          intervals(effects.map((effect, index) => [index, effect.value, effect.low, effect.high]), false, () => colour('text')),
        ],
      };
    },
  });
}
effectBars('tune', 'importance', (effect) => effect.kind === 'factor', 'tune trials');
effectBars('confirm', 'share of variance', (effect) => present(effect.p) && effect.p < 0.05, 'confirm trials');

function buildImportance() {
  const responses = importanceResponses();
  addPicker(document.querySelector('#importance .pick'), 'For', () => responses.map((name) => [name, name]), importanceResponse, (name) => choose('response', name));
}
