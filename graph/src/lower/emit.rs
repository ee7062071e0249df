//! Fuses the operations between the arrays a pass reads and the values it feeds to its sinks into one program.
//!
//! Selections cost nothing: they become the way in which an input follows the domain ([`AxisView`]).

use crate::dtype::DType;
use crate::grid::Axis;
use crate::plan::{Dim, Meta, NodeId, Op, Plan, Take};
use crate::program::{Instr, Program, Value};
use crate::stage::{AxisView, InlineId, Input, LocalId, Origin};
use std::collections::HashMap;

/// A pass while its expressions are fused.
pub(super) struct Emitter<'a> {
    plan: &'a Plan,
    metas: &'a [Meta],
    /// Results that are there as arrays when the pass runs.
    arrays: &'a HashMap<NodeId, ArrayRef>,
    /// The dims of the domain with their sizes.
    pub(super) domain: Vec<(Dim, u64)>,
    pub(super) inputs: Vec<Input>,
    pub(super) program: Program,
    /// For each dim of the domain, the cuts of the arrays on chunk grids that follow it.
    pub(super) cuts: Vec<Vec<Axis>>,
    done: HashMap<(NodeId, Vec<AxisView>), Value>,
}

/// An array that exists outside of the program.
#[derive(Clone, Copy, Debug)]
pub(super) enum ArrayRef {
    Inline(InlineId),
    Local(LocalId),
}

impl<'a> Emitter<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        metas: &'a [Meta],
        arrays: &'a HashMap<NodeId, ArrayRef>,
        domain: Vec<(Dim, u64)>,
    ) -> Self {
        Emitter {
            plan,
            metas,
            arrays,
            cuts: vec![Vec::new(); domain.len()],
            domain,
            inputs: Vec::new(),
            program: Program::default(),
            done: HashMap::new(),
        }
    }

    /// The value of a node at each element of the domain.
    pub(super) fn value(&mut self, node: NodeId) -> Value {
        let identity = |dim: &Dim| AxisView::Along {
            dim: self.dim(dim),
            start: 0,
            step: 1,
        };
        let view = self.metas[node.0 as usize]
            .dims
            .iter()
            .map(identity)
            .collect();
        self.emit(node, view)
    }

    fn dim(&self, name: &Dim) -> usize {
        // Every node of a pass has only dims of the pass' domain: the domain is that of the last operation,
        // and elementwise operations and selections only ever lose dims on the way to their inputs.
        self.domain.iter().position(|d| d.0 == *name).unwrap_or(0)
    }

    fn emit(&mut self, id: NodeId, view: Vec<AxisView>) -> Value {
        let key = (id, view);
        if let Some(v) = self.done.get(&key) {
            return *v;
        }
        let value = self.emit_new(id, &key.1);
        self.done.insert(key, value);
        value
    }

    fn emit_new(&mut self, id: NodeId, view: &[AxisView]) -> Value {
        let node = &self.plan.nodes[id.0 as usize];
        let meta = &self.metas[id.0 as usize];
        let dtype = meta.dtype;
        if let Some(array) = self.arrays.get(&id) {
            let origin = match array {
                ArrayRef::Inline(i) => Origin::Inline(*i),
                ArrayRef::Local(l) => Origin::Local(*l),
            };
            return self.load(origin, dtype, view);
        }
        match &node.op {
            Op::Source(source) => {
                let axes = self.plan.sources[source.0 as usize].axes();
                self.cut(&axes, view);
                self.load(Origin::Stored(*source), dtype, view)
            }
            Op::Full { value, axes, .. } => {
                self.cut(axes, view);
                self.program.push(Instr::Const(*value), dtype)
            }
            Op::Select(takes) => {
                let dims = &self.metas[node.inputs[0].0 as usize].dims;
                let inner = through_select(takes, dims, &meta.dims, view);
                self.emit(node.inputs[0], inner)
            }
            op => {
                let operands: Vec<Value> = node
                    .inputs
                    .iter()
                    .map(|input| self.emit_operand(*input, meta, view))
                    .collect();
                let instr = match op {
                    Op::Cast(_) => Instr::Cast(operands[0]),
                    Op::Unary(u) => Instr::Unary(*u, operands[0]),
                    Op::Binary(b) => Instr::Binary(*b, operands[0], operands[1]),
                    Op::Where => Instr::Select {
                        cond: operands[0],
                        a: operands[1],
                        b: operands[2],
                    },
                    Op::IsIn(values) => Instr::IsIn(operands[0], values.clone()),
                    // Sources, constants and selections are above; reductions and inline arrays are in
                    // `arrays`, because a pass is cut where they are.
                    _ => unreachable!("{op:?} is an array of its own, not a step of a program"),
                };
                self.program.push(instr, dtype)
            }
        }
    }

    fn emit_operand(&mut self, input: NodeId, result: &Meta, view: &[AxisView]) -> Value {
        let place = |d: &Dim| result.dims.iter().position(|r| r == d).unwrap_or(0);
        let theirs = self.metas[input.0 as usize]
            .dims
            .iter()
            .map(|d| view[place(d)])
            .collect();
        self.emit(input, theirs)
    }

    fn load(&mut self, origin: Origin, dtype: DType, view: &[AxisView]) -> Value {
        let input = Input {
            origin,
            dtype,
            axes: view.to_vec(),
        };
        let at = self
            .inputs
            .iter()
            .position(|i| *i == input)
            .unwrap_or_else(|| {
                self.inputs.push(input);
                self.inputs.len() - 1
            });
        self.program.push(Instr::Load(at as u32), dtype)
    }

    /// Notes where an array on a chunk grid cuts the domain.
    fn cut(&mut self, axes: &[Axis], view: &[AxisView]) {
        for (axis, v) in axes.iter().zip(view) {
            if let AxisView::Along { dim, start, step } = *v {
                let len = self.domain[dim].1;
                let seen = if len == 0 {
                    Axis::whole(0)
                } else {
                    axis.view(start, step, len)
                };
                if !self.cuts[dim].contains(&seen) {
                    self.cuts[dim].push(seen);
                }
            }
        }
    }
}

/// How the selected array follows the domain, where its selection does so by `view`.
fn through_select(
    takes: &[(Dim, Take)],
    dims: &[Dim],
    kept: &[Dim],
    view: &[AxisView],
) -> Vec<AxisView> {
    let shift = |start: u64, step: i64, i: u64| (start as i64 + step * i as i64) as u64;
    let one = |dim: &Dim| {
        let outer = kept.iter().position(|k| k == dim).map(|k| view[k]);
        match (takes.iter().find(|t| t.0 == *dim).map(|t| &t.1), outer) {
            (Some(Take::Index(i)), _) => AxisView::Fixed(*i),
            (Some(Take::Slice(s)), Some(AxisView::Fixed(i))) => {
                AxisView::Fixed(shift(s.start, s.step, i))
            }
            (Some(Take::Slice(s)), Some(AxisView::Along { dim, start, step })) => AxisView::Along {
                dim,
                start: shift(s.start, s.step, start),
                step: s.step * step,
            },
            (_, Some(outer)) => outer,
            (_, None) => AxisView::Fixed(0),
        }
    };
    dims.iter().map(one).collect()
}
