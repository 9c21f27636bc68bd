/** A cache of what was fetched last; failures are not kept. */

export class RecentlyUsed {
  /** @param {number} most */
  constructor(most) {
    this.most = most;
    /** @type {Map<string, Promise<any>>} the one used longest ago first */
    this.kept = new Map();
  }

  /**
   * @param {string} key
   * @param {() => Promise<any>} fetchIt
   * @returns {Promise<any>}
   */
  get(key, fetchIt) {
    let found = this.kept.get(key);
    if (found) this.kept.delete(key);
    else {
      found = fetchIt();
      found.catch(() => this.kept.delete(key));
    }
    this.kept.set(key, found);
    if (this.kept.size > this.most) this.kept.delete(/** @type {string} */ (this.kept.keys().next().value));
    return found;
  }

  /** @param {string} key */
  forget(key) {
    this.kept.delete(key);
  }
}
