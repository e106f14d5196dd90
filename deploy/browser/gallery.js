/** Many pictures: a small one with what was found, each; a click opens it. */

import { draw, summary } from "./drawing.js";
import { canvasOf } from "./pictures.js";

const SIDE = 288; // pixels of the longer side of a small picture

/** The small pictures below the stage. */
export class Gallery {
  constructor(element, opened) {
    Object.assign(this, { element, opened });
  }

  clear() {
    this.element.replaceChildren();
  }

  /** Add a picture and what was found in it. */
  add(file, picture, answer, manifest, how) {
    const scale = SIDE / Math.max(picture.width, picture.height);
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    const context = canvas.getContext("2d");
    context.drawImage(canvasOf(picture), 0, 0, canvas.width, canvas.height);
    draw(context, answer, manifest, { ...how, scale });
    this.entry(file, [canvas, line(file.name), line(summary(answer, manifest, how.threshold))]);
  }

  /** Add a picture that could not be looked at. */
  addWrong(file, message) {
    const wrong = line(message);
    wrong.className = "wrong";
    this.entry(file, [line(file.name), wrong]);
  }

  entry(file, parts) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = file.name;
    button.append(...parts);
    button.addEventListener("click", () => {
      for (const other of this.element.children) other.classList.toggle("on", other === button);
      this.opened(file);
    });
    this.element.append(button);
  }
}

function line(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span;
}
