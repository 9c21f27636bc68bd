/** A long column of rows of which only those near the window exist. */

const AROUND = 0.75; // windows above and below

/**
 * @typedef {object} Row
 * @property {HTMLElement} element
 * @property {() => void} close
 */

export class VirtualRows {
  /**
   * @param {HTMLElement} scroller has the scroll bar
   * @param {{make: (index: number) => Row, estimate: (index: number) => number, onMove?: (index: number) => void}} rows
   *   estimate: a row's height before it exists; onMove: the first row that is seen
   */
  constructor(scroller, { make, estimate, onMove = () => {} }) {
    this.scroller = scroller;
    this.make = make;
    this.estimate = estimate;
    this.onMove = onMove;
    this.space = document.createElement("div");
    this.space.className = "rows";
    scroller.append(this.space);
    this.count = 0;
    this.tops = new Float64Array(1);
    /** @type {Map<number, number>} heights of rows that have been seen */
    this.heights = new Map();
    /** @type {Map<number, Row>} */
    this.made = new Map();
    this.frame = 0;
    this.sizes = new ResizeObserver((entries) => this.measure(entries));
    scroller.addEventListener("scroll", () => this.plan(), { passive: true });
    this.window = new ResizeObserver(() => this.plan());
    this.window.observe(scroller);
  }

  /** @param {number} count rows from now on; those that are there stay as they are */
  setCount(count) {
    for (const index of [...this.made.keys()]) if (index >= count) this.drop(index);
    this.count = count;
    this.keepPlace(() => this.place());
  }

  /** Makes all rows again, as after another zoom, at the same share of the same row. */
  remakeAll() {
    const { index, share } = this.at();
    for (const each of [...this.made.keys()]) this.drop(each);
    this.heights.clear();
    this.place();
    this.scroller.scrollTop = this.tops[index] + share * this.heightOf(index);
    this.render();
  }

  /** @param {number} index makes this row again, if it is there */
  remake(index) {
    if (!this.made.has(index)) this.heights.delete(index);
    else {
      this.drop(index);
      this.render();
    }
  }

  /** @returns {{index: number, share: number}} the first row that is seen, and how much of it is above the window */
  at() {
    const index = this.rowAt(this.scroller.scrollTop + 1);
    const height = this.heightOf(index) || 1;
    return { index, share: (this.scroller.scrollTop - this.tops[index]) / height };
  }

  /**
   * @param {number} index
   * @param {number} [offset] pixels below the row's top
   */
  scrollTo(index, offset = 0) {
    this.scroller.scrollTop = this.tops[index] + offset;
    this.render();
    // Rows near it may turn out to be of another height than was thought.
    this.scroller.scrollTop = this.tops[index] + offset;
  }

  /** @param {number} index @returns {Row | undefined} */
  row(index) {
    return this.made.get(index);
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.sizes.disconnect();
    this.window.disconnect();
    for (const index of [...this.made.keys()]) this.drop(index);
    this.space.remove();
  }

  plan() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.render();
    });
  }

  render() {
    const { scrollTop, clientHeight } = this.scroller;
    if (!clientHeight || !this.count) return;
    const first = this.rowAt(scrollTop - AROUND * clientHeight);
    const last = this.rowAt(scrollTop + (1 + AROUND) * clientHeight);
    for (const [index, { element }] of this.made) {
      // Where the focus is, it must stay.
      if ((index < first || index > last) && !element.contains(document.activeElement)) this.drop(index);
    }
    for (let index = first; index <= last; index += 1) if (!this.made.has(index)) this.add(index);
    this.onMove(this.rowAt(scrollTop + clientHeight / 3));
  }

  /** @param {number} index */
  add(index) {
    const row = this.make(index);
    row.element.dataset.index = String(index);
    row.element.style.top = `${this.tops[index]}px`;
    this.made.set(index, row);
    // In the order of the pages, for the keyboard and for screen readers.
    const after = [...this.space.children].find((each) => Number(/** @type {HTMLElement} */ (each).dataset.index) > index);
    this.space.insertBefore(row.element, after || null);
    this.sizes.observe(row.element);
  }

  /** @param {number} index */
  drop(index) {
    const row = this.made.get(index);
    if (!row) return;
    this.sizes.unobserve(row.element);
    row.close();
    row.element.remove();
    this.made.delete(index);
  }

  /** @param {ResizeObserverEntry[]} entries */
  measure(entries) {
    let changed = false;
    for (const { target, borderBoxSize } of entries) {
      const index = Number(/** @type {HTMLElement} */ (target).dataset.index);
      const height = borderBoxSize[0].blockSize;
      if (!target.isConnected || !height || height === this.heights.get(index)) continue;
      this.heights.set(index, height);
      changed = true;
    }
    if (changed) this.keepPlace(() => this.place());
  }

  /** @param {() => void} change what is seen stays where it is meanwhile */
  keepPlace(change) {
    const index = this.rowAt(this.scroller.scrollTop + 1);
    const offset = this.scroller.scrollTop - this.tops[index];
    change();
    if (offset > 0 || index > 0) {
      const top = this.tops[Math.min(index, this.count)] + offset;
      if (Math.abs(top - this.scroller.scrollTop) > 0.5) this.scroller.scrollTop = top;
    }
    this.plan();
  }

  place() {
    this.tops = new Float64Array(this.count + 1);
    for (let index = 0; index < this.count; index += 1) this.tops[index + 1] = this.tops[index] + this.heightOf(index);
    this.space.style.height = `${this.tops[this.count]}px`;
    for (const [index, { element }] of this.made) element.style.top = `${this.tops[index]}px`;
  }

  /** @param {number} index */
  heightOf(index) {
    return this.heights.get(index) ?? (index < this.count ? this.estimate(index) : 0);
  }

  /** @param {number} y @returns {number} the row at this height */
  rowAt(y) {
    let low = 0;
    let high = Math.max(0, this.count - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
