//! Features as a linear model reads them: numbers, one input for each slot of each category, and a constant.

use super::{Features, InputSpec, Task};

/// Inputs that images are pooled down to, at most.
const PIXELS: usize = 256;

/// Rows of a linear model's inputs: dense numbers first, then one-hot slots, then the constant.
#[derive(Debug)]
pub(super) struct Design {
    rows: usize,
    numbers: usize,
    codes: usize,
    slots: usize,
    dense: Vec<f32>,
    hot: Vec<usize>,
}

impl Design {
    /// These rows of the features.
    pub(super) fn new(task: &Task, features: &Features, rows: &[usize]) -> Design {
        match (features, &task.input) {
            (Features::Table { numeric, codes }, InputSpec::Table { numeric: numbers, categorical }) => {
                let (n, c) = (numbers.len(), categorical.len());
                Design {
                    rows: rows.len(),
                    numbers: n,
                    codes: c,
                    slots: categorical.iter().map(|feature| feature.slots).sum(),
                    dense: rows.iter().flat_map(|&row| numeric[row * n..][..n].iter().copied()).collect(),
                    hot: rows.iter().flat_map(|&row| codes[row * c..][..c].iter().map(|&slot| slot as usize)).collect(),
                }
            }
            (Features::Images { pixels }, InputSpec::Image { height, width, channels, mean, std }) => {
                let pooling = Pooling::new(*height, *width, *channels);
                let mut dense = Vec::with_capacity(rows.len() * pooling.outputs());
                for &row in rows {
                    let size = height * width * channels;
                    pooling.pool(&pixels[row * size..][..size], mean, std, &mut dense);
                }
                Design { rows: rows.len(), numbers: pooling.outputs(), codes: 0, slots: 0, dense, hot: Vec::new() }
            }
            // Features and task come from one dataset; without inputs the model is its constant.
            _ => Design { rows: rows.len(), numbers: 0, codes: 0, slots: 0, dense: Vec::new(), hot: Vec::new() },
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of inputs, the constant included.
    pub(super) fn width(&self) -> usize {
        self.numbers + self.slots + 1
    }

    /// Inputs of a row that are not zero, of any design for a task.
    pub(super) fn work_of(task: &Task) -> usize {
        match &task.input {
            InputSpec::Table { numeric, categorical } => numeric.len() + categorical.len() + 1,
            InputSpec::Image { height, width, channels, .. } => Pooling::new(*height, *width, *channels).outputs() + 1,
        }
    }

    /// Inputs of a row that are not zero.
    pub(super) fn work(&self) -> usize {
        self.numbers + self.codes + 1
    }

    /// Calls `take` with index and value of each input of a row that is not zero by construction.
    pub(super) fn visit(&self, row: usize, mut take: impl FnMut(usize, f64)) {
        for (index, value) in self.dense[row * self.numbers..][..self.numbers].iter().enumerate() {
            take(index, f64::from(*value));
        }
        for slot in &self.hot[row * self.codes..][..self.codes] {
            take(self.numbers + slot, 1.0);
        }
        take(self.numbers + self.slots, 1.0);
    }

    /// The matrix times a vector.
    pub(super) fn times(&self, vector: &[f64]) -> Vec<f64> {
        let of_row = |row| {
            let mut sum = 0.0;
            self.visit(row, |index, value| sum += value * vector[index]);
            sum
        };
        (0..self.rows).map(of_row).collect()
    }

    /// The transposed matrix times a vector.
    pub(super) fn transposed_times(&self, vector: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.width()];
        for (row, factor) in vector.iter().enumerate() {
            self.visit(row, |index, value| product[index] += value * factor);
        }
        product
    }
}

/// Mean over windows of an image, so that at most [`PIXELS`] inputs are left.
struct Pooling {
    height: usize,
    width: usize,
    channels: usize,
    window: usize,
}

impl Pooling {
    fn new(height: usize, width: usize, channels: usize) -> Pooling {
        let outputs = |window: usize| height.div_ceil(window) * width.div_ceil(window) * channels;
        let window = (1..=height.max(width)).find(|&window| outputs(window) <= PIXELS).unwrap_or(height.max(width));
        Pooling { height, width, channels, window }
    }

    fn outputs(&self) -> usize {
        self.height.div_ceil(self.window) * self.width.div_ceil(self.window) * self.channels
    }

    fn pool(&self, image: &[u8], mean: &[f32], std: &[f32], into: &mut Vec<f32>) {
        for top in (0..self.height).step_by(self.window) {
            for left in (0..self.width).step_by(self.window) {
                let (bottom, right) = ((top + self.window).min(self.height), (left + self.window).min(self.width));
                let count = ((bottom - top) * (right - left)) as f32;
                for channel in 0..self.channels {
                    let pixels = (top..bottom).flat_map(|y| (left..right).map(move |x| y * self.width + x));
                    let sum: f32 = pixels.map(|pixel| f32::from(image[pixel * self.channels + channel])).sum();
                    into.push((sum / count - mean[channel]) / std[channel].max(1e-6));
                }
            }
        }
    }
}
