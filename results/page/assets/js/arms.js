// What the columns of the table of arms sort by, and how an arm is told in figures.
const columns = {
  name: (arm) => arm.name,
  worst: (arm) => data.metrics.length && arm.worst[data.metrics[0].name],
  added: (arm) => arm.added,
  bytes: (arm) => arm.bytes_fp32,
  multiply_adds: (arm) => arm.multiply_adds,
  on_front: (arm) => arm.on_front,
  n: (arm) => (data.metrics.length ? arm.metrics[data.metrics[0].name].n : 0),
};

function valueOf(key, arm) {
  if (key.startsWith('against:')) return arm.against[key.slice(8)]?.mean;
  return columns[key] ? columns[key](arm) : arm.metrics[key]?.mean;
}

function armTip(arm, name) {
  return tip(
    arm.name,
    `${metricOf.get(name).label} ${estimate(arm.metrics[name])}, n = ${arm.metrics[name].n}`,
    `added parameters ${count(arm.added)}${arm.added_share ? ` (${percent(arm.added_share)})` : ''}`,
    present(arm.on_front) && `on the front in ${percent(arm.on_front)} of draws`,
    ...Object.entries(arm.against).map(([other, difference]) => `minus ${other} ${estimate(difference, signed)}`),
  );
}

const armColour = (arm) =>
  chosen('arm') === arm.id ? colour('warm') : arm.front ? colour('accent') : colour('point');
