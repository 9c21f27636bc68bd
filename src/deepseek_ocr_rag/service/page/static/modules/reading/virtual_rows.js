/** A long column of rows of which only those near the window exist. */

const AROUND = 0.75; // how many windows above and below have rows
const AT_ONCE = 3; // most rows that are made in one frame

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
    /** The height of each row: measured, or else estimated. */
    this.heights = new Float64Array(0);
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
    if (count === this.count) return;
    for (const index of [...this.made.keys()]) if (index >= count) this.drop(index);
    const before = Math.min(this.count, count);
    const heights = new Float64Array(count);
    heights.set(this.heights.subarray(0, before));
    for (let index = before; index < count; index += 1) heights[index] = this.estimate(index);
    this.heights = heights;
    this.count = count;
    this.keepPlace(() => this.place());
  }

  /** Makes all rows again, such as after zooming, and keeps the position within the row. */
  remakeAll() {
    const { index, share } = this.at();
    for (const each of [...this.made.keys()]) this.drop(each);
    this.heights = this.heights.map((_, each) => this.estimate(each));
    this.place();
    this.scroller.scrollTop = this.tops[index] + share * (this.heights[index] || 0);
    this.render();
  }

  /** @param {number} index makes this row again, if it is there */
  remake(index) {
    if (index < 0 || index >= this.count) return;
    if (this.made.has(index)) {
      this.drop(index);
      this.render();
      return;
    }
    const height = this.estimate(index);
    if (Math.abs(height - this.heights[index]) < 1) return;
    this.heights[index] = height;
    this.keepPlace(() => this.place(index));
  }

  /** @returns {{index: number, share: number}} the first row that is seen, and how much of it is above the window */
  at() {
    const index = this.rowAt(this.scroller.scrollTop + 1);
    const height = this.heights[index] || 1;
    return { index, share: (this.scroller.scrollTop - this.tops[index]) / height };
  }

  /**
   * @param {number} index
   * @param {number} [offset] pixels below the row's top
   */
  scrollTo(index, offset = 0) {
    this.scroller.scrollTop = this.tops[index] + offset;
    this.render();
    // Rows near it may turn out to have another height than estimated.
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
      // Keep the row that has the focus.
      if ((index < first || index > last) && !element.contains(document.activeElement)) this.drop(index);
    }
    let made = 0;
    for (const index of this.nearest(first, last)) {
      if (this.made.has(index)) continue;
      if (made === AT_ONCE) {
        this.plan(); // the others in the next frame, to keep frames short
        break;
      }
      this.add(index);
      made += 1;
    }
    this.onMove(this.rowAt(scrollTop + clientHeight / 3));
  }

  /** @param {number} first @param {number} last @returns {number[]} these rows, the visible ones first */
  nearest(first, last) {
    const seen = this.rowAt(this.scroller.scrollTop);
    const rows = Array.from({ length: last - first + 1 }, (_, nth) => first + nth);
    return rows.sort((a, b) => distance(a, seen) - distance(b, seen));
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
    // Otherwise the focus would leave the document, and the keys would stop working.
    if (row.element.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
    this.sizes.unobserve(row.element);
    row.close();
    row.element.remove();
    this.made.delete(index);
  }

  /** @param {ResizeObserverEntry[]} entries */
  measure(entries) {
    let first = this.count;
    for (const { target, borderBoxSize } of entries) {
      const index = Number(/** @type {HTMLElement} */ (target).dataset.index);
      const height = borderBoxSize[0].blockSize;
      if (!target.isConnected || !height || index >= this.count || height === this.heights[index]) continue;
      this.heights[index] = height;
      first = Math.min(first, index);
    }
    if (first < this.count) this.keepPlace(() => this.place(first));
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

  /** @param {number} [from] the first row whose height has changed */
  place(from = 0) {
    if (this.tops.length !== this.count + 1) {
      this.tops = new Float64Array(this.count + 1);
      from = 0;
    }
    for (let index = from; index < this.count; index += 1) this.tops[index + 1] = this.tops[index] + this.heights[index];
    this.space.style.height = `${this.tops[this.count]}px`;
    for (const [index, { element }] of this.made) if (index > from || !from) element.style.top = `${this.tops[index]}px`;
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

/** @param {number} row @param {number} seen @returns {number} rows above what is seen are needed later */
function distance(row, seen) {
  return row < seen ? seen - row + 1.5 : row - seen;
}
