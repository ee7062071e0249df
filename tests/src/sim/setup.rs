//! What a seed makes of a scenario: machines, jobs, and when something goes wrong.

use super::cluster::{Happening, MS, SECOND, Sim};
use super::machine::{Fault, Machine, Work};
use super::plans;
use super::user::{Template, User};
use dasklike_graph::pool::PoolName;
use dasklike_graph::stage::StageId;
use std::sync::Arc;

impl Sim {
    pub(super) fn set_up(&mut self) {
        if self.trace {
            eprintln!("{:?}", self.scenario);
        }
        for m in 0..self.scenario.machines {
            // The first machines take one pool each.
            let pool = pool(m % self.scenario.pools);
            let machine = Machine::new(&mut self.rng, m, pool);
            self.machines.push(machine);
            self.later(0, 200 * MS, Happening::Connect(m as usize, 0));
        }
        for j in 0..self.scenario.jobs as usize {
            let template = self.template(j);
            let named = template.name.is_some();
            self.templates.push(template);
            for _ in 0..if named { self.rng.range(1, 2) } else { 1 } {
                let user = self.users.len();
                self.users.push(User::new(j, &self.templates[j]));
                self.later(0, 500 * MS, Happening::Submit(user));
            }
        }
        if self.scenario.fickle {
            let user = self.rng.range(0, self.users.len() as u64 - 1) as usize;
            let template = self.users[user].template;
            let same = self.users.iter_mut().filter(|u| u.template == template);
            same.for_each(|u| u.may_be_cancelled = true);
            let what = if self.rng.one_in(2) {
                Happening::Cancel(user)
            } else {
                Happening::Leave(user)
            };
            self.later(0, 2 * SECOND, what);
        }
        for _ in 0..self.scenario.losses {
            self.later(0, 3 * SECOND, Happening::Loss);
        }
        for _ in 0..self.scenario.restarts {
            self.later(0, 3 * SECOND, Happening::SchedulerRestart);
        }
        for _ in 0..self.scenario.drains {
            self.later(0, 2 * SECOND, Happening::Drain);
        }
    }

    pub(super) fn template(&mut self, number: usize) -> Template {
        let rng = &mut self.rng;
        let lowered = plans::random(rng, self.scenario.shape);
        let slowest = if rng.one_in(4) { 40 * MS } else { 3 * MS };
        let n = lowered.stages.len();
        let task_ns = (0..n).map(|_| rng.spread(1000, slowest)).collect();
        let fetched = (0..n).map(|_| rng.one_in(3)).collect();
        let fault = match () {
            () if self.scenario.poison && number == 0 => Some(Fault::Kills),
            () if self.scenario.failing && number == 0 => Some(Fault::Fails),
            () => None,
        };
        let with_tiles: Vec<usize> = (0..n)
            .filter(|i| lowered.stages[*i].tile_count() > 0)
            .collect();
        let fault = fault.filter(|_| !with_tiles.is_empty()).map(|fault| {
            let stage = with_tiles[rng.range(0, with_tiles.len() as u64 - 1) as usize];
            let tile = rng.range(0, lowered.stages[stage].tile_count() - 1);
            (fault, StageId(stage as u32), tile)
        });
        Template {
            lowered: Arc::new(lowered),
            salt: rng.bits(),
            work: Work {
                task_ns,
                fetched,
                fault,
            },
            pool: pool(rng.range(0, self.scenario.pools - 1)),
            name: rng.one_in(3).then(|| format!("name {number}")),
            max_range: rng.one_in(4).then(|| rng.range(1, 3)),
        }
    }
}

fn pool(number: u64) -> PoolName {
    match number {
        0 => PoolName::default(),
        n => format!("pool-{n}").parse().unwrap(),
    }
}
