//! Register allocation: each value gets the register that was freed last, so that few are touched.

use crate::code::{Code, Constant, Fed, Operand, Reg, Step, class, strip};
use crate::guard::{Guard, Selection};
use crate::select::{Arg, Selected};
use std::collections::HashMap;

/// Gives registers to a pass' values. `sizes` are the bytes of each input's elements.
pub(crate) fn allocate(selected: Selected, sizes: &[usize]) -> Code {
    let mut a = Allocator::default();
    let last = last_uses(&selected);
    let used = |input: usize| {
        let is = |arg: &Arg| *arg == Arg::Input(input as u32);
        selected.calls.iter().any(|c| c.2.args.iter().any(is))
            || selected
                .fed
                .iter()
                .any(|(value, mask)| is(value) || is(mask))
    };
    let inputs = (0..sizes.len())
        .map(|i| used(i).then(|| a.take(sizes[i])))
        .collect();
    // Constants live throughout: their registers are taken before any that is given back.
    let mut constants = HashMap::new();
    let mut filled = Vec::new();
    let every = selected.calls.iter().flat_map(|c| c.2.args);
    for arg in every.chain(
        selected
            .fed
            .iter()
            .flat_map(|(value, mask)| [*value, *mask]),
    ) {
        if let Arg::Const { bits, size } = arg {
            constants.entry(arg).or_insert_with(|| {
                let reg = a.take(size);
                filled.push(Constant { reg, bits });
                reg
            });
        }
    }
    let mut values: HashMap<u32, Reg> = HashMap::new();
    let operand = |arg: &Arg, values: &HashMap<u32, Reg>| match arg {
        Arg::None => Operand::None,
        Arg::Input(i) => Operand::Input(*i),
        Arg::Value(v) => Operand::Reg(values[v]),
        c => Operand::Reg(constants[c]),
    };
    let mut steps = Vec::with_capacity(selected.calls.len());
    for (at, (value, size, call)) in selected.calls.iter().enumerate() {
        let args = [0, 1, 2].map(|i| operand(&call.args[i], &values));
        // The result never shares a register with an operand: a kernel cannot read what it writes.
        let out = a.take(*size);
        values.insert(*value, out);
        let mut ended: Vec<u32> = call.args.iter().filter_map(ends(&last, at)).collect();
        ended.sort_unstable();
        ended.dedup();
        ended.iter().for_each(|v| a.give_back(values[v]));
        steps.push(Step {
            kernel: call.kernel,
            out,
            args,
            consts: call.consts.clone().into(),
        });
    }
    let guard = selected.guard.as_ref().map(|guard| Guard {
        steps: guard.calls,
        thins: guard.thins,
        reads: read_first(&selected, guard),
        masks: guard.masks.iter().map(|m| operand(m, &values)).collect(),
        inputs: read_after(&selected, guard),
        registers: carried(&selected, guard, &last)
            .map(|value| values[&value])
            .collect(),
    });
    let fed = selected.fed.iter();
    let fed = fed
        .map(|(v, m)| Fed {
            value: operand(v, &values),
            mask: operand(m, &values),
        })
        .collect();
    Code {
        steps,
        constants: filled,
        inputs,
        fed,
        strip: strip(&a.count),
        registers: a.count,
        guard,
    }
}

/// The inputs that the guard reads.
fn read_first(selected: &Selected, guard: &Selection) -> Vec<u32> {
    let calls = selected.calls[..guard.calls].iter();
    inputs_of(
        calls
            .flat_map(|(_, _, call)| call.args)
            .chain(guard.masks.iter().copied()),
    )
}

/// The inputs that are read behind the guard.
fn read_after(selected: &Selected, guard: &Selection) -> Vec<u32> {
    let calls = selected.calls[guard.calls..].iter();
    let fed = selected
        .fed
        .iter()
        .flat_map(|(value, mask)| [*value, *mask]);
    inputs_of(calls.flat_map(|(_, _, call)| call.args).chain(fed))
}

/// The inputs among `args`, rising, each once.
fn inputs_of(args: impl Iterator<Item = Arg>) -> Vec<u32> {
    let mut inputs: Vec<u32> = args
        .filter_map(|arg| match arg {
            Arg::Input(i) => Some(i),
            _ => None,
        })
        .collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

/// The values that the guard defines and something behind it reads.
fn carried<'a>(
    selected: &'a Selected,
    guard: &'a Selection,
    last: &'a HashMap<u32, usize>,
) -> impl Iterator<Item = u32> + 'a {
    let defined = selected.calls[..guard.calls].iter().map(|c| c.0);
    defined.filter(|value| last.get(value).is_some_and(|at| *at >= guard.calls))
}

/// The last call that uses each value; beyond all calls for what a sink uses.
fn last_uses(selected: &Selected) -> HashMap<u32, usize> {
    let mut last = HashMap::new();
    for (at, (_, _, call)) in selected.calls.iter().enumerate() {
        for arg in &call.args {
            if let Arg::Value(v) = arg {
                last.insert(*v, at);
            }
        }
    }
    for arg in selected.fed.iter().flat_map(|(value, mask)| [value, mask]) {
        if let Arg::Value(v) = arg {
            last.insert(*v, usize::MAX);
        }
    }
    last
}

/// Picks operands whose last use is call `at`.
fn ends(last: &HashMap<u32, usize>, at: usize) -> impl Fn(&Arg) -> Option<u32> {
    move |arg| match arg {
        Arg::Value(v) if last.get(v) == Some(&at) => Some(*v),
        _ => None,
    }
}

#[derive(Default)]
struct Allocator {
    free: [Vec<u16>; 4],
    count: [u16; 4],
}

impl Allocator {
    fn take(&mut self, size: usize) -> Reg {
        let class = class(size);
        let c = class as usize;
        let index = self.free[c].pop().unwrap_or_else(|| {
            self.count[c] += 1;
            self.count[c] - 1
        });
        Reg { class, index }
    }

    fn give_back(&mut self, reg: Reg) {
        self.free[reg.class as usize].push(reg.index);
    }
}
