//! The picture: mean and spread of each step, and below it which share of the pixels counts.

use super::canvas::{Align, Canvas, Color};
use super::series::Series;
use super::ticks::{Tick, date_ticks};

/// What is written around the curves.
pub(crate) struct Caption {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    pub(crate) detail: String,
    pub(crate) credit: String,
}

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 680.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 1172.0;
/// Top and bottom of the curves' panel.
const CURVES: (f64, f64) = (104.0, 470.0);
/// Top and bottom of the bars' panel.
const BARS: (f64, f64) = (506.0, 592.0);

const INK: Color = Color(0x26, 0x2b, 0x33, 1.0);
const QUIET: Color = Color(0x6b, 0x72, 0x7d, 1.0);
const GRID: Color = Color(0xe4, 0xe7, 0xeb, 1.0);
const LEAF: Color = Color(0x1b, 0x7a, 0x3d, 1.0);
const SPREAD: Color = Color(0x1b, 0x7a, 0x3d, 0.18);
const CLOUD: Color = Color(0xb4, 0xba, 0xc4, 1.0);
const SHARE: Color = Color(0x5b, 0x8f, 0xc7, 1.0);

/// Draws the series as a PNG.
pub(crate) fn png(series: &Series, caption: &Caption) -> anyhow::Result<Vec<u8>> {
    let series = &series.dated();
    let frame = Frame::of(series);
    let mut canvas = Canvas::new(WIDTH, HEIGHT)?;
    titles(&mut canvas, caption);
    axes(&mut canvas, &frame);
    spread(&mut canvas, &frame, series);
    mean(&mut canvas, &frame, series);
    bars(&mut canvas, &frame, series);
    legend(&mut canvas, series);
    canvas.png()
}

/// From data to the picture.
struct Frame {
    /// The instants at the left and right edge.
    span: (f64, f64),
    low: f64,
    high: f64,
    ticks: Vec<Tick>,
    /// Half the width of a bar.
    half: f64,
}

impl Frame {
    fn of(series: &Series) -> Frame {
        let first = series.times.iter().copied().min().unwrap_or(0);
        let last = series.times.iter().copied().max().unwrap_or(0);
        const DAY: f64 = 86_400e9;
        let (first, last) = (first as f64, last as f64);
        let length = (last - first).max(2.0 * DAY);
        let middle = first + (last - first) / 2.0;
        let span = (middle - 0.52 * length, middle + 0.52 * length);
        let means = || series.mean.iter().copied().filter(|m| m.is_finite());
        // From -0.1 to 1 as such series are drawn; further only where the curve itself leaves that.
        let low = means()
            .fold(-0.1, |low: f64, m| low.min((m * 10.0).floor() / 10.0))
            .max(-10.0);
        let high = means()
            .fold(1.0, |high: f64, m| high.max((m * 10.0).ceil() / 10.0))
            .min(10.0);
        let room = (RIGHT - LEFT) / span_days(span, DAY);
        let mut gaps: Vec<u64> = series
            .times
            .windows(2)
            .map(|w| w[1].abs_diff(w[0]))
            .filter(|g| *g > 0)
            .collect();
        gaps.sort_unstable();
        let gap = gaps.get(gaps.len() / 4).map_or(DAY, |g| *g as f64);
        let half = (gap / DAY * room * 0.36).clamp(0.8, 14.0);
        Frame {
            span,
            low,
            high,
            ticks: date_ticks(span.0, span.1, 13),
            half,
        }
    }

    fn x(&self, t: f64) -> f64 {
        LEFT + (t - self.span.0) / (self.span.1 - self.span.0) * (RIGHT - LEFT)
    }

    fn y(&self, v: f64) -> f64 {
        let v = v.clamp(self.low, self.high);
        CURVES.1 - (v - self.low) / (self.high - self.low) * (CURVES.1 - CURVES.0)
    }
}

fn span_days(span: (f64, f64), day: f64) -> f64 {
    (span.1 - span.0) / day
}

fn titles(canvas: &mut Canvas, caption: &Caption) {
    canvas.bold(LEFT, 24.0, 21.0, INK, &caption.title);
    canvas.text(LEFT, 53.0, 13.0, QUIET, Align::Left, &caption.subtitle);
    canvas.text(
        LEFT,
        HEIGHT - 22.0,
        11.0,
        QUIET,
        Align::Left,
        &caption.detail,
    );
    canvas.text(
        RIGHT,
        HEIGHT - 22.0,
        11.0,
        QUIET,
        Align::Right,
        &caption.credit,
    );
}

