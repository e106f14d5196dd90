/** Networks in LiteRT.js: on the GPU where it answers as the processor does, else on that. */

import { Refusal } from "./manifest.js";

const FOLDER = new URL("vendor/core/wasm/", document.baseURI).href;
const TOLERANCE = 1e-3; // by which the GPU may be off, as a share of the answers' range

let runtime = null;

/**
 * LiteRT.js, loaded once.
 *
 * With threads where the server's headers allow them (see serve.py).
 */
function loadRuntime() {
  runtime ??= (async () => {
    let litert;
    try {
      litert = await import("@litertjs/core");
    } catch (error) {
      throw new Refusal(
        `LiteRT.js is not here (${error.message}); run \`make browser\` in the ` +
          "repository, which fetches it, and serve the page again.",
      );
    }
    if (globalThis.crossOriginIsolated) {
      try {
        await litert.loadLiteRt(FOLDER, { threads: true });
        return { litert, threads: true };
      } catch (error) {
        // Threads also need relaxed SIMD, which not every browser has.
        console.warn(`One thread: ${error.message}`);
      }
    }
    await litert.loadLiteRt(FOLDER);
    return { litert, threads: false };
  })();
  return runtime;
}

/** A network that is ready to be asked. */
export class Network {
  /** @param {string} where it runs, in words. */
  constructor(litert, model, where, notes) {
    Object.assign(this, { litert, model, where, notes });
    [this.input] = model.getInputDetails();
    this.outputs = model.getOutputDetails().map(({ name }) => name);
  }

  /**
   * Open a file.
   *
   * @param {Uint8Array} bytes of the TFLite file.
   * @param {object} manifest its facts.
   * @param {"auto" | "wasm"} wanted "wasm": not on the GPU.
   */
  static async open(bytes, manifest, wanted = "auto") {
    const { litert, threads } = await loadRuntime();
    const plain = threads ? "WASM, several threads" : "WASM";
    const processor = new Network(litert, await compiled(litert, bytes, "wasm"), plain, []);
    const shape = Array.from(processor.input.shape);
    const { height, width } = manifest.input;
    if (shape.join() !== [1, height, width, 3].join()) {
      processor.close();
      throw new Refusal(
        `The file takes (${shape.join(", ")}), its manifest says (1, ${height}, ` +
          `${width}, 3); take both from one export.`,
      );
    }
    if (wanted === "wasm") return processor;
    if (!litert.getWebGpuDevice()) {
      processor.notes.push("This browser offers no WebGPU here.");
      return processor;
    }
    const { network, why } = await onGpu(litert, bytes, processor);
    if (network === null) processor.notes.push(why);
    else processor.close();
    return network ?? processor;
  }

  /**
   * Ask the network.
   *
   * @param {Float32Array} values normalised, `(1, height, width, 3)`.
   * @returns {Promise<Object<string, {shape: number[], data}>>} by output.
   */
  async ask(values) {
    const given = new this.litert.Tensor(values, Array.from(this.input.shape));
    const answers = {};
    try {
      const found = await this.model.run({ [this.input.name]: given });
      for (const [name, tensor] of Object.entries(found)) {
        const shape = Array.from(tensor.type.layout.dimensions);
        // A copy: the runtime's memory is used again.
        answers[name] = { shape, data: (await tensor.data()).slice() };
        tensor.delete();
      }
    } finally {
      given.delete();
    }
    return answers;
  }

  /** Give the memory back. */
  close() {
    this.model.delete();
  }
}

/**
 * The network on the GPU, if it runs there as a whole and answers as the processor does:
 * drivers differ, and a part that is left to the processor has been seen to answer wrongly.
 */
async function onGpu(litert, bytes, processor) {
  let network = null;
  try {
    network = new Network(litert, await compiled(litert, bytes, "webgpu"), "WebGPU", []);
    const off = network.model.isFullyAccelerated ? await difference(network, processor) : null;
    if (off !== null && off <= TOLERANCE) return { network };
    network.close();
    const why =
      off === null
        ? "some of its operations do not run there"
        : `it answers otherwise there (by ${off.toExponential(1)} of the range)`;
    return { network: null, why: `Not on WebGPU: ${why}.` };
  } catch (error) {
    return { network: null, why: `Not on WebGPU: ${error.message}` };
  }
}

/** By how much two networks differ on one input, as a share of the answers' range. */
async function difference(network, other) {
  const size = network.input.shape.reduce((product, side) => product * side, 1);
  // Neither flat nor periodic in the rows: a pattern of the sort that a picture is.
  const values = Float32Array.from({ length: size }, (_, i) => 2 * Math.sin(i * i * 1e-4));
  const [found, expected] = [await network.ask(values), await other.ask(values)];
  let most = 0;
  for (const [name, { data }] of Object.entries(expected)) {
    let [low, high, off] = [Infinity, -Infinity, 0];
    data.forEach((value, i) => {
      low = Math.min(low, value);
      high = Math.max(high, value);
      off = Math.max(off, Math.abs(value - found[name].data[i]));
    });
    const share = off / (high - low || 1);
    most = Number.isFinite(share) ? Math.max(most, share) : Infinity;
  }
  return most;
}

async function compiled(litert, bytes, accelerator) {
  try {
    const gpuOptions = { precision: "fp32" };
    return await litert.loadAndCompile(bytes, { accelerator, gpuOptions });
  } catch (error) {
    throw new Refusal(`LiteRT.js does not take the file: ${error.message}`);
  }
}
