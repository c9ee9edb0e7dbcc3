// The page: one query, two tasks, their neighbours side by side. It talks to its own service only.

import { controls, element, explanation, imageAddress, isolated, neighbourItem, shortName, visible } from "./view.js";

const SIDES = ["left", "right"];
const TOP = 12;

const at = (id) => document.getElementById(id);
const panel = (side) => document.querySelector(`[data-side="${side}"]`);
const control = (side, name) => panel(side).querySelector(`[data-control="${name}"]`);

let index = null; // what the service says about its index
let query = null; // {file} or {id, source}
let running = null; // the search that is under way
let preview = null; // address of the shown file

class Refused extends Error {
  constructor(status, line) {
    super(line);
    this.status = status;
  }
}

/** Ask the service; an error is one line for people. */
async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "the service cannot be reached; is it still running?");
  }
  const reply = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, reply.error ?? `the service answered ${answer.status}`);
  return reply;
}

function show(error) {
  if (error?.name === "AbortError") return;
  if (!(error instanceof Refused) && error !== null) throw error;
  if (error?.status === 401) askForToken();
  at("alert").textContent = error === null ? "" : visible(error.message);
  at("alert").hidden = error === null;
}

const asJson = (body, signal) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

/** Send a question about the query: the image itself, or its id. */
function askAboutQuery(what, question, signal) {
  if (query.file === undefined) return ask(`api/${what}/indexed`, asJson({ query: query.id, ...question }, signal));
  const form = new FormData();
  form.append("query", JSON.stringify(question));
  form.append("image", query.file, "image"); // its name stays here
  return ask(`api/${what}`, { method: "POST", body: form, signal });
}

function weights(side) {
  const [task, unlike] = [control(side, "task").value, control(side, "unlike").value];
  return unlike && unlike !== task ? { [task]: 1, [unlike]: -1 } : { [task]: 1 };
}

async function search() {
  if (query === null) return;
  running?.abort();
  const mine = (running = new AbortController());
  at("panels").classList.add("busy");
  try {
    const reply = await askAboutQuery("search", { rankings: SIDES.map(weights), top: TOP }, mine.signal);
    show(null);
    SIDES.forEach((side, place) => list(side, reply.rankings[place], reply.rankings[1 - place]));
    at("status").textContent = visible(`Neighbours for ${SIDES.map((side) => control(side, "task").value).join(" and for ")} are shown.`);
  } catch (error) {
    show(error);
  } finally {
    if (running === mine) at("panels").classList.remove("busy");
  }
}

function list(side, ranking, other) {
  const ranks = new Map(other.neighbours.map((neighbour) => [neighbour.id, neighbour.rank]));
  panel(side).querySelector(".neighbours").replaceChildren(
    ...ranking.neighbours.map((neighbour) =>
      neighbourItem(
        neighbour, ranks.get(neighbour.id) ?? null,
        () => choose({ id: neighbour.id, source: neighbour.source }),
        () => explain(neighbour, control(side, "task").value).catch(show),
      )),
  );
}

async function explain(neighbour, task) {
  const reply = await askAboutQuery("explain", { id: neighbour.id, task });
  const dialog = explanation(neighbour, task, reply.channels);
  document.body.append(dialog);
  dialog.showModal();
}

/** Make an image the query: `{file}` or `{id, source}`. */
function choose(next, remember = true) {
  if (next.file !== undefined && next.file.size > index.upload_bytes) {
    show(new Refused(413, `the image has ${(next.file.size / 1e6).toFixed(1)} MB, and at most ${index.upload_bytes / 1e6} MB are accepted`));
    return;
  }
  query = next;
  if (preview !== null) URL.revokeObjectURL(preview);
  preview = next.file === undefined ? null : URL.createObjectURL(next.file);
  at("shown-image").src = preview ?? imageAddress(next.id);
  at("shown-name").replaceChildren(isolated(next.file === undefined ? shortName(next) : visible(next.file.name)));
  at("shown").hidden = false;
  if (remember) history.pushState(next.file === undefined ? next : null, "");
  search();
}

function listenForImages() {
  const drop = at("drop");
  const take = (files) => files?.length && choose({ file: files[0] });
  at("file").addEventListener("change", (event) => {
    take(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  });
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  window.addEventListener("dragleave", (event) => event.relatedTarget === null && drop.classList.remove("over"));
  window.addEventListener("drop", (event) => {
    event.preventDefault(); // else the browser would open the file
    drop.classList.remove("over");
    take(event.dataTransfer.files);
  });
  window.addEventListener("paste", (event) => take(event.clipboardData.files));
  window.addEventListener("popstate", (event) => event.state && choose(event.state, false));
}

function askForToken() {
  at("sign-in").hidden = false;
  at("main").hidden = true;
  at("token").focus();
}

at("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await ask("api/session", { method: "POST", headers: { Authorization: `Bearer ${at("token").value}` } });
    at("token").value = "";
    at("sign-in").hidden = true;
    await start();
  } catch (error) {
    show(error);
  }
});

function samples(found) {
  at("samples").replaceChildren(
    ...found.map((sample) =>
      element(
        "li", {},
        element(
          "button", { type: "button", "aria-label": `Search with ${shortName(sample)}`, onclick: () => choose(sample) },
          element("img", { src: imageAddress(sample.id), alt: "", loading: "lazy", width: 58, height: 58 }),
        ),
      )),
  );
}

async function start() {
  index = await ask("api/index");
  show(null);
  const tasks = index.tasks.map((task) => task.name);
  at("facts").textContent = visible(`${index.images.toLocaleString("en")} images, ${tasks.length} tasks`);
  SIDES.forEach((side, place) => {
    panel(side).replaceChildren(
      element("h2", { id: `${side}-title` }, place ? "Task on the right" : "Task on the left"),
      controls(side, tasks, tasks[Math.min(place, tasks.length - 1)], search),
      element("ol", { class: "neighbours", "aria-labelledby": `${side}-title` }),
    );
  });
  samples(index.samples);
  at("main").hidden = false;
}

listenForImages();
start().catch(show);
