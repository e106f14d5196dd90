/** The facts of an exported file: read from inside it or beside it, and whether they fit. */

/** What a user must be told, in a sentence; everything else that is thrown is a fault. */
export class Refusal extends Error {}

const REFINEMENTS = ["none", "quarter", "quarter_by_axis", "dark", "udp"];
const ENCODINGS = ["plain", "dark", "udp", "udp_offsets"];
const FITTING = "Export it with --format tflite, tflite_float16 or tflite_dynamic_int8.";

/** What each task's manifest must hold for the page to draw its answers. */
const NEEDED = {
  pose: ["decoding", "keypoints"],
  landmarks: ["decoding", "landmarks"],
  classification: ["classes", "crop_share"],
  segmentation: ["classes", "views"],
};

/**
 * The manifest that an exported TFLite file carries as metadata.
 *
 * @param {Uint8Array} bytes of the file.
 * @param {string} name of the file, for errors.
 */
export function readInside(bytes, name) {
  let text = null;
  try {
    text = readMetadata(bytes, "manifest");
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Refusal(`${name} is damaged: it ends before its own tables do.`);
  }
  if (text === null) {
    throw new Refusal(
      `${name} carries no manifest, so nobody knows what its numbers mean; take a file ` +
        "that hrnet-tf export has written.",
    );
  }
  return parsed(text, `the manifest in ${name}`);
}

/**
 * The manifest that lies beside an exported file, compared with the file.
 *
 * @param {string} text of the JSON file.
 * @param {string} name of the JSON file.
 * @param {Uint8Array} bytes of the TFLite file.
 * @param {string} file its name.
 * @returns {Promise<{manifest: object, notes: string[]}>}
 */
export async function readBeside(text, name, bytes, file) {
  const manifest = parsed(text, name);
  const { format, files } = manifest.artefact ?? {};
  if (!format?.startsWith("tflite")) {
    throw new Refusal(
      `${name} is the manifest of ${format ?? "a run"}, not of a TFLite file; take the ` +
        "JSON file that is called like the TFLite file.",
    );
  }
  if (!globalThis.crypto?.subtle) {
    const why = "browsers compute checksums on https and localhost only";
    return { manifest, notes: [`Not compared with its checksum: ${why}.`] };
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (!Object.values(files).includes(found)) {
    throw new Refusal(
      `${file} is not the file that ${name} was written for: its SHA-256 is another ` +
        "one. Take both files from one export.",
    );
  }
  return { manifest, notes: [] };
}

/** Throw a `Refusal` if the page cannot run what a manifest tells of. */
export function check(manifest) {
  const { task, input, output, decoding } = manifest;
  if (!(task in NEEDED)) {
    throw new Refusal(
      `This network's task is ${task ?? "not said"}; the page knows ` +
        `${Object.keys(NEEDED).join(", ")}. hrnet-tf predict knows all tasks.`,
    );
  }
  const missing = ["input", "output", ...NEEDED[task]].filter((key) => !(key in manifest));
  if (missing.length) {
    throw new Refusal(`The manifest has no ${missing.join(", no ")}; export the model again.`);
  }
  for (const [end, facts] of Object.entries({ takes: input, gives: output })) {
    if (facts.dtype !== "float32") {
      throw new Refusal(
        `This file ${end} numbers of the type ${facts.dtype}, which LiteRT.js does not ` +
          `hand over. ${FITTING}`,
      );
    }
    if ((facts.layout ?? "NHWC") !== "NHWC") {
      throw new Refusal(`This file ${end} ${facts.layout}; the page knows NHWC. ${FITTING}`);
    }
  }
  if (input.color_order !== "RGB") {
    throw new Refusal(`This file takes ${input.color_order}; the page knows RGB. ${FITTING}`);
  }
  if (decoding) {
    known(decoding.refinement, REFINEMENTS, "refinement");
    known(decoding.encoding ?? "plain", ENCODINGS, "encoding");
    if (task === "landmarks") known(decoding.rule, ["official", "affine"], "rule");
  }
}

/** What the manifest asks for and the page does not do, in sentences. */
export function leftOut(manifest) {
  const { decoding, views } = manifest;
  const notes = [];
  if (decoding?.flip || views?.flip || manifest.flip) {
    notes.push("The manifest averages with the mirrored picture; the page looks once.");
  }
  if (views && views.scales.some((scale) => scale !== 1)) {
    notes.push("The manifest averages several scales; the page looks at the first size.");
  }
  return notes;
}

function known(value, values, key) {
  if (values.includes(value)) return;
  throw new Refusal(
    `The manifest's decoding.${key} is ${value}; the page knows ${values.join(", ")}.`,
  );
}

function parsed(text, name) {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refusal(`${name} is no JSON (${error.message}).`);
  }
}

/**
 * An entry of a TFLite file's metadata as text; null: there is none.
 *
 * The numbers are fields of TensorFlow Lite's schema: Model.buffers, Model.metadata,
 * Metadata.name, Metadata.buffer, Buffer.data.
 */
function readMetadata(bytes, wanted) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isModel = bytes.length > 8 && text(bytes.subarray(4, 8)) === "TFL3";
  if (!isModel) return null;
  const model = view.getUint32(0, true);
  const buffers = vector(view, model, 4);
  for (const entry of vector(view, model, 6)) {
    const name = field(view, entry, 0);
    if (name === null || text(content(view, bytes, name)) !== wanted) continue;
    const index = field(view, entry, 1);
    const data = field(view, buffers[index === null ? 0 : view.getUint32(index, true)], 0);
    return data === null ? null : text(content(view, bytes, data));
  }
  return null;
}

/** Where a table's field lies; null: the table has none. */
function field(view, table, index) {
  const fields = table - view.getInt32(table, true);
  const place = 4 + 2 * index;
  if (place >= view.getUint16(fields, true)) return null;
  const offset = view.getUint16(fields + place, true);
  return offset === 0 ? null : table + offset;
}

/** Where the tables of a vector lie. */
function vector(view, table, index) {
  const place = field(view, table, index);
  if (place === null) return [];
  const start = place + view.getUint32(place, true);
  return Array.from({ length: view.getUint32(start, true) }, (_, i) => {
    const entry = start + 4 + 4 * i;
    return entry + view.getUint32(entry, true);
  });
}

/** The bytes of a string or of a vector of bytes. */
function content(view, bytes, place) {
  const start = place + view.getUint32(place, true);
  return bytes.subarray(start + 4, start + 4 + view.getUint32(start, true));
}

function text(bytes) {
  return new TextDecoder().decode(bytes);
}
