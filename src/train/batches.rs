//! Batches: seeded order, gathering, augmentation, targets.

use crate::data::{InputSpec, OutputSpec, Part, Targets, Task};
use crate::genome::{Augmentation, Training};
use rand::{Rng, RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Rows of a part in an endless seeded order: one permutation after another.
pub struct Order {
    rows: Vec<u32>,
    next: usize,
    rng: ChaCha8Rng,
}

impl Order {
    /// An order over `rows` rows.
    pub fn new(rows: usize, rng: ChaCha8Rng) -> Self {
        Order { rows: (0..rows as u32).collect(), next: rows, rng }
    }

    /// Fills `batch` with the next rows.
    pub fn fill(&mut self, batch: &mut [u32]) {
        for slot in batch {
            if self.next == self.rows.len() {
                self.rows.shuffle(&mut self.rng);
                self.next = 0;
            }
            *slot = self.rows[self.next];
            self.next += 1;
        }
    }
}

/// Copies the numeric features of `rows` to `into`, row major.
pub fn gather<T: Copy>(values: &[T], width: usize, rows: &[u32], into: &mut [T]) {
    for (&row, out) in rows.iter().zip(into.chunks_exact_mut(width)) {
        out.copy_from_slice(&values[row as usize * width..][..width]);
    }
}

/// Standardises and augments images.
pub struct Images {
    height: usize,
    width: usize,
    channels: usize,
    /// For each channel, the standardised value of each byte.
    levels: Vec<[f32; 256]>,
}

/// How one image is augmented.
#[derive(Clone, Copy, Default)]
struct Draw {
    flip: bool,
    down: isize,
    right: isize,
    /// Top, left and side of the blanked square.
    hole: Option<(isize, isize, isize)>,
}

impl Images {
    /// For the images of a task; `None` where it is about tables.
    pub fn new(input: &InputSpec) -> Option<Self> {
        let InputSpec::Image { height, width, channels, mean, std } = input else { return None };
        let levels = mean
            .iter()
            .zip(std)
            .map(|(&mean, &std)| std::array::from_fn(|byte| (byte as f32 - mean) / std.max(f32::MIN_POSITIVE)))
            .collect();
        Some(Images { height: *height, width: *width, channels: *channels, levels })
    }

    /// Writes images `rows` of `pixels` (bytes, `[N, H, W, C]`) as float32 `[rows, C, H, W]`, as they are.
    pub fn gather(&self, pixels: &[u8], rows: &[u32], into: &mut [f32]) {
        let size = self.height * self.width * self.channels;
        for (&row, out) in rows.iter().zip(into.chunks_exact_mut(size)) {
            self.write(&pixels[row as usize * size..][..size], out, Draw::default());
        }
    }

    /// As [`Images::gather`], each image augmented by its own draw.
    pub fn gather_augmented(
        &self,
        pixels: &[u8],
        rows: &[u32],
        genes: Augmentation,
        rng: &mut ChaCha8Rng,
        into: &mut [f32],
    ) {
        let size = self.height * self.width * self.channels;
        for (&row, out) in rows.iter().zip(into.chunks_exact_mut(size)) {
            let draw = self.draw(genes, rng);
            self.write(&pixels[row as usize * size..][..size], out, draw);
        }
    }

    fn draw(&self, genes: Augmentation, rng: &mut ChaCha8Rng) -> Draw {
        let reach = genes.shift as i64;
        let mut draw = Draw { flip: genes.flip && rng.random(), ..Draw::default() };
        if reach > 0 {
            draw.down = rng.random_range(-reach..=reach) as isize;
            draw.right = rng.random_range(-reach..=reach) as isize;
        }
        if genes.cutout > 0 {
            let side = genes.cutout as isize;
            let top = rng.random_range(0..self.height as u64) as isize - side / 2;
            let left = rng.random_range(0..self.width as u64) as isize - side / 2;
            draw.hole = Some((top, left, side));
        }
        draw
    }

    /// What lies outside the image, or in the hole, is zero after standardisation.
    fn write(&self, image: &[u8], out: &mut [f32], draw: Draw) {
        let (h, w, c) = (self.height as isize, self.width as isize, self.channels);
        for (channel, plane) in out.chunks_exact_mut(self.height * self.width).enumerate() {
            let levels = &self.levels[channel];
            for (y, line) in plane.chunks_exact_mut(self.width).enumerate() {
                let from = y as isize - draw.down;
                if from < 0 || from >= h {
                    line.fill(0.0);
                    continue;
                }
                let source = &image[from as usize * self.width * c..][..self.width * c];
                if draw.right == 0 && !draw.flip {
                    for (value, pixel) in line.iter_mut().zip(source.chunks_exact(c)) {
                        *value = levels[pixel[channel] as usize];
                    }
                } else {
                    for (x, value) in line.iter_mut().enumerate() {
                        let moved = x as isize - draw.right;
                        let column = if draw.flip { w - 1 - moved } else { moved };
                        let inside = column >= 0 && column < w;
                        *value = if inside { levels[source[column as usize * c + channel] as usize] } else { 0.0 };
                    }
                }
            }
            if let Some((top, left, side)) = draw.hole {
                for y in top.max(0)..(top + side).min(h) {
                    let row = y as usize * self.width;
                    plane[row + left.max(0) as usize..row + (left + side).min(w) as usize].fill(0.0);
                }
            }
        }
    }
}

/// Targets as the loss wants them.
pub struct TargetWriter {
    kind: TargetKind,
    /// Weight of a row, by class.
    class_weights: Option<Vec<f32>>,
}

enum TargetKind {
    Distribution { classes: usize, smoothing: f32 },
    Standardised { mean: f32, std: f32 },
}

impl TargetWriter {
    /// For a task and a genome's training genes, with the weight of a row of each class where they are weighed.
    pub fn new(task: &Task, training: &Training, class_weights: Option<Vec<f32>>) -> Self {
        match &task.output {
            OutputSpec::Classes { names, .. } => TargetWriter {
                kind: TargetKind::Distribution { classes: names.len(), smoothing: training.label_smoothing },
                class_weights,
            },
            OutputSpec::Value { mean, std } => {
                TargetWriter { kind: TargetKind::Standardised { mean: *mean as f32, std: *std as f32 }, class_weights: None }
            }
        }
    }

    /// Writes the targets of `rows`: a smoothed distribution or a standardised value each.
    pub fn targets(&self, part: &Part, rows: &[u32], into: &mut [f32]) {
        match (&self.kind, &part.targets) {
            (TargetKind::Distribution { classes, smoothing }, Targets::Classes(labels)) => {
                into.fill(smoothing / *classes as f32);
                for (&row, out) in rows.iter().zip(into.chunks_exact_mut(*classes)) {
                    out[labels[row as usize] as usize] += 1.0 - smoothing;
                }
            }
            (TargetKind::Standardised { mean, std }, Targets::Values(values)) => {
                for (&row, out) in rows.iter().zip(into) {
                    *out = (values[row as usize] - mean) / std;
                }
            }
            _ => unreachable!("a part's targets are of its task's kind"),
        }
    }

    /// Writes the weights of `rows`.
    pub fn weights(&self, part: &Part, rows: &[u32], into: &mut [f32]) {
        match (&self.class_weights, &part.targets) {
            (Some(weights), Targets::Classes(labels)) => {
                for (&row, out) in rows.iter().zip(into) {
                    *out = weights[labels[row as usize] as usize];
                }
            }
            _ => into.fill(1.0),
        }
    }
}

/// Draws a dropout mask of zeros and ones; `rate` is rounded to a multiple of 1/256.
pub fn draw_mask(rate: f32, rng: &mut ChaCha8Rng, into: &mut [u8]) {
    let threshold = dropped(rate);
    rng.fill_bytes(into);
    for byte in into {
        *byte = u8::from(u16::from(*byte) >= threshold);
    }
}

/// By what the elements that a mask keeps are multiplied, so that their expectation stays.
pub fn mask_scale(rate: f32) -> f32 {
    256.0 / f32::from(256 - dropped(rate))
}

/// How many of 256 elements are dropped.
fn dropped(rate: f32) -> u16 {
    (rate * 256.0).round() as u16
}

/// Number of rows of a part's features.
pub fn rows(part: &Part) -> usize {
    part.targets.len()
}

#[cfg(test)]
mod tests {
    use super::{draw_mask, mask_scale};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_mask_and_its_scale_keep_the_expectation() {
        for rate in [0.05, 0.1, 0.35, 0.6, 0.95] {
            let mut mask = vec![0; 1 << 22];
            draw_mask(rate, &mut ChaCha8Rng::seed_from_u64(7), &mut mask);
            let kept = mask.iter().filter(|&&kept| kept == 1).count() as f64;
            let mean = kept * f64::from(mask_scale(rate)) / mask.len() as f64;
            let deviation = (1.0 / (1.0 - f64::from(rate)) - 1.0).sqrt() / (mask.len() as f64).sqrt();
            assert!((mean - 1.0).abs() < 4.0 * deviation, "{rate}: {mean} within {deviation}");
        }
    }
}
