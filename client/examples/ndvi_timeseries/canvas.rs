//! A canvas in points: drawn at twice its size and averaged down, which smooths what plotters draws jagged.

use anyhow::anyhow;
use plotters::backend::BitMapBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontStyle, FontTransform, RGBAColor, ShapeStyle, TextStyle, register_font,
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

/// Pixels of a point, and pixels drawn for one of the picture's.
const SCALE: f64 = 4.0 / 3.0;
const OVERSAMPLE: usize = 2;
/// plotters centres the line, whose middle lies above that of the letters, by this part of their size.
const DROP: f64 = 0.22;

/// A drawing. Points are 1/1200 of the usual width, y runs downwards.
pub(crate) struct Canvas {
    pixels: Vec<u8>,
    size: (u32, u32),
}

impl Canvas {
    /// A white canvas of so many points.
    pub(crate) fn new(width: f64, height: f64) -> anyhow::Result<Canvas> {
        register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular())
            .and_then(|()| register_font("sans-serif", FontStyle::Bold, dejavu::sans::bold()))
            .map_err(|_| anyhow!("the built-in font cannot be read"))?;
        let drawn = |points: f64| (points * SCALE).round() as u32 * OVERSAMPLE as u32;
        let size = (drawn(width), drawn(height));
        Ok(Canvas {
            pixels: vec![255; size.0 as usize * size.1 as usize * 3],
            size,
        })
    }

    fn draw(&mut self, paint: impl FnOnce(&DrawingArea<BitMapBackend<'_>, Shift>)) {
        let area = BitMapBackend::with_buffer(&mut self.pixels, self.size).into_drawing_area();
        paint(&area);
    }

    /// A line through points.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], width: f64, color: Color) {
        let path: Vec<(i32, i32)> = points.iter().map(|p| at(*p)).collect();
        let width = (width * factor()).round() as u32;
        self.draw(|area| {
            ignore(area.draw(&PathElement::new(path, rgba(color).stroke_width(width))))
        });
    }

    /// A thin dashed line.
    pub(crate) fn dashed(&mut self, from: (f64, f64), to: (f64, f64), color: Color) {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let along = |d: f64| {
            let share = d / length;
            (
                from.0 + (to.0 - from.0) * share,
                from.1 + (to.1 - from.1) * share,
            )
        };
        let mut done = 0.0;
        while done < length {
            self.line(&[along(done), along((done + 4.0).min(length))], 1.0, color);
            done += 8.0;
        }
    }

    /// A filled polygon.
    pub(crate) fn fill(&mut self, points: &[(f64, f64)], color: Color) {
        let path: Vec<(i32, i32)> = points.iter().map(|p| at(*p)).collect();
        self.draw(|area| ignore(area.draw(&Polygon::new(path, rgba(color).filled()))));
    }

    /// A filled circle.
    pub(crate) fn dot(&mut self, centre: (f64, f64), radius: f64, color: Color) {
        let radius = (radius * factor()).round() as i32;
        let style: ShapeStyle = rgba(color).filled();
        self.draw(|area| ignore(area.draw(&Circle::new(at(centre), radius, style))));
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
        let h = match align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = style(size, color, FontStyle::Normal).pos(Pos::new(h, VPos::Center));
        let mut width = 0.0;
        self.draw(|area| {
            width = area
                .estimate_text_size(text, &style)
                .map_or(0.0, |(w, _)| w as f64 / factor());
            ignore(area.draw(&Text::new(text, at((x, y + DROP * size)), style)));
        });
        match align {
            Align::Left => x,
            Align::Center => x - width / 2.0,
            Align::Right => x - width,
        }
    }

    /// A bold text that starts at `(x, y)`.
    pub(crate) fn bold(&mut self, x: f64, y: f64, size: f64, color: Color, text: &str) {
        let style = style(size, color, FontStyle::Bold).pos(Pos::new(HPos::Left, VPos::Center));
        self.draw(|area| ignore(area.draw(&Text::new(text, at((x, y + DROP * size)), style))));
    }

    /// The picture as a PNG.
    pub(crate) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let (width, height) = (
            self.size.0 as usize / OVERSAMPLE,
            self.size.1 as usize / OVERSAMPLE,
        );
        let row = self.size.0 as usize * 3;
        let mut averaged = vec![0; width * height * 3];
        let rows = self.pixels.chunks_exact(OVERSAMPLE * row);
        for (two, out) in rows.zip(averaged.chunks_exact_mut(width * 3)) {
            let (upper, lower) = two.split_at(row);
            // Two pixels of each row, by their colours: fixed sizes keep checks out of the loop.
            let pairs = upper
                .as_chunks::<6>()
                .0
                .iter()
                .zip(lower.as_chunks::<6>().0);
            for ((u, l), out) in pairs.zip(out.as_chunks_mut::<3>().0) {
                for c in 0..3 {
                    let sum = u[c] as u16 + u[c + 3] as u16 + l[c] as u16 + l[c + 3] as u16;
                    out[c] = ((sum + 2) / 4) as u8;
                }
            }
        }
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_filter(png::FilterType::Up);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&averaged)?;
        writer.finish()?;
        Ok(bytes)
    }
}

fn factor() -> f64 {
    SCALE * OVERSAMPLE as f64
}

fn at((x, y): (f64, f64)) -> (i32, i32) {
    ((x * factor()).round() as i32, (y * factor()).round() as i32)
}

fn rgba(color: Color) -> RGBAColor {
    RGBAColor(color.0, color.1, color.2, color.3)
}

fn style<'a>(size: f64, color: Color, font: FontStyle) -> TextStyle<'a> {
    // plotters' size is the height of a line; 1.24 of it is the size of the type.
    let font = plotters::style::FontDesc::new(
        plotters::style::FontFamily::SansSerif,
        size * factor() * 1.24,
        font,
    );
    font.transform(FontTransform::None).color(&rgba(color))
}

/// Drawing into memory cannot fail; what lies outside of the canvas is cut off.
fn ignore<T, E>(_: Result<T, E>) {}
