//! Convolution of each channel by itself, and its gradients: vectors run over channels.

use super::dense::Direction;
use super::geometry::{Gather, Geometry, Phase, pad_pixels};
use crate::engine::kernels::vector::{Lanes, TiledWork, WIDTH, tiled};

/// Most pixels whose products are summed in one chain.
const CHAIN: usize = 256;

/// Channels rounded up to whole vectors.
fn depth(g: &Geometry) -> usize {
    g.inputs.next_multiple_of(WIDTH)
}

/// A depthwise convolution of one geometry, with the memory that it needs.
#[derive(Debug)]
pub(super) struct Depthwise {
    geometry: Geometry,
    gather: Gather,
    /// Weights of each kernel element: the channels, and zeros after them.
    weights: Vec<f32>,
}

impl Depthwise {
    /// A convolution; its extents have been checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2], direction: Direction) -> Self {
        let gather = match direction {
            Direction::Forward => Gather::forward(g, output, depth(g)),
            Direction::Adjoint => Gather::adjoint(g, output, depth(g)),
        };
        let weights = vec![0.0; g.kernel[0] * g.kernel[1] * depth(g)];
        Depthwise { geometry: g.clone(), gather, weights }
    }

    /// Convolves `x [N, H, W, C]` with `w [C, 1, kh, kw]` to `y [N, oh, ow, C]`, and adds `bias [C]`; in the other
    /// direction x and y stand for the gradients of output and input.
    pub(super) fn run(&mut self, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let area = self.geometry.kernel[0] * self.geometry.kernel[1];
        let depth = depth(&self.geometry);
        for (channel, w) in w.chunks_exact(area).enumerate() {
            self.weights[channel..].iter_mut().step_by(depth).zip(w).for_each(|(packed, w)| *packed = *w);
        }
        tiled(Run { depthwise: self, x, bias, y });
    }
}

struct Run<'a> {
    depthwise: &'a mut Depthwise,
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
}

impl TiledWork for Run<'_> {
    #[inline(always)]
    fn run<const FUSED: bool, const P: usize>(self) {
        let Run { depthwise: Depthwise { geometry, gather, weights }, x, bias, y } = self;
        let (channels, depth) = (geometry.inputs, depth(geometry));
        let x_image = x.len() / geometry.batch;
        let images = gather.frame.images;
        for (x, y) in x.chunks(images * x_image).zip(y.chunks_mut(images * gather.result_pixels * channels)) {
            let framed = gather.frame.frame(x).as_ptr();
            for phase in &gather.phases {
                let outputs = x.len() / x_image * phase.pixels.len() / images;
                for first in (0..channels).step_by(WIDTH) {
                    let valid = (channels - first).min(WIDTH);
                    let mut start = Lanes::all(0.0);
                    if let Some(bias) = bias {
                        start.0[..valid].copy_from_slice(&bias[first..first + valid]);
                    }
                    let y = &mut y[first..];
                    let (pixels, targets) = (&phase.pixels[..outputs], &phase.targets[..outputs]);
                    let sweep =
                        Sweep { x: framed, pixels, targets, phase, weights, depth, first, start, valid, y, channels };
                    sweep.run::<FUSED, P>();
                }
            }
        }
    }
}

/// One vector of channels of one phase over the images of one block.
struct Sweep<'a> {
    x: *const f32,
    pixels: &'a [usize],
    targets: &'a [usize],
    phase: &'a Phase,
    weights: &'a [f32],
    depth: usize,
    first: usize,
    /// What the sums start from.
    start: Lanes,
    /// Channels that are written.
    valid: usize,
    /// The result from the first of these channels on, and the channels of its pixels.
    y: &'a mut [f32],
    channels: usize,
}

