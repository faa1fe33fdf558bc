//! Gradient of a convolution with respect to its weights: correlations of the input with the output's gradient.

use super::geometry::{Gather, Geometry, pad_pixels};
use super::tile::correlated;
use crate::engine::kernels::vector::{Lanes, TiledWork, WIDTH, tiled};

/// Most pixels that are worked on at a time: what all tiles read of them stays in the first cache.
const PIXELS: usize = 80;

/// The weight gradient of a convolution of one geometry, with the memory that it needs.
#[derive(Debug)]
pub(super) struct WeightGradient {
    geometry: Geometry,
    gather: Gather,
    /// Offset from the pixel of each weight's input: kernel element by kernel element, the group's channels in each.
    sources: Vec<usize>,
    /// Channels of each group of the output, rounded up to whole vectors.
    padded: usize,
    /// A block's gradient with that many channels in each group; empty where they fill whole vectors.
    gradient: Vec<f32>,
    /// For each group and source the sums of its channels.
    sums: Vec<f32>,
}

impl WeightGradient {
    /// The gradient; its extents have been checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2]) -> Self {
        let gather = Gather::forward(g, output, g.inputs);
        let (inputs, outputs) = (g.inputs / g.groups, g.outputs / g.groups);
        let sources: Vec<usize> = gather.phases[0].taps.iter().flat_map(|&(_, at)| at..at + inputs).collect();
        let padded = outputs.next_multiple_of(WIDTH);
        let block = gather.frame.images * gather.result_pixels * g.groups * padded;
        let gradient = if padded == outputs { vec![] } else { vec![0.0; block] };
        let sums = vec![0.0; g.groups * sources.len() * padded];
        WeightGradient { geometry: g.clone(), gather, sources, padded, gradient, sums }
    }

    /// The gradient `[O, C/groups, kh, kw]` from `x [N, H, W, C]` and `dy [N, oh, ow, O]`.
    pub(super) fn run(&mut self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        self.sums.fill(0.0);
        tiled(Run { gradient: self, x, dy });
        self.unpack(dw);
    }

    /// The sums as weights are stored.
    fn unpack(&self, dw: &mut [f32]) {
        let g = &self.geometry;
        let (inputs, outputs, area) = (g.inputs / g.groups, g.outputs / g.groups, g.kernel[0] * g.kernel[1]);
        let groups =
            dw.chunks_exact_mut(outputs * inputs * area).zip(self.sums.chunks_exact(self.sources.len() * self.padded));
        for (dw, sums) in groups {
            for (o, dw) in dw.chunks_exact_mut(inputs * area).enumerate() {
                for (i, dw) in dw.chunks_exact_mut(area).enumerate() {
                    let column = sums[i * self.padded + o..].iter().step_by(inputs * self.padded);
                    dw.iter_mut().zip(column).for_each(|(dw, sum)| *dw = *sum);
                }
            }
        }
    }
}

struct Run<'a> {
    gradient: &'a mut WeightGradient,
    x: &'a [f32],
    dy: &'a [f32],
}

impl TiledWork for Run<'_> {
    #[inline(always)]
    fn run<const FUSED: bool, const P: usize>(self) {
        let Run { gradient: WeightGradient { geometry, gather, sources, padded, gradient, sums }, x, dy } = self;
        let (groups, outputs) = (geometry.groups, geometry.outputs / geometry.groups);
        let x_image = x.len() / geometry.batch;
        let images = gather.frame.images;
        let stride = groups * *padded;
        for (x, dy) in x.chunks(images * x_image).zip(dy.chunks(images * gather.result_pixels * geometry.outputs)) {
            let count = x.len() / x_image * gather.result_pixels;
            let framed = gather.frame.frame(x).as_ptr();
            let dy = if gradient.is_empty() {
                dy
            } else {
                pad_pixels(dy, outputs, *padded, gradient);
                &gradient[..]
            };
            assert!(dy.len() >= count * stride);
            let pixels = &gather.phases[0].pixels[..count];
            let some = count.div_ceil(count.div_ceil(PIXELS));
            for (pixels, dy) in pixels.chunks(some).zip(dy.chunks(some * stride)) {
                for group in 0..groups {
                    let sums = &mut sums[group * sources.len() * *padded..][..sources.len() * *padded];
                    // SAFETY: a group's first channel lies within the first pixel of the frame.
                    let x = unsafe { framed.add(group * geometry.inputs / groups) };
                    for first in (0..*padded).step_by(WIDTH) {
                        let dy = &dy[group * *padded + first..];
                        let block = Block { x, pixels, sources, dy, stride, first, sums, padded: *padded };
                        block.run::<FUSED, P>();
                    }
                }
            }
        }
    }
}

/// The sums of some channels of a group over one block of images.
struct Block<'a> {
    x: *const f32,
    pixels: &'a [usize],
    sources: &'a [usize],
    /// From the first of these channels on.
    dy: &'a [f32],
    /// Distance between pixels of `dy`.
    stride: usize,
    first: usize,
    sums: &'a mut [f32],
    padded: usize,
}

impl Block<'_> {
    #[inline(always)]
    fn run<const FUSED: bool, const M: usize>(self) {
        let mut tile = [0; M];
        for (sources, sums) in self.sources.chunks(M).zip(self.sums.chunks_mut(M * self.padded)) {
            // The last tile repeats its last source.
            for (m, tile) in tile.iter_mut().enumerate() {
                *tile = sources[m.min(sources.len() - 1)];
            }
            // SAFETY: `Gather::check` found all offsets in the frame; `dy` has whole vectors for all pixels.
            let made: [Lanes; M] =
                unsafe { correlated::<FUSED, M>(self.x, self.pixels, &tile, self.dy.as_ptr(), self.stride) };
            for (sums, made) in sums.chunks_exact_mut(self.padded).zip(&made) {
                let sums = &mut sums[self.first..][..WIDTH];
                sums.iter_mut().zip(made.0).for_each(|(sum, lane)| *sum += lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::WeightGradient;
    use crate::engine::kernels::conv::geometry::tests::{normal, samples, worst};

    #[test]
    fn sums_equal_plain_loops_in_float64() {
        for (i, sample) in samples().into_iter().enumerate() {
            let (x, dy) = (normal(sample.x_len(), i), normal(sample.y_len(), i + 1));
            let (mut wanted, mut dw) = (vec![0.0; sample.w_len()], vec![f32::NAN; sample.w_len()]);
            sample.each_product(|x_at, w_at, y_at| wanted[w_at] += f64::from(x[x_at]) * f64::from(dy[y_at]));
            let mut gradient = WeightGradient::new(&sample.g, sample.output);
            for _ in 0..2 {
                gradient.run(&x, &dy, &mut dw);
                assert!(worst(&dw, &wanted) < 1e-5, "{sample:?}: off by {}", worst(&dw, &wanted));
            }
        }
    }
}
