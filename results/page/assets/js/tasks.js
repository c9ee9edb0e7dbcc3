// Accuracy by task: one arm beside the references, its gain over separate networks, and the gains of all arms.
const reference = () => data.arms.find((arm) => arm.name === 'separate') || data.arms.find((arm) => arm.name === 'shared');

function bestArm() {
  const name = data.metrics[0].name;
  const rivals = data.arms.filter((arm) => !data.references.includes(arm.name) && present(arm.metrics[name].mean));
  return rivals.sort((one, other) => other.metrics[name].mean - one.metrics[name].mean)[0] || data.arms[0];
}

const pickedArm = () => armOf.get(chosen('arm')) || bestArm();

function taskNames(width) {
  const longest = width < 560 ? 14 : 26;
  return data.tasks.map((task) => shortened(task.name, longest));
}

define('tasks', {
  height: () => 96 + 34 * data.tasks.length,
  says: () => `Accuracy by task of ${pickedArm().name} beside the reference arms`,
  option: (width) => {
    if (!data.tasks.length) return null;
    const names = taskNames(width);
    const others = data.arms.filter((arm) => data.references.includes(arm.name) && arm.id !== pickedArm().id);
    const shown = [pickedArm(), ...others];
    const look = (arm) => (arm.id === pickedArm().id ? colour('accent') : arm.name === 'separate' ? colour('warm') : colour('point'));
    const values = shown.flatMap((arm) => arm.tasks.filter(Boolean));
    const chances = data.tasks.map((task) => ({ mean: task.chance }));
    const series = shown.flatMap((arm, place) => {
      const shift = 0.22 * (place - (shown.length - 1) / 2);
      const rows = arm.tasks.map((one, index) => [index, one?.mean, one?.low, one?.high]);
      return [
        intervals(rows, false, () => look(arm), shift),
        {
          type: 'custom', name: shortened(arm.name, 30), z: 3, itemStyle: { color: look(arm) },
          data: arm.tasks.map((one, index) => ({ value: [one?.mean, index], shift, arm: arm.id })).filter((row) => present(row.value[0])),
          encode: { x: 0, y: 1 },
          renderItem: (params, api) => {
            const [x, y] = api.coord([api.value(0), api.value(1)]);
            return { type: 'circle', shape: { cx: x, cy: y + shift * api.size([0, 1])[1], r: 4.5 }, style: { fill: look(arm) } };
          },
        },
      ];
    });
    return {
      legend: { top: 0, left: 'center', itemWidth: 10, itemHeight: 10, icon: 'circle', selectedMode: false, textStyle: { color: colour('text') }, data: shown.map((arm) => ({ name: shortened(arm.name, 30), itemStyle: { color: look(arm) } })) },
      grid: { left: leftOf(names), right: 20, top: 34, bottom: 44 },
      xAxis: axis({ type: 'value', ...range([...values, ...chances], null, width < 560 ? 4 : 7), name: data.metrics[0].label, nameLocation: 'middle', nameGap: 26 }),
      yAxis: taskAxis(names),
      tooltip: {
        trigger: 'item',
        formatter: ({ data: point }) => point?.arm && tip(data.tasks[point.value[1]].name, `${armOf.get(point.arm).name} ${estimate(armOf.get(point.arm).tasks[point.value[1]])}`, `chance ${share(data.tasks[point.value[1]].chance)}`, data.tasks[point.value[1]].remark),
      },
      series: [
        ...series,
        {
          type: 'custom', silent: true, z: 1, data: data.tasks.map((task, index) => [task.chance, index]).filter((row) => present(row[0])), encode: { x: 0, y: 1 },
          renderItem: (params, api) => {
            const [x, y] = api.coord([api.value(0), api.value(1)]);
            const half = 0.38 * api.size([0, 1])[1];
            return { type: 'line', shape: { x1: x, x2: x, y1: y - half, y2: y + half }, style: { stroke: colour('muted'), lineDash: [3, 2] } };
          },
        },
      ],
    };
  },
});

