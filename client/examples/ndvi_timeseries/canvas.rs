//! A canvas in points, onto which lines, shapes and texts are drawn with smooth edges.

use super::lettering::Lettering;
use anyhow::{Context, anyhow};
use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash, Transform,
};

/// Red, green, blue and opacity.
#[derive(Clone, Copy)]
pub(crate) struct Color(pub(crate) u8, pub(crate) u8, pub(crate) u8, pub(crate) f64);

/// Where a text lies beside its point; vertically it is centred on it.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

/// Pixels of a point.
const SCALE: f32 = 4.0 / 3.0;
/// Points of a dash, and of the gap behind it.
const DASH: f32 = 4.0;

/// A drawing. Points are 1/1200 of the usual width, y runs downwards.
pub(crate) struct Canvas {
    pixels: Pixmap,
    regular: Lettering,
    bold: Lettering,
}

impl Canvas {
    /// A white canvas of so many points.
    pub(crate) fn new(width: f64, height: f64) -> anyhow::Result<Canvas> {
        let pixels = |points: f64| (points as f32 * SCALE).round() as u32;
        let mut pixels = Pixmap::new(pixels(width), pixels(height))
            .ok_or_else(|| anyhow!("a picture of {width} x {height} points is not possible"))?;
        pixels.fill(tiny_skia::Color::WHITE);
        Ok(Canvas {
            pixels,
            regular: Lettering::new(dejavu::sans::regular())?,
            bold: Lettering::new(dejavu::sans::bold())?,
        })
    }

    /// A line through points.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], width: f64, color: Color) {
        self.stroke(points, width, color, None);
    }

    /// A thin dashed line.
    pub(crate) fn dashed(&mut self, from: (f64, f64), to: (f64, f64), color: Color) {
        self.stroke(
            &[from, to],
            1.0,
            color,
            StrokeDash::new(vec![DASH, DASH], 0.0),
        );
    }

    /// A filled polygon.
    pub(crate) fn fill(&mut self, points: &[(f64, f64)], color: Color) {
        let mut path = through(points);
        path.close();
        self.paint(path.finish(), color);
    }

    /// A filled circle.
    pub(crate) fn dot(&mut self, centre: (f64, f64), radius: f64, color: Color) {
        let circle = PathBuilder::from_circle(centre.0 as f32, centre.1 as f32, radius as f32);
        self.paint(circle, color);
    }

    /// A text of `size` points beside `(x, y)`; returns where it starts.
    pub(crate) fn text(
        &mut self,
        x: f64,
        y: f64,
        size: f64,
        color: Color,
        align: Align,
        text: &str,
    ) -> f64 {
        let width = self.regular.width(text, size);
        let start = match align {
            Align::Left => x,
            Align::Center => x - width / 2.0,
            Align::Right => x - width,
        };
        let path = self.regular.outline(text, size, (start, y));
        self.paint(path, color);
        start
    }

    /// A bold text that starts at `(x, y)`.
    pub(crate) fn bold(&mut self, x: f64, y: f64, size: f64, color: Color, text: &str) {
        let path = self.bold.outline(text, size, (x, y));
        self.paint(path, color);
    }

    fn stroke(
        &mut self,
        points: &[(f64, f64)],
        width: f64,
        color: Color,
        dash: Option<StrokeDash>,
    ) {
        let stroke = Stroke {
            width: width as f32,
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            dash,
            ..Stroke::default()
        };
        if let Some(path) = through(points).finish() {
            self.pixels
                .stroke_path(&path, &paint(color), &stroke, scale(), None);
        }
    }

    /// Fills a path; one that encloses nothing is `None`.
    fn paint(&mut self, path: Option<Path>, color: Color) {
        if let Some(path) = path {
            self.pixels
                .fill_path(&path, &paint(color), FillRule::Winding, scale(), None);
        }
    }

    /// The picture as a PNG.
    pub(crate) fn png(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.pixels.width(), self.pixels.height());
        // The canvas is opaque, so its colours are what they are before opacity.
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_filter(png::FilterType::Up);
        encoder.set_compression(png::Compression::Fast);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(self.pixels.data())?;
            writer.finish()
        });
        written.context("cannot encode the picture")?;
        Ok(bytes)
    }
}

fn through(points: &[(f64, f64)]) -> PathBuilder {
    let mut path = PathBuilder::new();
    for (i, (x, y)) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if i == 0 {
            path.move_to(x, y);
        } else {
            path.line_to(x, y);
        }
    }
    path
}

fn scale() -> Transform {
    Transform::from_scale(SCALE, SCALE)
}

fn paint(color: Color) -> Paint<'static> {
    let mut paint = Paint::default();
    let opacity = (color.3 * 255.0).round() as u8;
    paint.set_color_rgba8(color.0, color.1, color.2, opacity);
    paint
}
