//! The pixels of the synthetic cube: fields with a season, clouds with shadows, the edge of a swath, noise.
//!
//! Every value is a function of its place and step through an integer hash and plain arithmetic, so that the
//! cube is the same on every machine and its tiles can be made in any order.

/// Days between steps.
pub(super) const STEP_DAYS: u64 = 5;

/// Scene classes of Sentinel-2 level 2A that occur.
mod class {
    pub(super) const NO_DATA: u8 = 0;
    pub(super) const CLOUD_SHADOW: u8 = 3;
    pub(super) const VEGETATION: u8 = 4;
    pub(super) const NOT_VEGETATED: u8 = 5;
    pub(super) const WATER: u8 = 6;
    pub(super) const UNCLASSIFIED: u8 = 7;
    pub(super) const CLOUD_MEDIUM: u8 = 8;
    pub(super) const CLOUD_HIGH: u8 = 9;
}

/// One tile of the three bands, in C order, and room for what its rows share.
pub(super) struct Tile {
    pub(super) red: Vec<u8>,
    pub(super) nir: Vec<u8>,
    pub(super) scl: Vec<u8>,
    cloud: Vec<f32>,
    shade: Vec<f32>,
}

/// A 64-bit hash of a number: every bit of the result depends on every bit of it.
fn hash(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn hash3(kind: u64, a: u64, b: u64) -> u64 {
    hash(hash(hash(kind).wrapping_add(a)).wrapping_add(b))
}

/// A hash as a number in `0..1`.
fn unit(h: u64) -> f32 {
    (h >> 40) as f32 / (1u64 << 24) as f32
}

/// A hump of height 1 at `peak`, 0 beyond `width` days from it; days are counted around the year.
fn hump(day: f32, peak: f32, width: f32) -> f32 {
    let away = (day - peak).abs();
    let d = away.min(365.0 - away) / width;
    if d >= 1.0 {
        0.0
    } else {
        (1.0 - d * d) * (1.0 - d * d)
    }
}

/// What grows on a field, as reflectances (times 10,000) on a day.
fn field(id: u64, day: f32) -> (f32, f32) {
    let (kind, h) = (hash(id) % 16, hash(id ^ 0xF1E1D));
    let (a, b) = (unit(h), unit(hash(h)));
    let (ndvi, sum) = match kind {
        0..=5 => (
            0.2 + (0.52 + 0.1 * a) * hump(day, 130.0 + 25.0 * b, 95.0),
            3900.0 + 900.0 * a,
        ),
        6..=11 => (
            0.2 + (0.52 + 0.1 * a) * hump(day, 195.0 + 30.0 * b, 85.0),
            4100.0 + 900.0 * a,
        ),
        12 | 13 => (
            0.5 + (0.28 + 0.05 * a) * hump(day, 190.0, 130.0),
            3100.0 + 500.0 * b,
        ),
        14 => (-0.3, 450.0 + 150.0 * a),
        _ => (0.1 + 0.05 * b, 4300.0 + 1200.0 * a),
    };
    (sum * (1.0 - ndvi) / 2.0, sum * (1.0 + ndvi) / 2.0)
}

/// Smooth noise in `0..1` over a lattice of `cell` pixels, added to a row: `weight` times its values from
/// column `x0` on.
fn add_noise(seed: u64, cell: u64, weight: f32, y: u64, x0: u64, row: &mut [f32]) {
    let smooth = |at: u64| {
        let f = (at % cell) as f32 / cell as f32;
        f * f * (3.0 - 2.0 * f)
    };
    let (ly, fy) = (y / cell, smooth(y));
    let column = |lx: u64| {
        let (above, below) = (unit(hash3(seed, lx, ly)), unit(hash3(seed, lx, ly + 1)));
        above + (below - above) * fy
    };
    let mut at = u64::MAX;
    let (mut left, mut right) = (0.0, 0.0);
    for (x, value) in (x0..).zip(row) {
        if x / cell != at {
            at = x / cell;
            (left, right) = (column(at), column(at + 1));
        }
        *value += weight * (left + (right - left) * smooth(x));
    }
}

/// The noise above which there is cloud; a third of the steps is clear.
fn cloud_level(step: u64) -> f32 {
    let h = hash3(7, step, 0);
    match h % 6 {
        0 | 1 => 2.0,
        2 => 0.15 + 0.1 * unit(hash(h)),
        _ => 0.42 + 0.2 * unit(hash(h)),
    }
}

/// Whether a pixel lies outside of the swath that was seen at a step.
fn outside_swath(step: u64, size: u64, y: u64, x: u64) -> bool {
    match step % 6 {
        1 => 10 * x + 6 * y < 4 * size,
        4 => 10 * (size - 1 - x) + 4 * y < 2 * size,
        _ => false,
    }
}

/// Noise around 0 with a standard deviation of about 148, from 32 bits.
fn bell(bits: u64) -> f32 {
    let bytes = (bits & 0xFF) + (bits >> 8 & 0xFF) + (bits >> 16 & 0xFF) + (bits >> 24 & 0xFF);
    bytes as f32 - 510.0
}

impl Tile {
    /// A tile of `chunk` by `chunk` pixels.
    pub(super) fn new(chunk: u64) -> Tile {
        let (n, row) = ((chunk * chunk) as usize, vec![0.0; chunk as usize]);
        Tile {
            red: vec![0; 2 * n],
            nir: vec![0; 2 * n],
            scl: vec![0; n],
            cloud: row.clone(),
            shade: row,
        }
    }

    /// Paints the part of step `step` of a scene of `size` by `size` pixels that starts at `y0`, `x0`. Pixels
    /// beyond the scene become 0.
    pub(super) fn paint(&mut self, step: u64, size: u64, y0: u64, x0: u64) {
        let chunk = self.cloud.len();
        let rows = self
            .red
            .chunks_exact_mut(2 * chunk)
            .zip(self.nir.chunks_exact_mut(2 * chunk));
        let rows = (y0..).zip(rows.zip(self.scl.chunks_exact_mut(chunk)));
        for (y, ((red, nir), scl)) in rows {
            if y >= size {
                red.fill(0);
                nir.fill(0);
                scl.fill(class::NO_DATA);
                continue;
            }
            for (row, dy, dx) in [(&mut self.cloud, 0, 0), (&mut self.shade, 24, 36)] {
                row.fill(0.0);
                // Shadows lie to the lower right of their clouds.
                let (y, x) = (y + 64 - dy, x0 + 64 - dx);
                add_noise(1000 + step, 192, 0.7, y, x, row);
                add_noise(2000 + step, 40, 0.3, y, x, row);
            }
            let row = Row {
                step,
                size,
                y,
                cloud: &self.cloud,
                shade: &self.shade,
            };
            row.paint(x0, red, nir, scl);
        }
    }
}

/// What the pixels of a row share.
struct Row<'a> {
    step: u64,
    size: u64,
    y: u64,
    cloud: &'a [f32],
    shade: &'a [f32],
}

