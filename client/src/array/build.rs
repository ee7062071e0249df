//! From expressions to a plan.

use super::data_array::DataArray;
use super::error::ArrayError;
use super::expr::{Expr, ExprOp};
use dasklike_graph::plan::{NodeId, Plan, PlanBuilder};
use std::collections::HashMap;
use std::sync::Arc;

/// The plan that computes `arrays`, one output each, in order. Equal subexpressions become one node, so arrays
/// that share inputs share the reading. Reports the first error that an array carries.
pub fn plan<'a>(arrays: impl IntoIterator<Item = &'a DataArray>) -> Result<Plan, ArrayError> {
    let mut builder = PlanBuilder::default();
    let mut known = HashMap::new();
    let mut outputs = 0;
    for array in arrays {
        let node = add(&mut builder, &mut known, array.expr()?)?;
        let name = array
            .name()
            .map_or_else(|| format!("output {outputs}"), str::to_owned);
        builder.output(&name, node);
        outputs += 1;
    }
    if outputs == 0 {
        return Err(ArrayError::NoOutputs);
    }
    Ok(builder.finish())
}

fn add(
    builder: &mut PlanBuilder,
    known: &mut HashMap<*const Expr, NodeId>,
    expr: &Arc<Expr>,
) -> Result<NodeId, ArrayError> {
    if let Some(id) = known.get(&Arc::as_ptr(expr)) {
        return Ok(*id);
    }
    let inputs = expr
        .inputs
        .iter()
        .map(|e| add(builder, known, e))
        .collect::<Result<Vec<_>, _>>()?;
    let id = match &expr.op {
        ExprOp::Source(source) => builder.source(source.clone())?,
        ExprOp::Op(op) => builder.add(op.clone(), &inputs)?,
    };
    known.insert(Arc::as_ptr(expr), id);
    Ok(id)
}