impl Sweep<'_> {
    #[inline(always)]
    fn run<const FUSED: bool, const P: usize>(self) {
        let weights = &self.weights[self.first..];
        for (pixels, targets) in self.pixels.chunks(P).zip(self.targets.chunks(P)) {
            // The last tile repeats its last pixel.
            let pixels: [usize; P] = std::array::from_fn(|p| pixels[p.min(pixels.len() - 1)] + self.first);
            let mut sums = [self.start; P];
            for &(tap, at) in &self.phase.taps {
                // SAFETY: `Gather::check` found all pixels in the frame, with `depth` floats each, and as many weights
                // stand for each kernel element.
                unsafe {
                    let w = Lanes::load(weights.as_ptr().wrapping_add(tap * self.depth));
                    for p in 0..P {
                        sums[p] = sums[p].plus_product::<FUSED>(Lanes::load(self.x.wrapping_add(pixels[p] + at)), w);
                    }
                }
            }
            for (sum, target) in sums.iter().zip(targets) {
                let y = &mut self.y[target * self.channels..];
                if self.valid == WIDTH {
                    y[..WIDTH].copy_from_slice(&sum.0);
                } else {
                    y[..self.valid].copy_from_slice(&sum.0[..self.valid]);
                }
            }
        }
    }
}

/// The weight gradient of a depthwise convolution of one geometry, with the memory that it needs.
#[derive(Debug)]
pub(super) struct DepthwiseWeightGradient {
    geometry: Geometry,
    gather: Gather,
    /// A block's gradient with the channels padded; empty where they fill whole vectors.
    gradient: Vec<f32>,
    /// Sums of each kernel element, like the weights of [`Depthwise`].
    sums: Vec<f32>,
}

impl DepthwiseWeightGradient {
    /// The gradient; its extents have been checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2]) -> Self {
        let gather = Gather::forward(g, output, depth(g));
        let block = gather.frame.images * gather.result_pixels * depth(g);
        let gradient = if depth(g) == g.inputs { vec![] } else { vec![0.0; block] };
        let sums = vec![0.0; g.kernel[0] * g.kernel[1] * depth(g)];
        DepthwiseWeightGradient { geometry: g.clone(), gather, gradient, sums }
    }

    /// The gradient `[C, 1, kh, kw]` from `x [N, H, W, C]` and `dy [N, oh, ow, C]`.
    pub(super) fn run(&mut self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        self.sums.fill(0.0);
        tiled(WeightRun { gradient: self, x, dy });
        let area = self.geometry.kernel[0] * self.geometry.kernel[1];
        let depth = depth(&self.geometry);
        for (channel, dw) in dw.chunks_exact_mut(area).enumerate() {
            dw.iter_mut().zip(self.sums[channel..].iter().step_by(depth)).for_each(|(dw, sum)| *dw = *sum);
        }
    }
}

struct WeightRun<'a> {
    gradient: &'a mut DepthwiseWeightGradient,
    x: &'a [f32],
    dy: &'a [f32],
}

impl TiledWork for WeightRun<'_> {
    #[inline(always)]
    fn run<const FUSED: bool, const P: usize>(self) {
        let WeightRun { gradient: DepthwiseWeightGradient { geometry, gather, gradient, sums }, x, dy } = self;
        let (channels, depth) = (geometry.inputs, depth(geometry));
        let x_image = x.len() / geometry.batch;
        let images = gather.frame.images;
        let taps = &gather.phases[0].taps;
        for (x, dy) in x.chunks(images * x_image).zip(dy.chunks(images * gather.result_pixels * channels)) {
            let count = x.len() / x_image * gather.result_pixels;
            let framed = gather.frame.frame(x).as_ptr();
            let dy = if gradient.is_empty() {
                dy
            } else {
                pad_pixels(dy, channels, depth, gradient);
                &gradient[..]
            };
            assert!(dy.len() >= count * depth);
            let some = count.div_ceil(count.div_ceil(CHAIN));
            for (pixels, dy) in gather.phases[0].pixels[..count].chunks(some).zip(dy.chunks(some * depth)) {
                for first in (0..depth).step_by(WIDTH) {
                    let block = Block { x: framed, pixels, taps, dy, depth, first, sums };
                    block.run::<FUSED, P>();
                }
            }
        }
    }
}

