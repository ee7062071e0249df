//! Result dtypes against NumPy 2.4.6, whose answers are quoted here (`(a op b).dtype` for arrays of every pair of
//! dtypes, and for arrays with the Python literals `1`, `1.5` and `True`; `--` where NumPy refuses). Where NumPy
//! answers `float16`, which we do not have, the table says `f4`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::DataArray;
use dasklike::array::{ArrayError, Operand};
use dasklike_graph::dtype::DType;

const DTYPES: [(&str, DType); 11] = [
    ("b1", DType::Bool),
    ("u1", DType::U8),
    ("u2", DType::U16),
    ("u4", DType::U32),
    ("u8", DType::U64),
    ("i1", DType::I8),
    ("i2", DType::I16),
    ("i4", DType::I32),
    ("i8", DType::I64),
    ("f4", DType::F32),
    ("f8", DType::F64),
];

type Op = fn(&DataArray, Operand) -> DataArray;

const ADD: &str = "
    b1 u1 u2 u4 u8 i1 i2 i4 i8 f4 f8 | i8 f8 b1
    u1 u1 u2 u4 u8 i2 i2 i4 i8 f4 f8 | u1 f8 u1
    u2 u2 u2 u4 u8 i4 i4 i4 i8 f4 f8 | u2 f8 u2
    u4 u4 u4 u4 u8 i8 i8 i8 i8 f8 f8 | u4 f8 u4
    u8 u8 u8 u8 u8 f8 f8 f8 f8 f8 f8 | u8 f8 u8
    i1 i2 i4 i8 f8 i1 i2 i4 i8 f4 f8 | i1 f8 i1
    i2 i2 i4 i8 f8 i2 i2 i4 i8 f4 f8 | i2 f8 i2
    i4 i4 i4 i8 f8 i4 i4 i4 i8 f8 f8 | i4 f8 i4
    i8 i8 i8 i8 f8 i8 i8 i8 i8 f8 f8 | i8 f8 i8
    f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f8 | f4 f4 f4
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8";

const DIV: &str = "
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f4 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f4 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f4 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f4 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f4 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8
    f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f8 | f4 f4 f4
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8";

const AND: &str = "
    b1 u1 u2 u4 u8 i1 i2 i4 i8 -- -- | i8 -- b1
    u1 u1 u2 u4 u8 i2 i2 i4 i8 -- -- | u1 -- u1
    u2 u2 u2 u4 u8 i4 i4 i4 i8 -- -- | u2 -- u2
    u4 u4 u4 u4 u8 i8 i8 i8 i8 -- -- | u4 -- u4
    u8 u8 u8 u8 u8 -- -- -- -- -- -- | u8 -- u8
    i1 i2 i4 i8 -- i1 i2 i4 i8 -- -- | i1 -- i1
    i2 i2 i4 i8 -- i2 i2 i4 i8 -- -- | i2 -- i2
    i4 i4 i4 i8 -- i4 i4 i4 i8 -- -- | i4 -- i4
    i8 i8 i8 i8 -- i8 i8 i8 i8 -- -- | i8 -- i8
    -- -- -- -- -- -- -- -- -- -- -- | -- -- --
    -- -- -- -- -- -- -- -- -- -- -- | -- -- --";

const ARCTAN2: &str = "
    f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f8 | f8 f8 f4
    f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f8 | f4 f8 f4
    f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f8 | f4 f8 f4
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8
    f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f8 | f4 f8 f4
    f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f8 | f4 f8 f4
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8
    f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f8 | f4 f4 f4
    f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 | f8 f8 f8";

