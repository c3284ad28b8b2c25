/** The lamp: whether what is shown is of this moment, how old it is, or who is away. A word, a shape and a colour. */
import { words } from "../view/words.ts";

export type LampState = "still" | "live" | "old" | "away" | "frozen";

export class Lamp {
  readonly #element = document.querySelector<HTMLElement>("#lamp");
  #state: LampState = "still";
  #text = this.#element?.textContent ?? "";
  #isFrozen = false;

  show(state: LampState, text: string): void {
    [this.#state, this.#text] = [state, text];
    this.#draw();
  }

  freeze(isFrozen: boolean): void {
    this.#isFrozen = isFrozen;
    this.#draw();
  }

  #draw(): void {
    if (this.#element === null) return;
    this.#element.dataset.state = this.#isFrozen ? "frozen" : this.#state;
    this.#element.textContent = this.#isFrozen ? words.lamp.frozen : this.#text;
  }
}