/// The sums of one vector of channels over some pixels.
struct Block<'a> {
    x: *const f32,
    pixels: &'a [usize],
    taps: &'a [(usize, usize)],
    dy: &'a [f32],
    depth: usize,
    first: usize,
    sums: &'a mut [f32],
}

impl Block<'_> {
    #[inline(always)]
    fn run<const FUSED: bool, const M: usize>(self) {
        for (taps, sums) in self.taps.chunks(M).zip(self.sums.chunks_mut(M * self.depth)) {
            let mut made = [Lanes::all(0.0); M];
            // The last tile repeats its last kernel element.
            let offsets: [usize; M] = std::array::from_fn(|m| taps[m.min(taps.len() - 1)].1 + self.first);
            let mut dy = self.dy[self.first..].as_ptr();
            for &pixel in self.pixels {
                // SAFETY: `Gather::check` found all pixels in the frame; `dy` has `depth` floats for each of them.
                unsafe {
                    let gradient = Lanes::load(dy);
                    for m in 0..M {
                        made[m] =
                            made[m].plus_product::<FUSED>(Lanes::load(self.x.wrapping_add(pixel + offsets[m])), gradient);
                    }
                }
                dy = dy.wrapping_add(self.depth);
            }
            for (sums, made) in sums.chunks_exact_mut(self.depth).zip(made) {
                sums[self.first..][..WIDTH].iter_mut().zip(made.0).for_each(|(sum, lane)| *sum += lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Depthwise, DepthwiseWeightGradient, Direction};
    use crate::engine::kernels::conv::geometry::Geometry;
    use crate::engine::kernels::conv::geometry::tests::{Sample, normal, samples, worst};

    #[test]
    fn results_and_gradients_equal_plain_loops_in_float64() {
        let large = Geometry {
            batch: 5,
            size: [14, 13],
            inputs: 40,
            outputs: 40,
            kernel: [5, 5],
            stride: [1, 1],
            pads: [2; 4],
            dilation: [1, 1],
            groups: 40,
        };
        let own = samples().into_iter().filter(|s| s.g.is_depthwise());
        let large = Sample { output: large.output_size().unwrap(), g: large };
        for (i, sample) in own.chain([large]).enumerate() {
            let Sample { g, output } = &sample;
            let (x, w, bias) = (normal(sample.x_len(), i), normal(sample.w_len(), i + 1), normal(g.outputs, i + 2));
            let mut y = vec![f32::NAN; sample.y_len()];
            Depthwise::new(g, *output, Direction::Forward).run(&x, &w, Some(&bias), &mut y);
            let (mut wanted, dy) = (vec![0.0; y.len()], normal(y.len(), i + 3));
            let (mut wanted_dx, mut dx) = (vec![0.0; x.len()], vec![f32::NAN; x.len()]);
            let (mut wanted_dw, mut dw) = (vec![0.0; w.len()], vec![f32::NAN; w.len()]);
            wanted.iter_mut().enumerate().for_each(|(at, y)| *y = f64::from(bias[at % g.outputs]));
            sample.each_product(|x_at, w_at, y_at| {
                wanted[y_at] += f64::from(x[x_at]) * f64::from(w[w_at]);
                wanted_dx[x_at] += f64::from(dy[y_at]) * f64::from(w[w_at]);
                wanted_dw[w_at] += f64::from(dy[y_at]) * f64::from(x[x_at]);
            });
            Depthwise::new(g, *output, Direction::Adjoint).run(&dy, &w, None, &mut dx);
            DepthwiseWeightGradient::new(g, *output).run(&x, &dy, &mut dw);
            assert!(worst(&y, &wanted) < 1e-5, "{sample:?}: output off by {}", worst(&y, &wanted));
            assert!(worst(&dx, &wanted_dx) < 1e-5, "{sample:?}: input gradient off by {}", worst(&dx, &wanted_dx));
            assert!(worst(&dw, &wanted_dw) < 1e-5, "{sample:?}: weight gradient off by {}", worst(&dw, &wanted_dw));
        }
    }
}
