//! Images: mean and deviation of each channel over the training part.

use serde::{Deserialize, Serialize};

/// Fitted scaling of pixels: (byte − mean) / std for each channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageEncoder {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Mean of each channel, as bytes.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, positive.
    pub std: Vec<f32>,
}

impl ImageEncoder {
    /// Fits the images at `rows` of `rows × height × width × channels` bytes. `None` where no channel varies.
    pub fn fit(pixels: &[u8], [height, width, channels]: [usize; 3], rows: &[usize]) -> Option<Self> {
        let size = height * width * channels;
        // Exact integer sums: the result does not depend on the order of the rows.
        let (mut sums, mut squares) = (vec![0u64; channels], vec![0u64; channels]);
        for &row in rows {
            for pixel in pixels[row * size..(row + 1) * size].chunks_exact(channels) {
                for (c, &byte) in pixel.iter().enumerate() {
                    sums[c] += u64::from(byte);
                    squares[c] += u64::from(byte) * u64::from(byte);
                }
            }
        }
        let n = (rows.len() * height * width) as f64;
        let means: Vec<f64> = sums.iter().map(|&s| s as f64 / n).collect();
        let variances: Vec<f64> = squares.iter().zip(&means).map(|(&q, m)| q as f64 / n - m * m).collect();
        if variances.iter().all(|&v| v <= 0.0) {
            return None;
        }
        let std = variances.iter().map(|&v| if v > 0.0 { v.sqrt() as f32 } else { 1.0 }).collect();
        Some(ImageEncoder { height, width, channels, mean: means.iter().map(|&m| m as f32).collect(), std })
    }
}
