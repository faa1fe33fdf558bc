//! Products of gathered elements with weights, in tiles that stay in registers.

use crate::engine::kernels::vector::{Lanes, WIDTH};

/// Sums for `P` pixels and `V` vectors of channels: `start` plus x[pixel + source]·w[source] over all sources. Weights
/// stand source after source, `V` vectors each.
///
/// # Safety
/// `x` points to elements at each pixel's offset plus each source's, `w` to `V` vectors for each source.
#[inline(always)]
pub(super) unsafe fn gathered<const FUSED: bool, const P: usize, const V: usize>(
    x: *const f32,
    pixels: &[usize; P],
    sources: &[usize],
    w: *const f32,
    start: [Lanes; V],
) -> [[Lanes; V]; P] {
    let mut sums = [start; P];
    let mut w = w;
    for &source in sources {
        // SAFETY: the caller's promise.
        unsafe {
            let x = x.add(source);
            let mut weights = [Lanes::all(0.0); V];
            for (v, weights) in weights.iter_mut().enumerate() {
                *weights = Lanes::load(w.add(v * WIDTH));
            }
            for p in 0..P {
                let element = Lanes::all(*x.add(pixels[p]));
                for v in 0..V {
                    sums[p][v] = sums[p][v].plus_product::<FUSED>(element, weights[v]);
                }
            }
            w = w.add(V * WIDTH);
        }
    }
    sums
}

/// Sums for `M` sources and `V` vectors of channels: x[pixel + source]·d[pixel] over all pixels. The vectors of pixel i
/// stand at `d + i·stride`.
///
/// # Safety
/// `x` points to elements at each pixel's offset plus each source's, `d` to `V` vectors for each pixel.
#[inline(always)]
pub(super) unsafe fn correlated<const FUSED: bool, const M: usize, const V: usize>(
    x: *const f32,
    pixels: &[usize],
    sources: &[usize; M],
    d: *const f32,
    stride: usize,
) -> [[Lanes; V]; M] {
    let mut sums = [[Lanes::all(0.0); V]; M];
    let mut d = d;
    for &pixel in pixels {
        // SAFETY: the caller's promise.
        unsafe {
            let x = x.add(pixel);
            let mut gradient = [Lanes::all(0.0); V];
            for (v, gradient) in gradient.iter_mut().enumerate() {
                *gradient = Lanes::load(d.add(v * WIDTH));
            }
            for m in 0..M {
                let element = Lanes::all(*x.add(sources[m]));
                for v in 0..V {
                    sums[m][v] = sums[m][v].plus_product::<FUSED>(element, gradient[v]);
                }
            }
            d = d.wrapping_add(stride);
        }
    }
    sums
}
