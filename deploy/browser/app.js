/**
 * The page: files, pictures and the camera to answers.
 *
 * `?model=URL&picture=URL` opens both at once, `runtime=wasm` keeps off the GPU. The
 * answers lie in `globalThis.answers`, a list of `{file, ...answer}` (see look.js), for
 * programs that drive the page; `document.body.dataset.state` is `idle`, `busy`, `done`
 * or `wrong`.
 */

import { Camera } from "./camera.js";
import { inShort, legend, percent, summary } from "./drawing.js";
import { fetched, filesOf, save } from "./files.js";
import { Gallery } from "./gallery.js";
import { BOXED, breath, look, windowsOf } from "./look.js";
import { Refusal, check, leftOut, readBeside, readInside } from "./manifest.js";
import { Network } from "./network.js";
import { NAMES, readPicture } from "./pictures.js";
import { Stage } from "./stage.js";

const UNCOMPARED = "Without its .json the file is not compared with its checksum.";

const $ = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);

const state = {
  network: null,
  manifest: null,
  modelNotes: [],
  files: [], // that are looked at, one or many
  picture: null, // on the stage
  pictureNotes: [],
  answer: null,
  boxes: [],
  camera: null,
};
globalThis.answers = [];

const stage = new Stage($("canvas"), (box) => {
  state.boxes = [...state.boxes, box];
  settle();
  if (!state.camera) start(lookAgain);
});
const gallery = new Gallery($("gallery"), (file) => start((job) => openOne(job, file)));

// Jobs: what is done at a time. A newer one ends those before it.

let newest = 0;

/** Run a job, and show what goes wrong. */
async function start(job) {
  const number = ++newest;
  const current = () => number === newest;
  document.body.dataset.state = "busy";
  tell(null);
  try {
    await job(current);
    if (current()) document.body.dataset.state = "done";
  } catch (error) {
    if (!current()) return;
    tell(error instanceof Refusal ? error.message : `A fault of the page: ${error.stack}`);
    document.body.dataset.state = "wrong";
  } finally {
    if (current()) progress(null);
  }
}

function tell(message) {
  $("error").textContent = message ?? "";
  $("error").hidden = message === null;
}

function progress(done, all = 1) {
  $("progress").hidden = done === null;
  if (done !== null) Object.assign($("progress"), { value: done, max: all });
}

// Networks

async function openModel(current, file, beside) {
  $("model-name").textContent = `Opening ${file.name} …`;
  const bytes = new Uint8Array(await file.arrayBuffer());
  state.network?.close();
  Object.assign(state, { network: null, manifest: null, answer: null, boxes: [] });
  try {
    const read = beside
      ? await readBeside(await beside.text(), beside.name, bytes, file.name)
      : { manifest: readInside(bytes, file.name), notes: [UNCOMPARED] };
    check(read.manifest);
    const wanted = asked.get("runtime") === "wasm" ? "wasm" : "auto";
    const network = await Network.open(bytes, read.manifest, wanted);
    if (!current()) {
      network.close();
      return;
    }
    const notes = [...read.notes, ...leftOut(read.manifest), ...network.notes];
    Object.assign(state, { network, manifest: read.manifest, modelNotes: notes });
    $("model-name").textContent = file.name;
  } finally {
    if (!state.network) $("model-name").textContent = "Choose an exported file";
    settle();
  }
  if (state.camera) await watch(current);
  else if (state.files.length) await openPictures(current, state.files);
}

// Pictures

async function openPictures(current, files) {
  closeCamera();
  Object.assign(state, { files, boxes: [], answer: null });
  globalThis.answers = [];
  gallery.clear();
  if (files.length === 1 || !state.network) await openOne(current, files[0]);
  else await openAll(current, files);
}

async function openOne(current, file) {
  const { orientation = "upright" } = state.manifest?.input ?? {};
  const { picture, notes } = await readPicture(file, orientation);
  if (!current()) return;
  Object.assign(state, { picture, pictureNotes: notes, file, answer: null, boxes: [] });
  settle();
  if (state.network) await lookAgain(current);
  else $("status").textContent = `${picture.width} × ${picture.height}. Choose a network.`;
}

