//! Convolution, and the gradient of its input, which is a convolution of the output's gradient with the mirrored kernel.

use super::geometry::{Frame, Gather, Geometry};
use super::layer::Convolve;
use crate::engine::kernels::lanes::{Buffer, TiledWork, Vector, WIDTH, tiled, vector};
use crate::engine::kernels::tile::{Channels, Dense, Depthwise, Vectors, in_tiles, rows, tile};

/// The channels of a group that are computed from one phase's terms.
#[derive(Debug, Clone, Copy)]
struct Panel {
    group: usize,
    phase: usize,
    /// Where the weights stand: for each vector of channels a vector for each term.
    weights: usize,
}

/// Panels for `channels` of each group, and how many floats their weights are.
fn panels(groups: usize, channels: usize, sources: &[Vec<usize>]) -> (Vec<Panel>, usize) {
    let (mut panels, mut weights) = (vec![], 0);
    for group in 0..groups {
        for (phase, sources) in sources.iter().enumerate() {
            panels.push(Panel { group, phase, weights });
            weights += sources.len() * channels.next_multiple_of(WIDTH);
        }
    }
    (panels, weights)
}

/// What is convolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The input, to the output.
    Forward,
    /// The gradient of the output, to that of the input.
    Adjoint,
}

/// A convolution of one geometry, block of images by block of images.
#[derive(Debug)]
pub(super) struct Convolution {
    geometry: Geometry,
    direction: Direction,
    gather: Gather,
    /// Channels of each group that are read, and that are written. Depthwise channels are one group that reads one.
    group: [usize; 2],
    /// For each phase the offset of each term from the pixel, in the first group.
    sources: Vec<Vec<usize>>,
    /// Cover all groups and phases.
    panels: Vec<Panel>,
    /// Weights, panel after panel.
    weights: Buffer,
}

impl Convolution {
    /// Of a geometry whose extents have been checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2], direction: Direction) -> Self {
        let ([inputs, outputs], groups) = (g.group(), g.blocks());
        let (gather, group) = match direction {
            Direction::Forward => (Gather::forward(g, output, g.batch), [inputs, outputs]),
            Direction::Adjoint if g.is_depthwise() => (Gather::adjoint(g, output, g.batch), [inputs, outputs]),
            Direction::Adjoint => (Gather::adjoint(g, output, g.batch), [outputs, inputs]),
        };
        let sources = gather.phases.iter().map(|phase| {
            let taps = phase.taps.iter();
            taps.flat_map(|&(_, at)| at..at + group[0]).collect()
        });
        let sources: Vec<Vec<usize>> = sources.collect();
        let (panels, weights) = panels(groups, group[1], &sources);
        Convolution { geometry: g.clone(), direction, gather, group, sources, panels, weights: Buffer::zeros(weights) }
    }
}

impl Convolve for Convolution {
    fn frame(&self) -> Frame {
        self.gather.frame
    }

    fn images(&self) -> usize {
        self.gather.images
    }

    fn reads_beyond(&self) -> bool {
        self.geometry.is_depthwise() && !self.geometry.inputs.is_multiple_of(WIDTH)
    }

    fn result(&self) -> usize {
        self.gather.result_pixels * self.geometry.blocks() * self.group[1]
    }

    fn block(&mut self, framed: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let images = y.len() / self.result();
        assert!(images <= self.gather.images && bias.is_none_or(|b| b.len() == self.geometry.blocks() * self.group[1]));
        assert!(framed.len() >= images * self.gather.frame.image() + if self.reads_beyond() { WIDTH } else { 0 });
        tiled(Block { convolution: self, framed, bias, y, images });
    }

    /// Panel by panel. Lanes beyond a panel's channels stay zero.
    fn pack(&mut self, w: &[f32]) {
        let g = &self.geometry;
        let ([inputs, outputs], area) = (g.group(), g.kernel[0] * g.kernel[1]);
        // Distances in `w` from one channel read to the next, and from one written to the next.
        let (read, written) = match self.direction {
            Direction::Forward => (area, inputs * area),
            Direction::Adjoint => (inputs * area, area),
        };
        for panel in &self.panels {
            let terms = self.sources[panel.phase].len();
            let w = &w[panel.group * outputs * inputs * area..];
            let packed = &mut self.weights[panel.weights..];
            for channel in 0..self.group[1] {
                let mut at = channel / WIDTH * terms * WIDTH + channel % WIDTH;
                for &(tap, _) in &self.gather.phases[panel.phase].taps {
                    let w = &w[channel * written + tap..];
                    for weight in w.iter().step_by(read).take(self.group[0]) {
                        packed[at] = *weight;
                        at += WIDTH;
                    }
                }
            }
        }
    }
}

struct Block<'a> {
    convolution: &'a Convolution,
    framed: &'a [f32],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
    images: usize,
}

impl TiledWork for Block<'_> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Block { convolution, framed, bias, y, images } = self;
        let Convolution { geometry, gather, group: [read, written], sources, panels, weights, .. } = convolution;
        let channels = geometry.blocks() * *written;
        for panel in panels {
            let phase = &gather.phases[panel.phase];
            let outputs = images * phase.pixels.len() / gather.images;
            let first = panel.group * *written;
            let sweep = Sweep {
                x: framed[panel.group * *read..].as_ptr(),
                pixels: &phase.pixels[..outputs],
                targets: &phase.targets[..outputs],
                sources: &sources[panel.phase],
                weights: &weights[panel.weights..],
                bias: bias.map(|bias| &bias[first..first + *written]),
                channels: *written,
                y: &mut y[first..],
                stride: channels,
            };
            let vectors = written.div_ceil(WIDTH);
            if geometry.is_depthwise() {
                in_tiles::<V, _>(vectors, &mut Depthwise(sweep));
            } else {
                in_tiles::<V, _>(vectors, &mut Dense(sweep));
            }
        }
    }
}

