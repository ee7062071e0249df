//! Several instructions that one kernel does, with the same roundings in the same order.

use crate::select::Selector;
use dasklike_graph::dtype::{DType, Lane, Scalar};
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::program::{Instr, Value};

/// `of * scale + offset` in `to`, NaN where `of` is `missing`. All as native bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Affine {
    pub(crate) of: Value,
    pub(crate) from: DType,
    pub(crate) to: DType,
    pub(crate) scale: u64,
    pub(crate) offset: u64,
    pub(crate) missing: Option<u64>,
}

/// A value that is an [`Affine`] of more than one instruction: a single one has a kernel of its own.
pub(crate) fn affine(s: &Selector<'_>, root: Value) -> Option<Affine> {
    chain(s, root, true)
        .filter(|(_, links)| *links >= 2)
        .map(|(a, _)| a)
}

/// `(a * k + b * l) * scale + offset`, all as native bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    pub(crate) of: [Value; 2],
    pub(crate) dtype: DType,
    pub(crate) factors: [u64; 2],
    pub(crate) scale: u64,
    pub(crate) offset: u64,
}

/// A sum or difference of two strips whose operands or result are scaled or shifted by constants, which nothing else
/// uses. A difference is a sum with the negated factor, which changes no bit.
pub(crate) fn linear(s: &Selector<'_>, root: Value) -> Option<Linear> {
    let (outer, mut links) = chain(s, root, false)?;
    let sum = outer.of;
    (sum == root || s.uses[sum.0 as usize] == 1).then_some(())?;
    let Instr::Binary(op @ (BinaryOp::Add | BinaryOp::Sub), a, b) =
        s.program.instrs[sum.0 as usize]
    else {
        return None;
    };
    let one = Scalar::F64(1.0).cast(outer.to).to_bits();
    let mut scaled = |v: Value| {
        let alone = s.uses[v.0 as usize] == 1;
        let found = alone.then(|| times_constant(s, v)).flatten();
        links += u32::from(found.is_some());
        found.unwrap_or((v, one))
    };
    let ((a, of_a), (b, of_b)) = (scaled(a), scaled(b));
    let of_b = match op {
        BinaryOp::Sub => of_b ^ sign(outer.to),
        _ => of_b,
    };
    let strips = [a, b].iter().all(|v| s.constant(*v).is_none());
    (links >= 1 && strips).then_some(Linear {
        of: [a, b],
        dtype: outer.to,
        factors: [of_a, of_b],
        scale: outer.scale,
        offset: outer.offset,
    })
}

/// The sign's bit in a float dtype.
fn sign(dtype: DType) -> u64 {
    if dtype == DType::F32 {
        1 << 31
    } else {
        1 << 63
    }
}

/// `where(mask, x * scale + offset, other)` or, if `inverted`, `where(mask, other, x * scale + offset)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AffineSelect {
    pub(crate) mask: Value,
    pub(crate) affine: Affine,
    pub(crate) other: Value,
    pub(crate) inverted: bool,
}

/// A choice one of whose sides is a product or a sum with a constant that nothing else uses.
pub(crate) fn affine_select(s: &Selector<'_>, root: Value) -> Option<AffineSelect> {
    let Instr::Select { cond, a, b } = s.program.instrs[root.0 as usize] else {
        return None;
    };
    s.constant(cond).is_none().then_some(())?;
    [(a, b, false), (b, a, true)]
        .into_iter()
        .find_map(|(side, other, inverted)| {
            if s.uses[side.0 as usize] != 1 {
                return None;
            }
            let (affine, _) = chain(s, side, false).filter(|(_, links)| *links >= 1)?;
            Some(AffineSelect {
                mask: cond,
                affine,
                other,
                inverted,
            })
        })
}