/** Look at many pictures, one after the other. */
async function openAll(current, files) {
  let wrong = 0;
  for (const [done, file] of files.entries()) {
    progress(done, files.length);
    const failed = wrong ? `, ${wrong} could not be looked at` : "";
    $("status").textContent = `${done} of ${files.length} pictures${failed} …`;
    try {
      const { picture, notes } = await readPicture(file, state.manifest.input.orientation);
      const answer = await look(picture, state.network, state.manifest, how());
      if (!current()) return;
      // Labels of many pictures would fill the memory.
      globalThis.answers.push({ file: file.name, ...inShort(answer, state.manifest) });
      gallery.add(file, picture, answer, state.manifest, how());
      Object.assign(state, { picture, answer, file, pictureNotes: notes });
      settle();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      wrong++;
      gallery.addWrong(file, error.message);
    }
    await breath();
    if (!current()) return;
  }
  const failed = wrong ? `; ${wrong} could not be looked at` : "";
  $("status").textContent = `${files.length - wrong} pictures${failed}. Click one to open it.`;
}

async function lookAgain(current) {
  if (!state.network || !state.picture) return;
  const begin = performance.now();
  const answer = await look(state.picture, state.network, state.manifest, how());
  if (!current()) return;
  state.answer = answer;
  const { width, height } = state.picture;
  const took = Math.round(performance.now() - begin);
  $("status").textContent = `${state.file.name}, ${width} × ${height}: ${took} ms`;
  if (state.files.length <= 1) globalThis.answers = [{ file: state.file.name, ...answer }];
  settle();
}

function how() {
  return {
    boxes: state.boxes,
    fitted: $("fitted").checked,
    threshold: Number($("threshold").value),
    opacity: Number($("opacity").value),
    progress,
  };
}

// The camera

async function watch(current) {
  if (!state.network) throw new Refusal("Choose a network first, then open the camera.");
  if (!state.camera) {
    state.camera = await Camera.open();
    Object.assign(state, { files: [], boxes: [], answer: null, pictureNotes: [] });
    gallery.clear();
  }
  $("camera").classList.add("on");
  while (current()) {
    const picture = await state.camera.frame();
    if (state.manifest.task === "segmentation" && windowsOf(picture, state.manifest) > 1) {
      // A window that slides would take many looks a frame.
      $("fitted").checked = true;
    }
    const answer = await look(picture, state.network, state.manifest, {
      ...how(),
      progress: null,
    });
    if (!current() || !state.camera) return;
    Object.assign(state, { picture, answer, file: { name: "camera" } });
    globalThis.answers = [{ file: "camera", ...answer }];
    const speed = state.camera.tick();
    $("status").textContent = `${picture.width} × ${picture.height}, ${speed.toFixed(1)} frames per second`;
    progress(null);
    settle();
  }
}

function closeCamera() {
  state.camera?.close();
  state.camera = null;
  $("camera").classList.remove("on");
}

// What the page shows

/** Bring the page in line with the state. */
function settle() {
  const { network, manifest, picture, answer, boxes } = state;
  $("where").hidden = !network;
  $("where").textContent = network?.where ?? "";
  $("facts").hidden = !manifest;
  if (manifest) showFacts(manifest);
  const boxed = manifest?.task in BOXED;
  const labels = manifest?.task === "segmentation";
  $("settings").hidden = !(boxed || labels);
  $("box-hint").hidden = $("threshold-row").hidden = !boxed;
  if (boxed) {
    const kind = BOXED[manifest.task];
    $("box-hint").textContent = boxes.length
      ? `${boxes.length} drawn: draw another ${kind}, or look at the whole picture.`
      : `The whole picture is taken for one ${kind}. Draw a box to choose another.`;
  }
  $("whole").hidden = !boxes.length;
  $("opacity-row").hidden = !labels;
  $("fitted-row").hidden = !labels || (picture !== null && windowsOf(picture, manifest) === 1);
  $("threshold-value").textContent = Number($("threshold").value).toFixed(2);
  $("opacity-value").textContent = percent(Number($("opacity").value));
  $("empty").hidden = picture !== null;
  $("canvas").hidden = picture === null;
  stage.allowBoxes(boxed);
  if (picture) stage.show(picture, answer, manifest, how());
  $("result").hidden = !answer;
  if (answer) showAnswer(answer, manifest);
  showNotes();
}