define('gains', {
  height: () => 96 + 34 * data.tasks.length,
  says: () => `Gain of ${pickedArm().name} over separate networks by task`,
  option: (width) => {
    const gains = pickedArm().gains;
    if (!gains.some(Boolean)) return null;
    const names = taskNames(width);
    const bounds = gains.filter(Boolean).flatMap((one) => [one.mean, one.low, one.high]).filter(present);
    const widest = Math.max(0.01, ...bounds.map(Math.abs)) * 1.08;
    return {
      grid: { left: leftOf(names), right: 20, top: 34, bottom: 44 },
      xAxis: axis({ type: 'value', min: -widest, max: widest, name: `${shortened(pickedArm().name, 26)} minus separate`, nameLocation: 'middle', nameGap: 26, axisLabel: { formatter: (value) => signed(value).slice(0, 5), hideOverlap: true } }),
      yAxis: taskAxis(names),
      tooltip: { trigger: 'item', formatter: ({ dataIndex }) => tip(data.tasks[dataIndex].name, `${pickedArm().name} minus separate ${estimate(gains[dataIndex], signed)}`, `n = ${gains[dataIndex]?.n} common seeds`) },
      series: [
        { type: 'bar', barWidth: '46%', data: gains.map((one) => ({ value: one?.mean ?? null, itemStyle: { color: (one?.mean ?? 0) < 0 ? colour('minus') : colour('plus'), opacity: 0.8 } })) },
        intervals(gains.map((one, index) => [index, one?.mean, one?.low, one?.high]), false, () => colour('text')),
      ],
    };
  },
});

// Arms by tasks: the gain over separate networks where there are some, else accuracy.
define('task-map', {
  height: () => 136 + 20 * shownArms().length,
  says: () => 'Heat map of all arms by task',
  click: pickArm,
  option: (width) => {
    if (!data.tasks.length) return null;
    const gains = data.arms.some((arm) => arm.gains.some(Boolean));
    const arms = shownArms().filter((arm) => (gains ? arm.gains : arm.tasks).some(Boolean));
    if (!arms.length) return null;
    const names = arms.map((arm) => shortened(arm.name, width < 560 ? 16 : 34));
    const value = (arm, task) => (gains ? arm.gains : arm.tasks)[task];
    const cells = arms.flatMap((arm, row) => data.tasks.map((_, column) => ({ value: [column, row, value(arm, column)?.mean ?? '-'], arm: arm.id })));
    const numbers = cells.map((cell) => cell.value[2]).filter((number) => number !== '-');
    const widest = Math.max(0.01, ...numbers.map(Math.abs));
    const scale = gains ? diverging(-widest, widest) : sequence(Math.min(...numbers), Math.max(...numbers));
    return {
      grid: { left: leftOf(names), right: 16, top: 8, bottom: 120 },
      xAxis: axis({ type: 'category', data: data.tasks.map((_, index) => `${index}`), splitLine: { show: false }, axisLabel: { interval: 0, rotate: 40, formatter: (index) => shortened(data.tasks[Number(index)].name, 18) } }),
      yAxis: axis({ type: 'category', inverse: true, data: names.map((_, index) => `${index}`), axisLine: { show: false }, axisLabel: { interval: 0, formatter: (index) => names[Number(index)], color: colour('text') } }),
      visualMap: { ...scale, left: 'center', bottom: 0 },
      tooltip: { trigger: 'item', formatter: ({ data: cell }) => tip(armOf.get(cell.arm).name, `${data.tasks[cell.value[0]].name}`, gains ? `minus separate ${estimate(value(armOf.get(cell.arm), cell.value[0]), signed)}` : estimate(value(armOf.get(cell.arm), cell.value[0]))) },
      series: [{ type: 'heatmap', data: cells, itemStyle: { borderColor: colour('bg'), borderWidth: 1 } }],
    };
  },
});

// Scales of heat maps.
function scaled(min, max, colours, show) {
  return { type: 'continuous', min, max, calculable: false, orient: 'horizontal', itemWidth: 10, itemHeight: 130, precision: 3, text: [show(max), show(min)], textStyle: { color: colour('muted'), fontSize: 11 }, inRange: { color: colours } };
}
const diverging = (min, max) => scaled(min, max, [colour('minus'), colour('zero'), colour('plus')], signed);
const sequence = (min, max) => scaled(min, max, [colour('sequence-0'), colour('sequence-1')], share);

function buildTasks() {
  const place = document.querySelector('#tasks .pick');
  if (!place) return;
  const ids = data.arms.filter((arm) => arm.tasks.some(Boolean)).map((arm) => arm.id);
  if (ids.length) addPicker(place, 'Arm', () => named(ids), () => pickedArm().id, pick);
}
