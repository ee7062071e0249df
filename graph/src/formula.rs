//! A program as lines a person can read. Values that are used more than once get a name and a line of their
//! own, so the text grows with the program and not with the paths through it.

use crate::ops::{BinaryOp, UnaryOp};
use crate::program::{Instr, Program, Value};

/// The lines of a program: a definition for each shared value, then one line for each of `results` with its
/// name. `inputs` are the names of what the program loads.
pub fn lines(program: &Program, inputs: &[String], results: &[(String, Value)]) -> Vec<String> {
    let mut uses = vec![0; program.instrs.len()];
    for operand in program
        .instrs
        .iter()
        .flat_map(Instr::operands)
        .chain(results.iter().map(|r| r.1))
    {
        uses[operand.0 as usize] += 1;
    }
    let mut names: Vec<Option<String>> = vec![None; program.instrs.len()];
    let mut lines = Vec::new();
    for (i, instr) in program.instrs.iter().enumerate() {
        if uses[i] > 1 && !matches!(instr, Instr::Load(_) | Instr::Const(_)) {
            let name = format!("v{}", lines.len());
            lines.push(format!(
                "{name} = {}",
                text(program, inputs, &names, Value(i as u32), false)
            ));
            names[i] = Some(name);
        }
    }
    for (name, value) in results {
        lines.push(format!(
            "{name} = {}",
            text(program, inputs, &names, *value, false)
        ));
    }
    lines
}

/// All of some values as one condition.
pub fn condition(program: &Program, inputs: &[String], parts: &[Value]) -> String {
    let names = vec![None; program.instrs.len()];
    let parts: Vec<String> = parts
        .iter()
        .map(|part| text(program, inputs, &names, *part, parts.len() > 1))
        .collect();
    parts.join(" & ")
}

fn text(
    program: &Program,
    inputs: &[String],
    names: &[Option<String>],
    value: Value,
    inner: bool,
) -> String {
    let i = value.0 as usize;
    if let Some(name) = &names[i] {
        return name.clone();
    }
    let operand = |v: &Value| text(program, inputs, names, *v, true);
    let plain = |v: &Value| text(program, inputs, names, *v, false);
    match &program.instrs[i] {
        Instr::Load(n) => inputs
            .get(*n as usize)
            .cloned()
            .unwrap_or_else(|| format!("input {n}")),
        Instr::Const(c) => c.to_string(),
        Instr::Cast(v) => format!("{}({})", program.dtypes[i], plain(v)),
        Instr::Unary(UnaryOp::Neg, v) => format!("-{}", operand(v)),
        Instr::Unary(UnaryOp::Invert, v) => format!("!{}", operand(v)),
        Instr::Unary(op, v) => format!("{}({})", format!("{op:?}").to_lowercase(), plain(v)),
        Instr::Select { cond, a, b } => {
            format!("where({}, {}, {})", plain(cond), plain(a), plain(b))
        }
        Instr::IsIn(v, values) => {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            format!("isin({}, {})", plain(v), values.join(" "))
        }
        Instr::Binary(op, a, b) => match symbol(*op) {
            Some(symbol) if inner => format!("({} {symbol} {})", operand(a), operand(b)),
            Some(symbol) => format!("{} {symbol} {}", operand(a), operand(b)),
            None => format!(
                "{}({}, {})",
                format!("{op:?}").to_lowercase(),
                plain(a),
                plain(b)
            ),
        },
    }
}

fn symbol(op: BinaryOp) -> Option<&'static str> {
    Some(match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::FloorDiv => "//",
        BinaryOp::Mod => "%",
        BinaryOp::Pow => "**",
        BinaryOp::And => "&",
        BinaryOp::Or => "|",
        BinaryOp::Xor => "^",
        BinaryOp::LeftShift => "<<",
        BinaryOp::RightShift => ">>",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::Minimum | BinaryOp::Maximum | BinaryOp::Arctan2 | BinaryOp::Hypot => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::{DType, Scalar};

    #[test]
    fn shared_values_get_a_line() {
        let mut p = Program::default();
        let (a, b) = (
            p.push(Instr::Load(0), DType::F64),
            p.push(Instr::Load(1), DType::F64),
        );
        let sum = p.push(Instr::Binary(BinaryOp::Add, a, b), DType::F64);
        let zero = p.push(Instr::Const(Scalar::F64(0.0)), DType::F64);
        let valid = p.push(Instr::Binary(BinaryOp::Ne, sum, zero), DType::Bool);
        let difference = p.push(Instr::Binary(BinaryOp::Sub, a, b), DType::F64);
        let ratio = p.push(Instr::Binary(BinaryOp::Div, difference, sum), DType::F64);
        let nan = p.push(Instr::Const(Scalar::F64(f64::NAN)), DType::F64);
        let ndvi = p.push(
            Instr::Select {
                cond: valid,
                a: ratio,
                b: nan,
            },
            DType::F64,
        );
        let lines = lines(&p, &["nir".into(), "red".into()], &[("ndvi".into(), ndvi)]);
        assert_eq!(
            lines,
            [
                "v0 = nir + red",
                "ndvi = where(v0 != 0, (nir - red) / v0, NaN)"
            ]
        );
    }
}