/// Follows a chain of single uses from `root` down: missing value, offset, scale, missing value, cast, as far
/// as it goes, and counts its links; without `decoding`, offset and scale only.
fn chain(s: &Selector<'_>, root: Value, decoding: bool) -> Option<(Affine, u32)> {
    let to = s.program.dtype(root);
    if !to.is_float() {
        return None;
    }
    let bits = |v: f64| Scalar::F64(v).cast(to).to_bits();
    let mut chain = Affine {
        of: root,
        from: to,
        to,
        scale: bits(1.0),
        offset: bits(-0.0),
        missing: None,
    };
    let mut links = 0;
    let mut tested = None;
    // A value inside of the chain must have no other use, or it would be computed twice.
    let free = |v: Value, uses: u32| v == root || s.uses[v.0 as usize] == uses;
    let mut step = |chain: &mut Affine, next: Option<Value>| {
        if let Some(next) = next {
            chain.of = next;
            links += 1;
        }
    };
    let missing = |chain: &mut Affine, tested: &mut Option<(Value, u64)>| {
        let found = if decoding && free(chain.of, 1) && tested.is_none() {
            select_nan(s, chain.of)
        } else {
            None
        };
        found.map(|(value, x, missing)| {
            *tested = Some((x, missing));
            value
        })
    };
    let next = missing(&mut chain, &mut tested);
    step(&mut chain, next);
    if free(chain.of, 1)
        && let Some((value, offset)) = plus_constant(s, chain.of)
    {
        chain.offset = offset;
        step(&mut chain, Some(value));
    }
    if free(chain.of, 1)
        && let Some((value, scale)) = times_constant(s, chain.of)
    {
        chain.scale = scale;
        step(&mut chain, Some(value));
    }
    let next = missing(&mut chain, &mut tested);
    step(&mut chain, next);
    // The test for the missing value may look at the cast value: that is a second use.
    let tests_cast = tested.is_some_and(|(x, _)| x == chain.of);
    if decoding
        && let Instr::Cast(x) = s.program.instrs[chain.of.0 as usize]
        && free(chain.of, if tests_cast { 2 } else { 1 })
        && (!tests_cast || tested.is_some_and(|t| cast_back(s, x, to, t.1).is_some()))
    {
        if tests_cast {
            tested = tested.and_then(|t| Some((x, cast_back(s, x, to, t.1)?)));
        }
        step(&mut chain, Some(x));
    }
    chain.from = s.program.dtype(chain.of);
    if let Some((x, missing)) = tested {
        if x != chain.of {
            return None;
        }
        chain.missing = Some(missing);
    }
    s.constant(chain.of).is_none().then_some((chain, links))
}

/// The bits of `missing`, a value of the float `to`, in the dtype of `x`, if the cast from there loses nothing:
/// then the test can be made before the cast.
fn cast_back(s: &Selector<'_>, x: Value, to: DType, missing: u64) -> Option<u64> {
    let from = s.program.dtype(x);
    let exact = from.is_integer() && from.size() < to.size();
    let value = Scalar::from_bits(to.lane(), missing);
    let back = value.cast(from);
    (exact && back.cast(to) == value).then_some(back.to_bits())
}

/// `where(x == missing, NaN, value)` in any of its forms: value, x, and the bits of the missing value.
fn select_nan(s: &Selector<'_>, v: Value) -> Option<(Value, Value, u64)> {
    let Instr::Select { cond, a, b } = s.program.instrs[v.0 as usize] else {
        return None;
    };
    let (equal, x, missing) = equals_constant(s, cond)?;
    let (nan, value) = if equal { (a, b) } else { (b, a) };
    is_nan(s, nan).then_some((value, x, missing))
}

/// Whether a condition is `x == constant` (true) or `x != constant` (false).
fn equals_constant(s: &Selector<'_>, cond: Value) -> Option<(bool, Value, u64)> {
    match s.program.instrs[cond.0 as usize] {
        Instr::Unary(UnaryOp::Invert, c) => {
            equals_constant(s, c).map(|(equal, x, k)| (!equal, x, k))
        }
        Instr::Binary(op @ (BinaryOp::Eq | BinaryOp::Ne), x, k) => {
            let (x, k) = if s.constant(x).is_some() {
                (k, x)
            } else {
                (x, k)
            };
            let plain = s.program.dtype(x).lane() != Lane::Bool;
            plain.then_some((op == BinaryOp::Eq, x, s.constant(k)?))
        }
        _ => None,
    }
}

fn is_nan(s: &Selector<'_>, v: Value) -> bool {
    let lane = s.program.dtype(v).lane();
    s.constant(v)
        .is_some_and(|bits| match Scalar::from_bits(lane, bits) {
            Scalar::F32(v) => v.is_nan(),
            Scalar::F64(v) => v.is_nan(),
            _ => false,
        })
}

/// `value + constant` or `value - constant`.
fn plus_constant(s: &Selector<'_>, v: Value) -> Option<(Value, u64)> {
    match s.program.instrs[v.0 as usize] {
        Instr::Binary(BinaryOp::Add, a, b) => with_constant(s, a, b),
        Instr::Binary(BinaryOp::Sub, a, b) => {
            let sign = sign(s.program.dtype(v));
            s.constant(b).map(|bits| (a, bits ^ sign))
        }
        _ => None,
    }
}

fn times_constant(s: &Selector<'_>, v: Value) -> Option<(Value, u64)> {
    match s.program.instrs[v.0 as usize] {
        Instr::Binary(BinaryOp::Mul, a, b) => with_constant(s, a, b),
        _ => None,
    }
}

fn with_constant(s: &Selector<'_>, a: Value, b: Value) -> Option<(Value, u64)> {
    s.constant(b)
        .map(|k| (a, k))
        .or_else(|| s.constant(a).map(|k| (b, k)))
}
