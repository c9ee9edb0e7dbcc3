// Elements from data. Text of users enters only as text (textContent), with what cannot be seen made visible.

const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Text in which control characters and changes of the reading direction are seen as escapes. */
export function visible(text) {
  return String(text).replace(HIDDEN, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);
}

/** An element with attributes, handlers (`onclick`) and children: elements, or strings, which become text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : visible(value));
  }
  for (const child of children) made.append(typeof child === "string" ? visible(child) : child);
  return made;
}

/** Text of a user, kept from turning the direction of what is around it. */
export function isolated(text, attributes = {}) {
  return element("bdi", attributes, String(text));
}

export const imageAddress = (id) => `api/image?id=${encodeURIComponent(id)}`;

/** The name of an image for people: the last part of its source. */
export function shortName(neighbour) {
  const parts = String(neighbour.source).split("/");
  return parts[parts.length - 1] || String(neighbour.id);
}

function labelText(labels) {
  return Object.entries(labels ?? {}).map(([task, label]) => `${task}: ${label ?? "?"}`).join(", ");
}

/** One neighbour: its image is a button that makes it the query. */
export function neighbourItem(neighbour, elsewhere, onPick, onWhy) {
  const name = shortName(neighbour);
  const similarity = neighbour.similarity.toFixed(3);
  const where = elsewhere === null ? "only here" : `also at ${elsewhere}`;
  const spoken = elsewhere === null ? "not among those of the other task" : `rank ${elsewhere} for the other task`;
  return element(
    "li",
    { class: elsewhere === null ? "only" : null, "data-id": neighbour.id },
    element(
      "button",
      {
        class: "pick", type: "button", onclick: onPick, title: labelText(neighbour.labels) || name,
        "aria-label": `Rank ${neighbour.rank}: ${name}, similarity ${similarity}, ${spoken}. Search with it`,
      },
      element("img", { src: imageAddress(neighbour.id), alt: "", loading: "lazy", width: 160, height: 160 }),
    ),
    element(
      "p", { class: "about" },
      element("b", {}, `${neighbour.rank}`), ` · ${similarity}`, element("span", { class: "other", title: "rank for the other task" }, where),
      element("span", { class: "name" }, isolated(name)),
    ),
    element("button", { class: "why", type: "button", onclick: onWhy, "aria-label": `Why is ${name} alike?` }, "Why?"),
  );
}

/** The channels that carried a match, in a dialog that closes with Escape. */
export function explanation(neighbour, task, channels) {
  const most = Math.max(1e-9, ...channels.map((channel) => channel.share));
  const rows = channels.map((channel) =>
    element(
      "tr", {},
      element("th", { scope: "row" }, String(channel.channel)),
      element("td", { class: "number" }, channel.factor === null ? "" : channel.factor.toFixed(2)),
      element("td", { class: "number" }, `${(100 * channel.share).toFixed(1)} %`),
      element("td", {}, element("meter", { min: 0, max: most, value: Math.max(0, channel.share), "aria-hidden": "true" })),
    ));
  const heads = ["channel", "factor of the task", "share of the match", ""].map((text, place) =>
    element("th", { scope: "col", class: place ? "number" : null }, text));
  const dialog = element(
    "dialog", { "aria-labelledby": "why-title", onclose: () => dialog.remove() },
    element("h2", { id: "why-title" }, "Why ", isolated(shortName(neighbour)), " is alike in ", isolated(task)),
    element("p", { class: "muted" }, "The channels of the embedding that speak most for the match."),
    element("table", { class: "shares" }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)),
    element("button", { type: "button", onclick: () => dialog.close() }, "Close"),
  );
  return dialog;
}

/** The controls of one side: its task, and one in which results should differ. */
export function controls(side, tasks, chosen, onChange) {
  const options = (selected) => tasks.map((task) => element("option", { value: task, selected: task === selected }, task));
  const task = element("select", { "data-control": "task", onchange: onChange }, ...options(chosen));
  const unlike = element("select", { "data-control": "unlike", onchange: onChange }, element("option", { value: "" }, "(nothing)"), ...options(null));
  return element(
    "div", { class: "controls" },
    element("label", {}, "Alike in", task),
    element("label", {}, "but different in", unlike),
  );
}