/// One panel over the images of one block.
struct Sweep<'a> {
    x: *const f32,
    pixels: &'a [usize],
    targets: &'a [usize],
    sources: &'a [usize],
    weights: &'a [f32],
    /// What the sums start from, zero where there is none.
    bias: Option<&'a [f32]>,
    channels: usize,
    /// The result from the panel's first channel on, and the distance between its pixels.
    y: &'a mut [f32],
    stride: usize,
}

impl Channels for Sweep<'_> {
    const FEW_STEPS: bool = false;

    #[inline(always)]
    fn vectors<V: Vector, const OWN: bool, const ROWS: usize, const N: usize>(&mut self, first: usize) {
        let terms = self.sources.len();
        let channels = first * WIDTH..self.channels.min((first + N) * WIDTH);
        let mut start = [V::all(0.0); N];
        if let Some(bias) = self.bias {
            for (start, bias) in start.iter_mut().zip(bias[channels.clone()].chunks(WIDTH)) {
                let mut padded = [0.0; WIDTH];
                padded[..bias.len()].copy_from_slice(bias);
                *start = vector(&padded);
            }
        }
        let weights = self.weights[first * terms * WIDTH..][..N * terms * WIDTH].as_ptr();
        let weights = Vectors { first: weights, apart: terms * WIDTH };
        let x = self.x.wrapping_add(if OWN { channels.start } else { 0 });
        for (pixels, targets) in self.pixels.chunks(ROWS).zip(self.targets.chunks(ROWS)) {
            // SAFETY: `Gather::check` found all offsets in the frame, after which `Convolution::block` found room for vectors
            // that reach beyond a pixel's channels; the panel has weights for all terms.
            let sums = unsafe { tile::<V, OWN, ROWS, N>(x, rows(pixels), self.sources, weights, start) };
            // Every row of the tile is in view: sums that a loop of unknown length reads would go through memory.
            for (r, sums) in sums.iter().enumerate() {
                if let Some(target) = targets.get(r) {
                    let y = &mut self.y[target * self.stride..][channels.clone()];
                    for (n, sum) in sums.iter().enumerate() {
                        let left = y.len() - n * WIDTH;
                        // SAFETY: so many channels are left.
                        unsafe { sum.store_first(y.as_mut_ptr().add(n * WIDTH), left) };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Direction;
    use crate::engine::kernels::conv::geometry::tests::{Sample, normal, samples, worst};
    use crate::engine::kernels::conv::layer::{Gradients, Layer};
    use crate::engine::kernels::conv::source::Source;
    use crate::engine::kernels::cpu::tests::on_each;

    #[test]
    fn all_cpus_that_fuse_products_give_the_same_bits() {
        for (i, Sample { g, output }) in samples().iter().enumerate() {
            let [x, dy] = [g.size, *output].map(|size| g.batch * size[0] * size[1]);
            let (x, dy) = (normal(x * g.inputs, i), normal(dy * g.outputs, i + 1));
            let w = normal(g.outputs * (g.inputs / g.groups) * g.kernel[0] * g.kernel[1], i + 2);
            let mut seen: Option<[Vec<f32>; 3]> = None;
            on_each(|cpu| {
                if cpu == "baseline" {
                    return;
                }
                let mut made = [vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]];
                let [y, dx, dw] = &mut made;
                Layer::new(g, *output, Direction::Forward).run(&Source::Plain(&x), &w, None, y, |_| {});
                let mut gradients = Gradients::new(g, *output, true);
                gradients.run(&Source::Plain(&x), &Source::Plain(&dy), &w, dw, dx, |_, _| {});
                assert_eq!(seen.get_or_insert_with(|| made.clone()), &made, "{cpu}: {g:?}");
            });
        }
    }

    #[test]
    fn both_directions_equal_plain_loops_in_float64() {
        on_each(|cpu| samples().iter().enumerate().for_each(|(i, sample)| check(sample, i, cpu)));
    }

    fn check(sample: &Sample, seed: usize, cpu: &str) {
        let Sample { g, output } = sample;
        let (x, w, bias) = (normal(sample.x_len(), seed), normal(sample.w_len(), seed + 1), normal(g.outputs, seed + 2));
        let mut y = vec![f32::NAN; sample.y_len()];
        Layer::new(g, *output, Direction::Forward).run(&Source::Plain(&x), &w, Some(&bias), &mut y, |_| {});
        let (mut wanted, dy) = (vec![0.0; y.len()], normal(y.len(), seed + 3));
        let (mut wanted_dx, mut dx) = (vec![0.0; x.len()], vec![f32::NAN; x.len()]);
        wanted.iter_mut().enumerate().for_each(|(at, y)| *y = f64::from(bias[at % g.outputs]));
        sample.each_product(|x_at, w_at, y_at| {
            wanted[y_at] += f64::from(x[x_at]) * f64::from(w[w_at]);
            wanted_dx[x_at] += f64::from(dy[y_at]) * f64::from(w[w_at]);
        });
        Layer::new(g, *output, Direction::Adjoint).run(&Source::Plain(&dy), &w, None, &mut dx, |_| {});
        assert!(worst(&y, &wanted) < 1e-5, "{cpu}, {sample:?}: output off by {}", worst(&y, &wanted));
        assert!(worst(&dx, &wanted_dx) < 1e-5, "{cpu}, {sample:?}: gradient off by {}", worst(&dx, &wanted_dx));
    }
}
