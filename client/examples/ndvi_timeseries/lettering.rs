//! Texts as outlines of a font's glyphs.

use anyhow::Context;
use tiny_skia::{Path, PathBuilder};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// A font.
pub(crate) struct Lettering {
    face: Face<'static>,
}

impl Lettering {
    /// A font from the bytes of its file.
    pub(crate) fn new(font: &'static [u8]) -> anyhow::Result<Lettering> {
        let face = Face::parse(font, 0).context("the built-in font cannot be read")?;
        Ok(Lettering { face })
    }

    /// The width of a text of `size` points.
    pub(crate) fn width(&self, text: &str, size: f64) -> f64 {
        let mut end = 0.0;
        self.place(text, |_, _, after| end = after);
        end * self.unit(size)
    }

    /// The outline of a text of `size` points that starts at a point and is centred on it vertically; `None`
    /// if there is nothing to see.
    pub(crate) fn outline(&self, text: &str, size: f64, (x, y): (f64, f64)) -> Option<Path> {
        let unit = self.unit(size);
        // Not every font says how high its capitals are, but the letter does.
        let letter = self.face.glyph_index('H');
        let letter = letter.and_then(|h| self.face.glyph_bounding_box(h));
        let capital = letter.map_or(0.0, |h| f64::from(h.y_max));
        let mut pen = Pen {
            path: PathBuilder::new(),
            unit: unit as f32,
            x: 0.0,
            y: (y + unit * capital / 2.0) as f32,
        };
        self.place(text, |glyph, before, _| {
            pen.x = (x + before * unit) as f32;
            // A glyph without an outline is a space.
            let _ = self.face.outline_glyph(glyph, &mut pen);
        });
        pen.path.finish()
    }

    /// Points of a unit of the font.
    fn unit(&self, size: f64) -> f64 {
        size / f64::from(self.face.units_per_em())
    }

    /// Calls `visit` with each glyph and where it starts and ends, in units of the font.
    fn place(&self, text: &str, mut visit: impl FnMut(GlyphId, f64, f64)) {
        let (mut at, mut last) = (0.0, None);
        for c in text.chars() {
            let glyph = self.face.glyph_index(c).unwrap_or_default();
            at += last.map_or(0.0, |last| self.kerning(last, glyph));
            let after = at + f64::from(self.face.glyph_hor_advance(glyph).unwrap_or(0));
            visit(glyph, at, after);
            (at, last) = (after, Some(glyph));
        }
    }

    /// By how much a glyph is moved behind another one, in units of the font.
    fn kerning(&self, left: GlyphId, right: GlyphId) -> f64 {
        let tables = self.face.tables().kern.into_iter();
        let mut tables = tables.flat_map(|kern| kern.subtables.into_iter());
        let kerning = tables.find_map(|t| {
            let applies = t.horizontal && !t.variable && !t.has_state_machine;
            applies.then(|| t.glyphs_kerning(left, right)).flatten()
        });
        kerning.map_or(0.0, f64::from)
    }
}

/// Draws a glyph into a path. A font's y runs upwards.
struct Pen {
    path: PathBuilder,
    unit: f32,
    x: f32,
    y: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.unit, self.y - y * self.unit)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
