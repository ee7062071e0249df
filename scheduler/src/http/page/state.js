// What the page knows of the cluster, kept up to date by server-sent events.

const INTERVALS_LIMIT = 8192;
const RATES_LIMIT = 1200;

export const LIMITS = ["network", "decode", "compute", "memory", "scheduler"];

// worker-2 before worker-10.
const byName = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true });

export class State {
  constructor() {
    this.snapshot = null;
    this.intervals = [];
    this.connected = false;
    this.receivedAt = 0;
    this.chosen = null;
    this.plans = new Map();
  }

  // The whole picture: at first, and again after each loss of the connection.
  whole(snapshot) {
    this.intervals = snapshot.stream;
    delete snapshot.stream;
    const other = this.snapshot && this.snapshot.cluster.epoch !== snapshot.cluster.epoch;
    if (other) this.plans.clear();
    this.snapshot = snapshot;
    snapshot.workers.sort(byName);
    this.receivedAt = performance.now();
  }

  // What changed since.
  update(update) {
    const known = new Map(this.snapshot.jobs.map((job) => [job.id, job]));
    for (const job of update.jobs) known.set(job.id, job);
    const jobs = update.job_ids.map((id) => known.get(id)).filter((job) => job !== undefined);
    const rates = this.snapshot.rates.concat(update.rates).slice(-RATES_LIMIT);
    this.intervals = this.intervals.concat(update.stream).slice(-INTERVALS_LIMIT);
    const { at_us, workers, pools, limit, errors, totals } = update;
    workers.sort(byName);
    Object.assign(this.snapshot, { at_us, jobs, rates, workers, pools, limit, errors, totals });
    this.receivedAt = performance.now();
  }

  // The scheduler's clock now; it stands still while the connection is lost.
  now() {
    if (!this.snapshot) return 0;
    return this.snapshot.at_us + (this.connected ? (performance.now() - this.receivedAt) * 1000 : 0);
  }

  // The job that is shown: the one that was chosen, else the latest that runs, else the latest.
  job() {
    const jobs = this.snapshot ? this.snapshot.jobs : [];
    const chosen = jobs.find((job) => job.id === this.chosen);
    return chosen ?? jobs.find((job) => job.state === "running") ?? jobs[0] ?? null;
  }

  // The plan of a job, when it has arrived; `then` is called once it has.
  plan(job, then) {
    if (!this.plans.has(job.id)) {
      this.plans.set(job.id, null);
      fetch(`api/v1/jobs/${encodeURIComponent(job.id)}`)
        .then((answer) => (answer.ok ? answer.json() : null))
        .then((detail) => {
          this.plans.set(job.id, detail?.plan ?? null);
          then();
        })
        // The connection is lost: ask again when the next picture is drawn after it is back.
        .catch(() => this.plans.delete(job.id));
    }
    return this.plans.get(job.id);
  }
}

// Listens to the scheduler for as long as the page is open; the browser reconnects by itself.
export function listen(state, changed) {
  const source = new EventSource("api/v1/events");
  const receive = (apply) => (event) => {
    state.connected = true;
    apply.call(state, JSON.parse(event.data));
    changed();
  };
  source.addEventListener("snapshot", receive(state.whole));
  source.addEventListener("update", receive(state.update));
  source.addEventListener("error", () => {
    state.connected = false;
    changed();
    // After an answer that is no event stream, such as a proxy's error page, the browser gives up.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(state, changed), 2000);
  });
}

export const jobTitle = (job) => job.name ?? `job ${job.id}`;

export const ended = (job) => job.finished_us !== null;

export function jobTiles(job) {
  const sum = (key) => job.stages.reduce((n, stage) => n + stage[key], 0);
  return { tiles: sum("tiles"), done: sum("done"), running: sum("running"), failed: sum("failed") };
}
