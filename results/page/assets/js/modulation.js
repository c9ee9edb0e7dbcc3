// Modulation vectors: a task x channel map of one point, and the tree of tasks beside the association of labels.
const vectorArms = () => Object.keys(data.modulation.arms);
const vectorArm = () => (vectorArms().includes(chosen('arm')) ? chosen('arm') : vectorArms()[0]);
const vectors = () => data.modulation.arms[vectorArm()];
const points = () => Object.keys(vectors().points);
const point = () => (points().includes(chosen('point')) ? chosen('point') : points()[points().length - 1]);

define('vectors', {
  renderer: 'canvas',
  height: () => 100 + Math.max(18, Math.min(30, 400 / data.modulation.tasks.length)) * data.modulation.tasks.length,
  says: () => `Factors of ${armOf.get(vectorArm()).name} at ${point()} by task and channel`,
  option: (width) => {
    const { tasks } = data.modulation;
    const rows = vectors().points[point()];
    const names = tasks.map((task) => shortened(task, width < 560 ? 12 : 26));
    const flat = rows.flat();
    const [low, high] = [Math.min(...flat), Math.max(...flat)];
    const around = low < 1 && high > 1 ? Math.max(high - 1, 1 - low) : 0;
    const scale = around ? scaled(1 - around, 1 + around, [colour('minus'), colour('zero'), colour('plus')], share) : sequence(low, high + 1e-6);
    return {
      grid: { left: leftOf(names), right: 16, top: 8, bottom: 88 },
      xAxis: axis({ type: 'category', data: rows[0].map((_, index) => index), name: 'channel', nameLocation: 'middle', nameGap: 24, splitLine: { show: false } }),
      yAxis: taskAxis(names),
      visualMap: { ...scale, left: 'center', bottom: 0 },
      tooltip: { trigger: 'item', formatter: ({ value }) => tip(tasks[value[1]], `channel ${value[0]} of ${point()}`, `factor ${share(value[2])}`) },
      series: [{ type: 'heatmap', progressive: 0, data: rows.flatMap((row, at) => row.map((value, channel) => [channel, at, value])) }],
    };
  },
});

// The tree (left), similarity of vectors and association of labels, with tasks in the order of the tree.
define('tree', {
  height: (width) => {
    const { tasks, labels } = data.modulation;
    const block = Math.max(150, 24 * tasks.length);
    return width < 760 ? (labels ? 3 : 2) * (block + 60) + 95 : block + 165;
  },
  says: () => `Tree of tasks by the modulation of ${armOf.get(vectorArm()).name}, similarity of vectors and association of labels`,
  option: (width) => {
    const { tasks, labels } = data.modulation;
    const { tree, similarity } = vectors();
    if (!tree) return null;
    const stacked = width < 760;
    const block = Math.max(150, 24 * tasks.length);
    const names = tree.order.map((task) => shortened(tasks[task], width < 560 ? 12 : 22));
    const left = leftOf(names);
    const count = labels ? 3 : 2;
    const room = stacked ? width - left - 16 : (width - left - 16 - 24 * (count - 1)) / count;
    const boxes = [...Array(count).keys()].map((at) => (stacked ? { left, top: 30 + at * (block + 60), width: room, height: block } : { left: left + at * (room + 24), top: 30, width: room, height: block }));
    const titles = ['tree of tasks (height: 1 \u2212 similarity)', `similarity of vectors, mean over ${vectors().seeds} seeds`, 'association of labels (Cram\u00e9r\u2019s V)'];
    const cells = (matrix) => tree.order.flatMap((one, row) => tree.order.map((other, column) => [column, row, one === other ? '-' : matrix[one][other] ?? '-']));
    const highest = Math.max(...tree.joins.flat().map((corner) => corner[1]), 0.01);
    const places = names.map((_, index) => `${index}`);
    const across = (at) => axis({ gridIndex: at, type: 'category', data: places, splitLine: { show: false }, axisLine: { show: false }, axisLabel: { interval: 0, rotate: 60, fontSize: 10, formatter: (index) => shortened(tasks[tree.order[Number(index)]], 12) } });
    const down = (at) => ({ ...taskAxis(names), gridIndex: at, axisLabel: { ...taskAxis(names).axisLabel, show: at === 0 || stacked } });
    const maps = [similarity, ...(labels ? [labels] : [])];
    return {
      title: boxes.map((box, at) => ({ text: titles[at], left: box.left, top: box.top - 24, textStyle: { fontSize: 12, fontWeight: 600, color: colour('text') } })),
      grid: boxes,
      xAxis: [axis({ gridIndex: 0, type: 'value', ...ticks(0, highest, 4) }), ...maps.map((_, at) => across(at + 1))],
      yAxis: [down(0), ...maps.map((_, at) => down(at + 1))],
      visualMap: { ...diverging(-1, 1), left: 'center', bottom: 0, dimension: 2, seriesIndex: maps.map((_, at) => at + 1) },
      tooltip: { trigger: 'item', formatter: ({ seriesIndex, value }) => (value && value[2] !== '-' ? tip(`${tasks[tree.order[value[1]]]} and ${tasks[tree.order[value[0]]]}`, `${seriesIndex === 1 ? 'similarity of vectors' : 'Cram\u00e9r\u2019s V of labels'} ${signed(value[2])}`) : '') },
      series: [
        {
          type: 'custom', silent: true, xAxisIndex: 0, yAxisIndex: 0, data: tree.joins.map((_, index) => [0, 0, index]), encode: { x: 0, y: 1 },
          renderItem: (params, api) => {
            const [, step] = api.size([0, 1]);
            const [, first] = api.coord([0, 0]);
            const at = ([place, height]) => [api.coord([height, 0])[0], first + place * step];
            return { type: 'polyline', shape: { points: tree.joins[params.dataIndex].map(at) }, style: { stroke: colour('text'), fill: 'none', lineWidth: 1.3 } };
          },
        },
        ...maps.map((matrix, at) => ({ type: 'heatmap', xAxisIndex: at + 1, yAxisIndex: at + 1, data: cells(matrix), itemStyle: { borderColor: colour('bg'), borderWidth: 1 } })),
      ],
    };
  },
});

function buildModulation() {
  const place = document.querySelector('#modulation .pick');
  if (!place) return;
  const note = document.querySelector('#modulation .fit');
  const caption = document.querySelector('#modulation .of-arm');
  addPicker(place, 'Arm', () => named(vectorArms()), vectorArm, pick);
  addPicker(place, 'Modulation point', () => points().map((name) => [name, name]), point, (name) => choose('point', name));
  onChange(() => {
    const { correlation, tree } = vectors();
    caption.textContent = vectors().caption.map(([, text]) => text).join(' \u00b7 ');
    note.textContent = [
      !tree && 'No tree: the factors do not differ between tasks, or there are fewer than three tasks.',
      present(correlation) && `Over pairs of tasks, similarity and association of labels correlate with Spearman\u2019s \u03c1 = ${signed(correlation).slice(0, 5)}.`,
    ].filter(Boolean).join(' ');
  });
}