impl Row<'_> {
    fn paint(&self, x0: u64, red: &mut [u8], nir: &mut [u8], scl: &mut [u8]) {
        let day = (self.step * STEP_DAYS % 365) as f32;
        let level = cloud_level(self.step);
        // Fields are strips of about 96 by 56 pixels, each strip shifted, in a plane a little askew.
        let (strip, lean) = ((self.y + 7 * 56) / 56, self.y / 5);
        let shift = hash3(3, strip, 0) % 96;
        let (mut id, mut base) = (u64::MAX, (0.0, 0.0));
        let pixels = red
            .chunks_exact_mut(2)
            .zip(nir.chunks_exact_mut(2))
            .zip(scl);
        for (i, ((red, nir), scl)) in pixels.enumerate() {
            let x = x0 + i as u64;
            let along = x + lean + shift;
            let here = hash3(4, strip, along / 96)
                ^ u64::from(along % 96 < hash3(5, strip, along / 96) % 48);
            if here != id {
                (id, base) = (here, field(here, day));
            }
            let bits = hash(self.step << 48 ^ self.y << 24 ^ x);
            let pixel = match x >= self.size || outside_swath(self.step, self.size, self.y, x) {
                true => (0, 0, class::NO_DATA),
                false => pixel(base, self.cloud[i] - level, self.shade[i] - level, bits),
            };
            red.copy_from_slice(&pixel.0.to_le_bytes());
            nir.copy_from_slice(&pixel.1.to_le_bytes());
            *scl = pixel.2;
        }
    }
}

/// Red, near infrared and class of a pixel, from the field's reflectances, how much the cloud noise here and
/// where the shadow falls from exceeds its level, and random bits.
fn pixel(base: (f32, f32), cloud: f32, shade: f32, bits: u64) -> (u16, u16, u8) {
    let (first, second) = (bell(bits), bell(bits >> 32));
    let texture = (bits >> 20 & 0xFFFF) as f32 / 65536.0;
    let digital = |v: f32| v.clamp(1.0, 16000.0) as u16;
    if cloud > 0.0 {
        let bright = 2600.0 + 12000.0 * texture;
        let high = cloud + 0.001 * second > 0.06;
        let class = if high {
            class::CLOUD_HIGH
        } else {
            class::CLOUD_MEDIUM
        };
        return (
            digital(bright + first),
            digital(1.04 * bright + second),
            class,
        );
    }
    // Slopes and soils brighten and darken both bands alike, so that the index keeps its season.
    let light = (0.3 + 1.7 * texture) * if shade > 0.0 { 0.5 } else { 1.0 };
    let red = base.0 * light + 0.3 * first;
    let nir = base.1 * light + 0.6 * second;
    let ndvi = (base.1 - base.0) / (base.1 + base.0);
    let class = match () {
        () if bits.is_multiple_of(9) => class::UNCLASSIFIED,
        () if shade > 0.0 => class::CLOUD_SHADOW,
        () if ndvi < 0.0 => class::WATER,
        () if ndvi + 0.0022 * first > 0.35 => class::VEGETATION,
        () => class::NOT_VEGETATED,
    };
    (digital(red), digital(nir), class)
}
