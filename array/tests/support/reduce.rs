//! Reductions of plain lists of values, and how near a result must be.

use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::reduce::ReduceOp;

/// Whether `got` is `op` of `values`.
pub fn matches(
    op: ReduceOp,
    values: &[Scalar],
    skipna: bool,
    dtype: DType,
    got: Scalar,
) -> Result<(), String> {
    let float = values
        .first()
        .is_some_and(|v| matches!(v, Scalar::F32(_) | Scalar::F64(_)));
    let kept: Vec<Scalar> = values
        .iter()
        .copied()
        .filter(|v| !(skipna && float && v.as_f64().is_nan()))
        .collect();
    let v: Vec<f64> = kept.iter().map(|v| v.as_f64()).collect();
    let n = v.len() as f64;
    let integers = || kept.iter().map(|v| v.to_bits());
    let size: f64 = v.iter().map(|v| v.abs()).sum();
    let squares: f64 = v.iter().map(|v| v * v).sum();
    let finite = v.iter().all(|v| v.is_finite());
    // Where a sum of finite values may overflow on the way, its order decides.
    if finite && squares > 1e300 {
        return Ok(());
    }
    let sum: f64 = v.iter().sum();
    let mean = sum / n;
    let m2: f64 = v.iter().map(|v| (v - mean) * (v - mean)).sum();
    let near = |want: f64, tolerance: f64| {
        let got = got.as_f64();
        let rough = if dtype == DType::F32 {
            want.abs() * 1e-6 + 1e-40
        } else {
            0.0
        };
        let big = dtype == DType::F32 && want.abs() > 3e38;
        let ok = (want.is_nan() && got.is_nan())
            || want == got
            || big
            || (want - got).abs() <= tolerance + rough;
        if ok {
            Ok(())
        } else {
            Err(format!(
                "{op:?}: want {want}, got {got}, tolerance {tolerance}"
            ))
        }
    };
    let exact = |want: Scalar| {
        if want == got {
            Ok(())
        } else {
            Err(format!("{op:?}: want {want}, got {got}"))
        }
    };
    match op {
        ReduceOp::Count => exact(Scalar::I64(kept.len() as i64)),
        ReduceOp::Sum if float => near(sum, size * 1e-12),
        ReduceOp::Sum => exact(Scalar::from_bits(
            got.lane(),
            integers().fold(0, u64::wrapping_add),
        )),
        ReduceOp::Mean => near(mean, size / n * 1e-12),
        ReduceOp::Var { ddof } | ReduceOp::Std { ddof } => {
            let free = n - ddof as f64;
            let var = if n > 0.0 && free > 0.0 {
                m2 / free
            } else {
                f64::NAN
            };
            let tolerance = squares / free.max(1.0) * 1e-9;
            match op {
                ReduceOp::Var { .. } => near(var, tolerance),
                _ => near(var.sqrt(), (var.sqrt() * 1e-9).max(tolerance.sqrt() * 1e-2)),
            }
        }
        ReduceOp::Min | ReduceOp::Max => {
            if values.is_empty() || (kept.is_empty() && !float) {
                return Ok(());
            }
            let nan = kept.is_empty() || v.iter().any(|v| v.is_nan());
            if float {
                let least = v.iter().copied().fold(f64::INFINITY, f64::min);
                let most = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let want = if op == ReduceOp::Min { least } else { most };
                return near(if nan { f64::NAN } else { want }, 0.0);
            }
            let order = |s: &Scalar| match s {
                Scalar::I64(v) => *v as i128,
                s => s.to_bits() as i128,
            };
            let least = kept.iter().copied().min_by_key(order);
            let most = kept.iter().copied().max_by_key(order);
            exact(if op == ReduceOp::Min { least } else { most }.unwrap())
        }
        ReduceOp::Any => exact(Scalar::Bool(kept.contains(&Scalar::Bool(true)))),
        ReduceOp::All => exact(Scalar::Bool(!kept.contains(&Scalar::Bool(false)))),
    }
}
