//! Groups and bins against xarray 2026.9 with pandas 3.1, whose answers are quoted here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::DataArray;
use dasklike::array::{ArrayError, Coord, plan, time::parse_period};
use dasklike_graph::dtype::DType;
use dasklike_graph::plan::{Labels, Op};

const TIMES: [&str; 5] = [
    "2019-01-05T10:00",
    "2019-01-20",
    "2019-03-02",
    "2019-03-30T23:00",
    "2019-07-01",
];

fn series(times: &[&str], dtype: DType) -> DataArray {
    let labels: Vec<i64> = times
        .iter()
        .map(|t| parse_period(t).unwrap().first)
        .collect();
    let n = times.len() as u64;
    let array = DataArray::ones(dtype, &[("time", n, n), ("x", 4, 4)]);
    array
        .with_coord("time", Coord::Time(labels.into()))
        .unwrap()
}

fn labels(array: &DataArray) -> Labels {
    let plan = plan([array]).unwrap();
    let labels = plan.nodes.iter().find_map(|n| match &n.op {
        Op::Reduce { labels, .. } => labels.clone(),
        _ => None,
    });
    labels.expect("a grouped reduction")
}

/// The group of each element.
fn groups(array: &DataArray) -> Vec<Option<u32>> {
    labels(array)
        .runs
        .into_iter()
        .flat_map(|(g, n)| vec![g; n as usize])
        .collect()
}

fn texts(array: &DataArray, dim: &str) -> Vec<String> {
    let coord = array.coord(dim).unwrap();
    (0..coord.len()).map(|i| coord.label(i)).collect()
}

#[test]
fn groups_are_those_that_occur_sorted() {
    let a = series(&TIMES, DType::F64);
    let by = |part: &str| {
        let grouped = a.groupby(&format!("time.{part}")).unwrap().mean("time");
        assert_eq!(
            grouped.dims().iter().map(|d| &**d).collect::<Vec<_>>(),
            [part, "x"]
        );
        let g: Vec<u32> = groups(&grouped).into_iter().map(Option::unwrap).collect();
        (texts(&grouped, part).join(" "), g)
    };
    assert_eq!(by("month"), ("1 3 7".into(), vec![0, 0, 1, 1, 2]));
    assert_eq!(by("season"), ("DJF JJA MAM".into(), vec![0, 0, 2, 2, 1]));
    assert_eq!(by("hour"), ("0 10 23".into(), vec![1, 0, 0, 2, 0]));
    assert_eq!(
        by("dayofyear"),
        ("5 20 61 89 182".into(), vec![0, 1, 2, 3, 4])
    );
    assert_eq!(by("year"), ("2019".into(), vec![0; 5]));
    let dates = "2019-01-05T00:00:00 2019-01-20T00:00:00 2019-03-02T00:00:00 2019-03-30T00:00:00 2019-07-01T00:00:00";
    assert_eq!(by("date"), (dates.into(), vec![0, 1, 2, 3, 4]));
}

#[test]
fn bins_span_all_years_that_there_are() {
    // pd.Series([1, 1], index=pd.to_datetime(["1677-09-22", "2262-04-11"])).resample("50000D").count()
    let a = series(&["1677-09-22", "2262-04-11"], DType::F64);
    let binned = a.resample("time", "50000D").unwrap().count("time");
    let starts = "1677-09-22T00:00:00 1814-08-16T00:00:00 1951-07-09T00:00:00 2088-05-30T00:00:00 2225-04-23T00:00:00";
    assert_eq!(texts(&binned, "time").join(" "), starts);
    assert_eq!(groups(&binned), [Some(0), Some(4)]);
}

#[test]
fn equal_neighbours_cost_one_run() {
    let runs = labels(
        &series(&TIMES, DType::F64)
            .groupby("time.month")
            .unwrap()
            .mean("time"),
    )
    .runs;
    assert_eq!(runs, [(Some(0), 2), (Some(1), 2), (Some(2), 1)]);
}

