//! Masks that say what need not be read: where every sink of a pass leaves out what one mask does not select,
//! and part of that mask needs little of what the values need, that part can be evaluated first, and where it
//! selects nothing the chunks of the other inputs are not read.

use crate::dtype::DType;
use crate::ops::BinaryOp;
use crate::plan::SourceId;
use crate::program::{Instr, Program, Value};
use crate::reduce::Column;
use crate::stage::{Origin, Pass, Sink, Stage};
use std::collections::BTreeSet;

/// The inputs of a pass by when they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOrder {
    /// The parts of the mask that are evaluated first.
    pub parts: Vec<Value>,
    /// Inputs that those parts need.
    pub first: Vec<u32>,
    /// Stored inputs that are read only where the parts select something.
    pub then: Vec<u32>,
}

/// The order in which a pass reads its inputs; `None` if it reads all of them in any case.
pub fn read_order(pass: &Pass) -> Option<ReadOrder> {
    let program = &pass.program;
    let (mut values, mask) = common_mask(program, &pass.sinks)?;
    let parts = cheap_parts(program, &values, mask);
    let first = loads(program, &needed(program, &parts));
    values.push(mask);
    let mut then = loads(program, &needed(program, &values));
    then.retain(|i| !first.contains(i) && is_stored(pass, *i));
    (!parts.is_empty() && !then.is_empty()).then_some(ReadOrder { parts, first, then })
}

/// The sources of a stage's mask, if its only pass reads other sources only where the mask selects something: their
/// chunks can be asked first whether the others' are needed.
pub fn asked_first(stage: &Stage) -> Option<Vec<SourceId>> {
    let [pass] = &stage.passes[..] else {
        return None;
    };
    let order = read_order(pass)?;
    let sources = |inputs: &[u32]| -> BTreeSet<SourceId> {
        let origins = inputs.iter().map(|i| pass.inputs[*i as usize].origin);
        let stored = origins.filter_map(|origin| match origin {
            Origin::Stored(id) => Some(id),
            Origin::Inline(_) | Origin::Local(_) => None,
        });
        stored.collect()
    };
    let (first, then) = (sources(&order.first), sources(&order.then));
    let useful = !first.is_empty() && !then.is_subset(&first);
    useful.then(|| first.into_iter().collect())
}

/// The value of each sink and the mask of all, if all reduce what one and the same mask selects.
pub fn common_mask(program: &Program, sinks: &[Sink]) -> Option<(Vec<Value>, Value)> {
    let (_, mask) = masked(program, sinks.first()?)?;
    let value = |sink| masked(program, sink).filter(|m| m.1 == mask).map(|m| m.0);
    let values = sinks.iter().map(value).collect::<Option<_>>()?;
    Some((values, mask))
}

/// The value and the mask of a sink that reduces `where(mask, value, NaN)` and leaves NaN out.
pub fn masked(program: &Program, sink: &Sink) -> Option<(Value, Value)> {
    let Sink::Reduce(r) = sink else { return None };
    let Instr::Select { cond, a, b } = program.instrs[r.value.0 as usize] else {
        return None;
    };
    let constant = |v: Value| match &program.instrs[v.0 as usize] {
        Instr::Const(c) => Some(c.as_f64()),
        _ => None,
    };
    // If other instructions need the selected values too, they are there anyway.
    let mut uses = program.instrs.iter().flat_map(Instr::operands);
    let alone = uses.all(|v| v != r.value);
    // NaN is true to these, so leaving it out would change them.
    let truth = |c: &Column| matches!(c, Column::Any | Column::All);
    let plain =
        constant(cond).is_none() && constant(a).is_none() && !r.state.columns.iter().any(truth);
    let is_nan = constant(b).is_some_and(f64::is_nan);
    (r.state.skipna && alone && plain && is_nan).then_some((a, cond))
}

/// The conditions, all of which are true where `mask` is, that share no work with `values`.
pub fn cheap_parts(program: &Program, values: &[Value], mask: Value) -> Vec<Value> {
    let costly = needed(program, values);
    let is_free = |v: &u32| {
        matches!(
            program.instrs[*v as usize],
            Instr::Load(_) | Instr::Const(_)
        )
    };
    let shares = |part: &Value| {
        let part = needed(program, &[*part]);
        part.intersection(&costly).any(|v| !is_free(v))
    };
    let mut parts = Vec::new();
    conjuncts(program, mask, &mut parts);
    parts.retain(|part| !shares(part));
    parts
}

fn conjuncts(program: &Program, mask: Value, parts: &mut Vec<Value>) {
    match program.instrs[mask.0 as usize] {
        Instr::Binary(BinaryOp::And, a, b) if program.dtype(mask) == DType::Bool => {
            conjuncts(program, a, parts);
            conjuncts(program, b, parts);
        }
        _ => parts.push(mask),
    }
}

/// The instructions that `values` need, themselves included.
fn needed(program: &Program, values: &[Value]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = values.to_vec();
    while let Some(v) = open.pop() {
        if found.insert(v.0) {
            open.extend(program.instrs[v.0 as usize].operands());
        }
    }
    found
}

/// The inputs that instructions load, rising.
fn loads(program: &Program, instrs: &BTreeSet<u32>) -> Vec<u32> {
    let loads = instrs
        .iter()
        .filter_map(|v| match program.instrs[*v as usize] {
            Instr::Load(i) => Some(i),
            _ => None,
        });
    let loads: BTreeSet<u32> = loads.collect();
    loads.into_iter().collect()
}

fn is_stored(pass: &Pass, input: u32) -> bool {
    matches!(pass.inputs[input as usize].origin, Origin::Stored(_))
}
