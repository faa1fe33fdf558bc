//! Convolution with whole or grouped channels, and the gradient of its input, which is a convolution of the output's
//! gradient with the mirrored kernel.

use super::geometry::{Gather, Geometry};
use super::tile::gathered;
use crate::engine::kernels::vector::{Lanes, TiledWork, WIDTH, tiled};

/// One vector of channels of a group, computed from one phase's terms.
#[derive(Debug, Clone, Copy)]
struct Panel {
    group: usize,
    phase: usize,
    /// First channel within the group.
    first: usize,
    /// Channels, without those that fill the vector.
    channels: usize,
    /// Where the weights stand: a vector for each term.
    weights: usize,
}

/// Panels for `channels` of each group, and how many floats their weights are.
fn panels(groups: usize, channels: usize, sources: &[Vec<usize>]) -> (Vec<Panel>, usize) {
    let (mut panels, mut weights) = (vec![], 0);
    for group in 0..groups {
        for (phase, sources) in sources.iter().enumerate() {
            for first in (0..channels).step_by(WIDTH) {
                panels.push(Panel { group, phase, first, channels: (channels - first).min(WIDTH), weights });
                weights += sources.len() * WIDTH;
            }
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

/// A convolution of one geometry, with the memory that it needs.
#[derive(Debug)]
pub(super) struct Dense {
    geometry: Geometry,
    direction: Direction,
    gather: Gather,
    /// Channels of each group that are read, and that are written.
    group: [usize; 2],
    /// For each phase the offset of each term from the pixel, in the first group.
    sources: Vec<Vec<usize>>,
    /// Cover all groups, phases and channels.
    panels: Vec<Panel>,
    /// Weights, panel after panel.
    weights: Vec<f32>,
}

impl Dense {
    /// A convolution; its extents have been checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2], direction: Direction) -> Dense {
        let (inputs, outputs) = (g.inputs / g.groups, g.outputs / g.groups);
        let (gather, group) = match direction {
            Direction::Forward => (Gather::forward(g, output, g.inputs), [inputs, outputs]),
            Direction::Adjoint => (Gather::adjoint(g, output, g.outputs), [outputs, inputs]),
        };
        let sources = gather.phases.iter().map(|phase| {
            let taps = phase.taps.iter();
            taps.flat_map(|&(_, at)| at..at + group[0]).collect()
        });
        let sources: Vec<Vec<usize>> = sources.collect();
        let (panels, weights) = panels(g.groups, group[1], &sources);
        Dense { geometry: g.clone(), direction, gather, group, sources, panels, weights: vec![0.0; weights] }
    }

    /// Convolves `x [N, H, W, C]` with `w [O, C/groups, kh, kw]` to `y [N, oh, ow, O]`, and adds `bias [O]`; in the other
    /// direction x and y stand for the gradients of output and input.
    pub(super) fn run(&mut self, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        tiled(Run { dense: self, x, w, bias, y });
    }

    /// Lays out the weights panel by panel. Lanes beyond a panel's channels stay zero.
    fn pack(&mut self, w: &[f32]) {
        let g = &self.geometry;
        let (inputs, outputs, area) = (g.inputs / g.groups, g.outputs / g.groups, g.kernel[0] * g.kernel[1]);
        // Distances in `w` from one channel read to the next, and from one written to the next.
        let (read, written) = match self.direction {
            Direction::Forward => (area, inputs * area),
            Direction::Adjoint => (inputs * area, area),
        };
        for panel in &self.panels {
            let w = &w[panel.group * outputs * inputs * area + panel.first * written..];
            let packed = &mut self.weights[panel.weights..];
            for lane in 0..panel.channels {
                let mut at = lane;
                for &(tap, _) in &self.gather.phases[panel.phase].taps {
                    let w = &w[lane * written + tap..];
                    for weight in w.iter().step_by(read).take(self.group[0]) {
                        packed[at] = *weight;
                        at += WIDTH;
                    }
                }
            }
        }
    }
}

struct Run<'a> {
    dense: &'a mut Dense,
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
}

impl TiledWork for Run<'_> {
    #[inline(always)]
    fn run<const FUSED: bool, const P: usize>(self) {
        let Run { dense, x, w, bias, y } = self;
        dense.pack(w);
        let Dense { geometry, gather, group: [read, written], sources, panels, weights, .. } = dense;
        let (x_image, channels) = (x.len() / geometry.batch, geometry.groups * *written);
        let images = gather.frame.images;
        let y_block = images * gather.result_pixels * channels;
        for (x, y) in x.chunks(images * x_image).zip(y.chunks_mut(y_block)) {
            let framed = gather.frame.frame(x).as_ptr();
            for panel in &*panels {
                let phase = &gather.phases[panel.phase];
                let outputs = x.len() / x_image * phase.pixels.len() / images;
                let first = panel.group * *written + panel.first;
                let mut start = Lanes::all(0.0);
                if let Some(bias) = bias {
                    start.0[..panel.channels].copy_from_slice(&bias[first..first + panel.channels]);
                }
                let sweep = Sweep {
                    // SAFETY: a group's first channel lies within the first pixel of the frame.
                    x: unsafe { framed.add(panel.group * *read) },
                    pixels: &phase.pixels[..outputs],
                    targets: &phase.targets[..outputs],
                    sources: &sources[panel.phase],
                    weights: &weights[panel.weights..],
                    start,
                    valid: panel.channels,
                    y: &mut y[first..],
                    stride: channels,
                };
                sweep.run::<FUSED, P>();
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
    /// What the sums start from.
    start: Lanes,
    /// Channels that are written.
    valid: usize,
    /// The result from the panel's first channel on, and the distance between its pixels.
    y: &'a mut [f32],
    stride: usize,
}

impl Sweep<'_> {
    #[inline(always)]
    fn run<const FUSED: bool, const P: usize>(self) {
        let mut tile = [0; P];
        for (pixels, targets) in self.pixels.chunks(P).zip(self.targets.chunks(P)) {
            // The last tile repeats its last pixel.
            for (p, tile) in tile.iter_mut().enumerate() {
                *tile = pixels[p.min(pixels.len() - 1)];
            }
            // SAFETY: `Gather::check` found all offsets in the frame; the weights of the panel are all there.
            let sums = unsafe { gathered::<FUSED, P>(self.x, &tile, self.sources, self.weights.as_ptr(), self.start) };
            for (sums, target) in sums.iter().zip(targets) {
                let y = &mut self.y[target * self.stride..];
                if self.valid == WIDTH {
                    y[..WIDTH].copy_from_slice(&sums.0);
                } else {
                    y[..self.valid].copy_from_slice(&sums.0[..self.valid]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dense, Direction};
    use crate::engine::kernels::conv::geometry::tests::{Sample, normal, samples, worst};

    #[test]
    fn both_directions_equal_plain_loops_in_float64() {
        for (i, sample) in samples().into_iter().enumerate() {
            let Sample { g, output } = &sample;
            let (x, w, bias) = (normal(sample.x_len(), i), normal(sample.w_len(), i + 1), normal(g.outputs, i + 2));
            let mut y = vec![f32::NAN; sample.y_len()];
            Dense::new(g, *output, Direction::Forward).run(&x, &w, Some(&bias), &mut y);
            let (mut wanted, dy) = (vec![0.0; y.len()], normal(y.len(), i + 3));
            let (mut wanted_dx, mut dx) = (vec![0.0; x.len()], vec![f32::NAN; x.len()]);
            wanted.iter_mut().enumerate().for_each(|(at, y)| *y = f64::from(bias[at % g.outputs]));
            sample.each_product(|x_at, w_at, y_at| {
                wanted[y_at] += f64::from(x[x_at]) * f64::from(w[w_at]);
                wanted_dx[x_at] += f64::from(dy[y_at]) * f64::from(w[w_at]);
            });
            Dense::new(g, *output, Direction::Adjoint).run(&dy, &w, None, &mut dx);
            assert!(worst(&y, &wanted) < 1e-5, "{sample:?}: output off by {}", worst(&y, &wanted));
            assert!(worst(&dx, &wanted_dx) < 1e-5, "{sample:?}: gradient off by {}", worst(&dx, &wanted_dx));
        }
    }
}