#[test]
fn bins_are_cut_as_pandas_cuts_them() {
    let a = series(&TIMES, DType::F64);
    let bins = |freq: &str| {
        let binned = a.resample("time", freq).unwrap().mean("time");
        let texts = texts(&binned, "time");
        (
            texts.len(),
            texts[0].clone(),
            texts[1.min(texts.len() - 1)].clone(),
            texts[texts.len() - 1].clone(),
        )
    };
    let expect = |n: usize, first: &str, second: &str, last: &str| {
        let text = |t: &str| {
            if t.len() == 10 {
                format!("{t}T00:00:00")
            } else {
                t.to_owned()
            }
        };
        (n, text(first), text(second), text(last))
    };
    assert_eq!(
        bins("MS"),
        expect(7, "2019-01-01", "2019-02-01", "2019-07-01")
    );
    assert_eq!(
        bins("2MS"),
        expect(4, "2019-01-01", "2019-03-01", "2019-07-01")
    );
    assert_eq!(
        bins("QS"),
        expect(3, "2019-01-01", "2019-04-01", "2019-07-01")
    );
    assert_eq!(
        bins("YS"),
        expect(1, "2019-01-01", "2019-01-01", "2019-01-01")
    );
    assert_eq!(
        bins("7D"),
        expect(26, "2019-01-05", "2019-01-12", "2019-06-29")
    );
    assert_eq!(
        bins("30D"),
        expect(6, "2019-01-05", "2019-02-04", "2019-06-04")
    );
    assert_eq!(
        bins("D"),
        expect(178, "2019-01-05", "2019-01-06", "2019-07-01")
    );
    assert_eq!(
        bins("36h"),
        expect(119, "2019-01-05", "2019-01-06T12:00:00", "2019-07-01")
    );
    assert_eq!(
        bins("6h"),
        expect(
            708,
            "2019-01-05T06:00:00",
            "2019-01-05T12:00:00",
            "2019-07-01"
        )
    );
    let months = groups(&a.resample("time", "MS").unwrap().mean("time"));
    assert_eq!(months, [0, 0, 2, 2, 6].map(Some));
}

#[test]
fn empty_bins_promote_as_in_xarray() {
    // da.resample(time="MS").op().dtype with empty months
    let expected = [
        (
            DType::U8,
            [
                "float64", "float64", "float64", "float32", "float32", "float64", "float64",
            ],
        ),
        (
            DType::I32,
            [
                "float64", "float64", "float64", "float64", "float64", "float64", "float64",
            ],
        ),
        (
            DType::F32,
            [
                "float32", "float32", "float64", "float32", "float32", "float32", "float64",
            ],
        ),
    ];
    for (dtype, names) in expected {
        let r = series(&TIMES, dtype).resample("time", "MS").unwrap();
        let have = [
            r.sum("time"),
            r.mean("time"),
            r.count("time"),
            r.min("time"),
            r.max("time"),
            r.std("time", 0),
            r.any("time"),
        ];
        let have: Vec<&str> = have.iter().map(|a| a.dtype().unwrap().name()).collect();
        assert_eq!(have, names, "{dtype}");
    }
    // Without empty bins nothing is promoted.
    let full = series(&TIMES[..2], DType::U8)
        .resample("time", "MS")
        .unwrap();
    assert_eq!(full.count("time").dtype().unwrap(), DType::I64);
    assert_eq!(full.max("time").dtype().unwrap(), DType::U8);
}

#[test]
fn a_grouped_reduction_may_take_further_dims_but_not_leave_its_own() {
    let r = series(&TIMES, DType::F64).groupby("time.month").unwrap();
    assert_eq!(r.mean(..).dims().len(), 1);
    assert_eq!(r.mean(["time", "x"]).dims().len(), 1);
    let error = r.mean("x").check().unwrap_err();
    assert_eq!(error, ArrayError::GroupDim { dim: "time".into() });
}

#[test]
fn what_cannot_be_grouped_says_why() {
    let a = series(&TIMES, DType::F64);
    assert!(matches!(
        a.groupby("time.week").unwrap_err(),
        ArrayError::GroupKey { .. }
    ));
    assert!(matches!(
        a.groupby("x.month").unwrap_err(),
        ArrayError::NoCoord { .. }
    ));
    assert!(matches!(
        a.resample("time", "fortnight").unwrap_err(),
        ArrayError::Frequency { .. }
    ));
    assert!(matches!(
        a.resample("time", "0D").unwrap_err(),
        ArrayError::Frequency { .. }
    ));
    let back = a.isel("time", dasklike::array::slice(..).step(-1)).unwrap();
    assert!(matches!(
        back.resample("time", "MS").unwrap_err(),
        ArrayError::Unsorted { .. }
    ));
}