fn axes(canvas: &mut Canvas, frame: &Frame) {
    let step = if frame.high - frame.low > 2.5 {
        0.5
    } else {
        0.2
    };
    let mut value = (frame.low / step).ceil() * step;
    while value <= frame.high + 1e-9 {
        let y = frame.y(value);
        let color = if value.abs() < 1e-9 { CLOUD } else { GRID };
        canvas.line(&[(LEFT, y), (RIGHT, y)], 1.0, color);
        let label = if value.abs() < 1e-9 {
            "0.0".to_owned()
        } else {
            format!("{value:.1}")
        };
        canvas.text(LEFT - 10.0, y, 13.0, QUIET, Align::Right, &label);
        value += step;
    }
    for share in [0.0, 0.5, 1.0] {
        let y = BARS.1 - share * (BARS.1 - BARS.0);
        canvas.line(
            &[(LEFT, y), (RIGHT, y)],
            1.0,
            if share == 0.0 { CLOUD } else { GRID },
        );
        canvas.text(
            LEFT - 10.0,
            y,
            12.0,
            QUIET,
            Align::Right,
            &format!("{:.0} %", 100.0 * share),
        );
    }
    for tick in &frame.ticks {
        let x = frame.x(tick.at);
        canvas.line(&[(x, CURVES.0), (x, CURVES.1)], 1.0, GRID);
        canvas.line(&[(x, BARS.1), (x, BARS.1 + 5.0)], 1.0, CLOUD);
        canvas.text(x, BARS.1 + 17.0, 13.0, QUIET, Align::Center, &tick.label);
        if let Some(year) = &tick.year {
            canvas.text(x, BARS.1 + 35.0, 13.0, INK, Align::Center, year);
        }
    }
    canvas.text(LEFT, CURVES.0 - 14.0, 13.0, INK, Align::Left, "NDVI");
    canvas.text(LEFT, BARS.0 - 13.0, 13.0, INK, Align::Left, "valid pixels");
}

/// Runs of steps with values; a step without any breaks the curve.
fn runs(series: &Series) -> Vec<Vec<usize>> {
    let mut runs: Vec<Vec<usize>> = vec![Vec::new()];
    for i in 0..series.times.len() {
        match (series.mean[i].is_finite(), runs.last_mut()) {
            (true, Some(run)) => run.push(i),
            (false, Some(run)) if !run.is_empty() => runs.push(Vec::new()),
            _ => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn spread(canvas: &mut Canvas, frame: &Frame, series: &Series) {
    let x = |i: usize| frame.x(series.times[i] as f64);
    let deviation = |i: usize| {
        if series.std[i].is_finite() {
            series.std[i]
        } else {
            0.0
        }
    };
    for run in runs(series) {
        if let [i] = run[..] {
            let (top, bottom) = (
                frame.y(series.mean[i] + deviation(i)),
                frame.y(series.mean[i] - deviation(i)),
            );
            canvas.fill(
                &[
                    (x(i) - 4.0, top),
                    (x(i) + 4.0, top),
                    (x(i) + 4.0, bottom),
                    (x(i) - 4.0, bottom),
                ],
                SPREAD,
            );
            continue;
        }
        let upper = run
            .iter()
            .map(|i| (x(*i), frame.y(series.mean[*i] + deviation(*i))));
        let lower = run
            .iter()
            .rev()
            .map(|i| (x(*i), frame.y(series.mean[*i] - deviation(*i))));
        canvas.fill(&upper.chain(lower).collect::<Vec<_>>(), SPREAD);
    }
}

fn mean(canvas: &mut Canvas, frame: &Frame, series: &Series) {
    let at = |i: usize| (frame.x(series.times[i] as f64), frame.y(series.mean[i]));
    let runs = runs(series);
    for pair in runs.windows(2) {
        if let (Some(from), Some(to)) = (pair[0].last(), pair[1].first()) {
            canvas.dashed(at(*from), at(*to), CLOUD);
        }
    }
    for run in &runs {
        canvas.line(&run.iter().map(|i| at(*i)).collect::<Vec<_>>(), 2.0, LEAF);
    }
    let radius = if frame.half < 2.0 { 2.0 } else { 3.4 };
    for i in runs.into_iter().flatten() {
        canvas.dot(at(i), radius, LEAF);
    }
    for i in (0..series.times.len()).filter(|i| !series.mean[*i].is_finite()) {
        let (x, y) = (frame.x(series.times[i] as f64), CURVES.1);
        canvas.line(&[(x - 4.0, y - 4.0), (x + 4.0, y + 4.0)], 1.6, CLOUD);
        canvas.line(&[(x - 4.0, y + 4.0), (x + 4.0, y - 4.0)], 1.6, CLOUD);
    }
}

fn bars(canvas: &mut Canvas, frame: &Frame, series: &Series) {
    for i in 0..series.times.len() {
        let x = frame.x(series.times[i] as f64);
        let top = BARS.1 - series.share(i).clamp(0.0, 1.0) * (BARS.1 - BARS.0);
        let (left, right) = (x - frame.half, x + frame.half);
        canvas.fill(
            &[(left, top), (right, top), (right, BARS.1), (left, BARS.1)],
            SHARE,
        );
    }
}

fn legend(canvas: &mut Canvas, series: &Series) {
    let y = CURVES.0 - 14.0;
    let mut x = RIGHT;
    if series.mean.iter().any(|m| !m.is_finite()) {
        x = canvas.text(x, y, 12.0, QUIET, Align::Right, "no valid pixel") - 12.0;
        canvas.line(&[(x - 4.0, y - 4.0), (x + 4.0, y + 4.0)], 1.6, CLOUD);
        canvas.line(&[(x - 4.0, y + 4.0), (x + 4.0, y - 4.0)], 1.6, CLOUD);
        x -= 28.0;
    }
    x = canvas.text(x, y, 12.0, QUIET, Align::Right, "mean ± standard deviation") - 8.0;
    canvas.fill(
        &[
            (x - 26.0, y - 6.0),
            (x, y - 6.0),
            (x, y + 6.0),
            (x - 26.0, y + 6.0),
        ],
        SPREAD,
    );
    x -= 54.0;
    x = canvas.text(x, y, 12.0, QUIET, Align::Right, "mean") - 8.0;
    canvas.line(&[(x - 26.0, y), (x, y)], 2.0, LEAF);
    canvas.dot((x - 13.0, y), 3.4, LEAF);
}
