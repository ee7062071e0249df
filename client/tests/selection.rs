//! Selection by position and by label, against what Python and pandas select.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::DataArray;
use dasklike::array::{ArrayError, Coord, Index, Slice, nearest, slice, time::parse_period};
use dasklike_graph::dtype::DType;

fn numbers(labels: &[f64]) -> DataArray {
    let n = labels.len() as u64;
    DataArray::zeros(DType::U8, &[("x", n, n)])
        .with_coord("x", labels.to_vec().into())
        .unwrap()
}

fn days(times: &[&str]) -> DataArray {
    let labels: Vec<i64> = times
        .iter()
        .map(|t| parse_period(t).unwrap().first)
        .collect();
    let n = times.len() as u64;
    DataArray::zeros(DType::U8, &[("time", n, n)])
        .with_coord("time", Coord::Time(labels.into()))
        .unwrap()
}

fn labels(array: &DataArray, dim: &str) -> Vec<String> {
    let coord = array.coord(dim).unwrap();
    (0..coord.len()).map(|i| coord.label(i)).collect()
}

#[test]
fn slices_select_as_in_python() {
    let a = numbers(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let take = |index: Index| labels(&a.isel("x", index).unwrap(), "x").join("");
    assert_eq!(take((2..5).into()), "234");
    assert_eq!(take((-3..).into()), "567");
    assert_eq!(take((..-6).into()), "01");
    assert_eq!(take((..).into()), "01234567");
    assert_eq!(take(Slice::new(5, 2, 1).into()), "");
    assert_eq!(take((6..100).into()), "67");
    assert_eq!(take((-100..2).into()), "01");
    // list(range(8))[1::3], [::-1], [6:1:-2], [-2:-20:-3], [1:6:-1]
    assert_eq!(take(slice(1..).step(3).into()), "147");
    assert_eq!(take(slice(..).step(-1).into()), "76543210");
    assert_eq!(take(Slice::new(6, 1, -2).into()), "642");
    assert_eq!(take(Slice::new(-2, -20, -3).into()), "630");
    assert_eq!(take(Slice::new(1, 6, -1).into()), "");
}

#[test]
fn an_index_takes_its_dim_away() {
    let a = numbers(&[5.0, 6.0, 7.0]);
    assert!(a.isel("x", -1).unwrap().dims().is_empty());
    for outside in [3, -4] {
        assert!(matches!(
            a.isel("x", outside).unwrap_err(),
            ArrayError::Index { .. }
        ));
    }
    assert!(matches!(
        a.isel("x", slice(..).step(0)).unwrap_err(),
        ArrayError::Index { .. }
    ));
    let message = a.isel("z", 0).unwrap_err().to_string();
    assert!(
        message.contains("\"z\"") && message.contains("x"),
        "{message}"
    );
}

#[test]
fn numbers_are_found_on_rising_and_falling_coordinates() {
    let up = numbers(&[10.0, 20.0, 30.0, 40.0]);
    let down = numbers(&[40.0, 30.0, 20.0, 10.0]);
    assert_eq!(labels(&up.sel("x", 15.0..30.0).unwrap(), "x"), ["20", "30"]);
    assert_eq!(
        labels(&down.sel("x", 15.0..30.0).unwrap(), "x"),
        ["30", "20"]
    );
    assert_eq!(
        labels(&down.sel("x", 30.0..=15.0).unwrap(), "x"),
        ["30", "20"]
    );
    assert_eq!(labels(&down.sel("x", ..25.0).unwrap(), "x"), ["20", "10"]);
    assert_eq!(labels(&up.sel("x", 99.0..).unwrap(), "x"), [""; 0]);
    assert!(up.sel("x", 20.0).unwrap().dims().is_empty());
    assert!(up.sel("x", nearest(26.0)).unwrap().dims().is_empty());
    let error = up.sel("x", 26.0).unwrap_err().to_string();
    assert!(
        error.contains("26") && error.contains("10 to 40") && error.contains("nearest"),
        "{error}"
    );
    assert!(matches!(
        numbers(&[1.0, 3.0, 2.0]).sel("x", 1.0..2.0).unwrap_err(),
        ArrayError::Unsorted { .. }
    ));
    assert!(matches!(
        numbers(&[1.0, 1.0]).sel("x", 1.0).unwrap_err(),
        ArrayError::ManyLabels { count: 2, .. }
    ));
    assert!(matches!(
        up.sel("x", "2019").unwrap_err(),
        ArrayError::CoordKind { .. }
    ));
}

#[test]
fn partial_dates_select_as_in_pandas() {
    let a = days(&[
        "2019-01-31",
        "2019-03-01",
        "2019-03-31",
        "2019-06-30",
        "2020-01-01",
    ]);
    let take = |from: &str, to: &str| labels(&a.sel("time", from..to).unwrap(), "time").len();
    assert_eq!(take("2019-03", "2019-06"), 3);
    assert_eq!(take("2019-03-02", "2019-06-29"), 1);
    assert_eq!(take("2019", "2019"), 4);
    assert_eq!(
        labels(&a.sel("time", "2019-03"..).unwrap(), "time").len(),
        4
    );
    assert_eq!(
        labels(&a.sel("time", ..="2019-03").unwrap(), "time").len(),
        3
    );
    // A month in a series of days is a range; a day is one element.
    assert_eq!(labels(&a.sel("time", "2019-03").unwrap(), "time").len(), 2);
    assert!(a.sel("time", "2019-03-31").unwrap().dims().is_empty());
    assert!(matches!(
        a.sel("time", "2019-03-30").unwrap_err(),
        ArrayError::NoLabel { .. }
    ));
    assert!(matches!(
        a.sel("time", "soon").unwrap_err(),
        ArrayError::NotATime { .. }
    ));
    // In a series of seconds a day is a range.
    let b = days(&[
        "2023-08-10T09:57:57",
        "2023-08-13T10:07:53",
        "2023-08-13T23:00:00",
    ]);
    assert_eq!(
        labels(&b.sel("time", "2023-08-13").unwrap(), "time").len(),
        2
    );
    assert!(
        b.sel("time", "2023-08-13T10:07:53")
            .unwrap()
            .dims()
            .is_empty()
    );
    assert!(
        b.sel("time", nearest("2023-08-12"))
            .unwrap()
            .dims()
            .is_empty()
    );
}