function showFacts(manifest) {
  const { input, task, versions } = manifest;
  const rows = {
    Model: manifest.model,
    Task: task,
    Input: `${input.width} × ${input.height}`,
    "Written by": versions?.hrnet_tf ? `hrnet_tf ${versions.hrnet_tf}` : "not said",
  };
  $("facts").replaceChildren(
    ...Object.entries(rows).flatMap(([name, value]) => [made("dt", name), made("dd", value)]),
  );
}

function showAnswer(answer, manifest) {
  $("summary").textContent = summary(answer, manifest, Number($("threshold").value));
  const rows = legend(answer, manifest).map(({ name, color, share }) => {
    const row = document.createElement("li");
    if (color) row.append(Object.assign(made("i"), { style: `background: ${color}` }));
    if (!color) {
      const bar = made("div");
      bar.className = "bar";
      bar.style.width = `${100 * share}%`;
      row.append(bar);
    }
    row.append(made("span", name));
    if (share !== null) row.append(made("b", percent(share)));
    return row;
  });
  $("legend").replaceChildren(...rows);
}

function showNotes() {
  const notes = [...state.modelNotes, ...state.pictureNotes];
  if (state.manifest?.task === "segmentation" && state.picture) {
    const windows = windowsOf(state.picture, state.manifest);
    if (windows > 1 && $("fitted").checked) {
      notes.push("The whole picture is looked at at once, smaller than predict does.");
    } else if (windows > 1) {
      notes.push(`A window slides over ${windows} places of the picture, as predict does.`);
    }
  }
  $("notes").replaceChildren(...notes.map((note) => made("li", note)));
}

function made(kind, text = "") {
  return Object.assign(document.createElement(kind), { textContent: text });
}

// What the user does

/** Open what was chosen or dropped: a network with or without its JSON, pictures. */
function open(files) {
  const named = (end) => files.filter(({ name }) => name.toLowerCase().endsWith(end));
  const models = named(".tflite");
  const facts = named(".json");
  const pictures = files.filter(({ name }) => NAMES.test(name));
  start(async (current) => {
    if (models.length > 1) {
      const names = models.map(({ name }) => name).join(", ");
      throw new Refusal(`Drop one network at a time, not ${names}.`);
    }
    const [model] = models;
    const beside = facts.find(({ name }) => name === `${model?.name}.json`) ?? facts[0];
    if (beside && !model) {
      throw new Refusal(`${beside.name} alone says nothing; drop the .tflite file with it.`);
    }
    if (!model && !pictures.length) {
      throw new Refusal(
        "There is nothing to open: the page takes .tflite files that hrnet-tf export " +
          "has written, and pictures (JPEG, PNG, WebP, ...).",
      );
    }
    if (model) {
      if (pictures.length) Object.assign(state, { files: pictures });
      await openModel(current, model, beside);
    } else {
      await openPictures(current, pictures);
    }
  });
}

for (const id of ["model", "pictures", "folder"]) {
  $(id).addEventListener("change", ({ target }) => {
    const files = Array.from(target.files);
    target.value = ""; // so that the same file can be chosen again
    if (files.length) open(files);
  });
}

$("camera").addEventListener("click", () => {
  if (state.camera) start(async () => closeCamera());
  else start(watch);
});

$("whole").addEventListener("click", () => {
  state.boxes = [];
  settle();
  if (!state.camera) start(lookAgain);
});

for (const id of ["threshold", "opacity"]) $(id).addEventListener("input", settle);
$("fitted").addEventListener("change", () => {
  if (!state.camera) start(lookAgain);
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", () => document.body.classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  open(await filesOf(event.dataTransfer));
});

$("save-picture").addEventListener("click", () => {
  $("canvas").toBlob((blob) => save(blob, `${state.file.name}.answer.png`), "image/png");
});
$("save-answers").addEventListener("click", () => {
  const told = globalThis.answers.map((answer) => inShort(answer, state.manifest));
  save(new Blob([JSON.stringify(told, null, 1)], { type: "application/json" }), "answers.json");
});

if (asked.has("model")) {
  start(async (current) => {
    if (asked.has("picture")) state.files = [await fetched(asked.get("picture"))];
    const address = asked.get("model");
    await openModel(current, await fetched(address), await fetched(`${address}.json`, true));
  });
}
