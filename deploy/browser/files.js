/** Files: dropped, fetched and saved. */

import { Refusal } from "./manifest.js";

/**
 * All files of what was dropped, those in folders too.
 *
 * @param {DataTransfer} dropped
 * @returns {Promise<File[]>} in the order of their paths.
 */
export async function filesOf(dropped) {
  const entries = Array.from(dropped.items, (item) => item.webkitGetAsEntry()).filter(Boolean);
  const found = (await Promise.all(entries.map(filesIn))).flat();
  return found.sort((a, b) => a.path.localeCompare(b.path)).map(({ file }) => file);
}

async function filesIn(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ path: entry.fullPath, file }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A reader gives a hundred at once.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return (await Promise.all(found.map(filesIn))).flat();
    found.push(...some);
  }
}

/**
 * A file from an address, named after the address's end.
 *
 * @param {string} address
 * @param {boolean} [optional] null if there is none, not an error.
 */
export async function fetched(address, optional = false) {
  let response;
  try {
    response = await fetch(address);
  } catch (error) {
    throw new Refusal(`${address} cannot be fetched (${error.message}).`);
  }
  if (optional && response.status === 404) return null;
  if (!response.ok) throw new Refusal(`${address} cannot be fetched: ${response.status}.`);
  const name = new URL(address, document.baseURI).pathname.split("/").at(-1);
  return new File([await response.blob()], name);
}

/** Let the browser save a file. */
export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(blob),
    download: name,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}