/// The same as `table` but for these cells, given as row, column and dtype.
fn but(table: &str, cells: &[(usize, usize, &'static str)]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = table
        .lines()
        .filter(|l| !l.trim().is_empty())
        .map(|l| {
            l.split_whitespace()
                .filter(|w| *w != "|")
                .map(str::to_owned)
                .collect()
        })
        .collect();
    for (row, column, dtype) in cells {
        rows[*row][*column] = (*dtype).to_owned();
    }
    rows
}

fn ones(dtype: DType) -> DataArray {
    DataArray::ones(dtype, &[("x", 2, 2)])
}

fn name(array: &DataArray) -> &'static str {
    array
        .dtype()
        .map_or("--", |d| DTYPES.iter().find(|(_, of)| *of == d).unwrap().0)
}

#[test]
fn arrays_and_literals_promote_as_in_numpy() {
    let bool_to_i1 = [(0, 0, "i1"), (0, 13, "i1")];
    let checks: [(&str, Op, Vec<Vec<String>>); 10] = [
        ("add", |a, b| a + b, but(ADD, &[])),
        (
            "sub",
            |a, b| a - b,
            but(ADD, &[(0, 0, "--"), (0, 13, "--")]),
        ),
        ("mul", |a, b| a * b, but(ADD, &[])),
        ("maximum", |a, b| a.maximum(b), but(ADD, &[])),
        ("floor_div", |a, b| a.floor_div(b), but(ADD, &bool_to_i1)),
        ("rem", |a, b| a % b, but(ADD, &bool_to_i1)),
        ("pow", |a, b| a.pow(b), but(ADD, &bool_to_i1)),
        ("div", |a, b| a / b, but(DIV, &[])),
        ("and", |a, b| a & b, but(AND, &[])),
        ("shl", |a, b| a << b, but(AND, &bool_to_i1)),
    ];
    for (op, apply, table) in
        checks
            .into_iter()
            .chain([("arctan2", (|a, b| a.arctan2(b)) as Op, but(ARCTAN2, &[]))])
    {
        for (i, (left, dtype)) in DTYPES.into_iter().enumerate() {
            let a = ones(dtype);
            for (j, (right, other)) in DTYPES.into_iter().enumerate() {
                assert_eq!(
                    name(&apply(&a, ones(other).into())),
                    table[i][j],
                    "{left} {op} {right}"
                );
            }
            let literals: [Operand; 3] = [1.into(), 1.5.into(), true.into()];
            for (k, literal) in literals.into_iter().enumerate() {
                assert_eq!(
                    name(&apply(&a, literal.clone())),
                    table[i][11 + k],
                    "{left} {op} {literal:?}"
                );
            }
        }
    }
}

#[test]
fn a_literal_may_stand_on_the_left() {
    let u2 = ones(DType::U16);
    let f4 = ones(DType::F32);
    assert_eq!(name(&(1 - &u2)), "u2");
    assert_eq!(name(&(1.0 - &u2)), "f8");
    assert_eq!(name(&(1.0 - f4.clone())), "f4");
    assert_eq!(name(&(2 / &u2)), "f8");
    assert_eq!(name(&(1 | &u2)), "u2");
}

#[test]
fn one_array_keeps_or_floats_as_in_numpy() {
    // neg abs invert sqrt floor isnan sign, and the reductions sum mean min std any
    let table = "
        -- b1 b1 f4 b1 b1 -- i8 f8 b1 f8 b1
        u1 u1 u1 f4 u1 b1 u1 u8 f8 u1 f8 b1
        u2 u2 u2 f4 u2 b1 u2 u8 f8 u2 f8 b1
        u4 u4 u4 f8 u4 b1 u4 u8 f8 u4 f8 b1
        u8 u8 u8 f8 u8 b1 u8 u8 f8 u8 f8 b1
        i1 i1 i1 f4 i1 b1 i1 i8 f8 i1 f8 b1
        i2 i2 i2 f4 i2 b1 i2 i8 f8 i2 f8 b1
        i4 i4 i4 f8 i4 b1 i4 i8 f8 i4 f8 b1
        i8 i8 i8 f8 i8 b1 i8 i8 f8 i8 f8 b1
        f4 f4 -- f4 f4 b1 f4 f4 f4 f4 f4 b1
        f8 f8 -- f8 f8 b1 f8 f8 f8 f8 f8 b1";
    for ((left, dtype), row) in DTYPES.into_iter().zip(but(table, &[])) {
        let a = ones(dtype);
        let have = [
            -&a,
            a.abs(),
            !&a,
            a.sqrt(),
            a.floor(),
            a.isnull(),
            a.sign(),
            a.sum(..),
            a.mean(..),
            a.min(..),
            a.std(.., 0),
            a.any(..),
        ];
        let have: Vec<&str> = have.iter().map(name).collect();
        assert_eq!(have, row, "{left}");
    }
}

#[test]
fn literals_out_of_bounds_are_refused_but_compare() {
    let a = ones(DType::U16);
    // NumPy: OverflowError: Python integer 70000 out of bounds for uint16
    let error = (&a + 70000).check().unwrap_err();
    assert_eq!(
        error,
        ArrayError::LiteralBounds {
            literal: 70000,
            dtype: DType::U16
        }
    );
    assert!((&a - -1).check().is_err());
    // NumPy compares: uint16 > 70000 is False, uint16 == -1 is False; neither raises.
    assert_eq!(name(&a.gt(70000)), "b1");
    assert_eq!(name(&a.eq(-1)), "b1");
    // NumPy: Integers to negative integer powers are not allowed.
    assert_eq!(
        ones(DType::I16).pow(-2).check().unwrap_err(),
        ArrayError::NegativePower { exponent: -2 }
    );
    // NumPy's clip takes bounds beyond the dtype's.
    assert_eq!(name(&a.clip(-1, 5)), "u2");
}

#[test]
fn missing_values_promote_as_in_xarray() {
    // xarray 2026.9: where(cond) of uint8 is float32, of int32 float64, of float32 float32
    let cond = ones(DType::Bool);
    let where_: Vec<&str> = [
        DType::U8,
        DType::I16,
        DType::I32,
        DType::U64,
        DType::F32,
        DType::F64,
    ]
    .into_iter()
    .map(|d| name(&ones(d).where_(&cond)))
    .collect();
    assert_eq!(where_, ["f4", "f4", "f8", "f8", "f4", "f8"]);
    assert_eq!(name(&ones(DType::U16).where_else(&cond, 1.5)), "f8");
    assert_eq!(name(&ones(DType::F32).fillna(0)), "f4");
    assert_eq!(name(&ones(DType::U8).fillna(1.5)), "f8");
}
