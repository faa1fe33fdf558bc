//! Convolutions of a net.

use super::{Axes, Flow, Init, NetBuilder, Segment, total};
use crate::graph::GraphError;
use crate::graph::ops::conv::Conv;

/// Genes of one convolution.
#[derive(Debug, Clone, Copy)]
pub struct ConvGenes {
    /// Kernel extent, odd.
    pub kernel: usize,
    /// Stride on both axes.
    pub stride: usize,
    /// Dilation on both axes.
    pub dilation: usize,
    /// Groups.
    pub groups: usize,
    /// Whether it has a bias.
    pub bias: bool,
    /// Whether its weights start at zero, as the last ones of a residual branch without normalisation do.
    pub zero: bool,
}

/// A convolution with what it is made of.
#[derive(Debug, Clone, Copy)]
pub struct Convolution {
    /// Stride, pads, dilation and groups.
    pub op: Conv,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Whether it has a bias.
    pub bias: bool,
    /// Whether its weights start at zero.
    pub zero: bool,
}

impl NetBuilder<'_> {
    /// A convolution with "same" padding. Its outputs are `channels`.
    pub fn conv(&mut self, name: &str, x: &Flow, channels: Vec<Segment>, c: ConvGenes) -> Result<Flow, GraphError> {
        let reach = c.dilation * (c.kernel - 1) / 2;
        let op = Conv { stride: [c.stride; 2], pads: [reach; 4], dilation: [c.dilation; 2], groups: c.groups };
        let convolution = Convolution { op, kernel: [c.kernel; 2], bias: c.bias, zero: c.zero };
        self.convolution(name, x, channels, convolution)
    }

    /// Any convolution. Its outputs are `channels`.
    pub fn convolution(&mut self, name: &str, x: &Flow, channels: Vec<Segment>, c: Convolution) -> Result<Flow, GraphError> {
        let (op, [height, width]) = (c.op, c.kernel);
        let (outputs, depth, area) = (total(&channels), x.width() / op.groups, height * width);
        self.within(name, |b| {
            let drawn = Init::Weight { fan_in: depth * area, fan_out: outputs / op.groups * area };
            let init = if b.starts_at_zero(c.zero) { Init::Constant(0.0) } else { drawn };
            let output = Some((0, channels.clone()));
            let input = (op.groups == 1).then(|| (1, x.channels.clone()));
            let axes = Axes { output: output.clone(), input, kernel: vec![2, 3] };
            let w = b.param("weight", &[outputs, depth, height, width], init, true, axes)?;
            let value = if c.bias {
                let axes = Axes { output, ..Axes::default() };
                let bias = b.param("bias", &[outputs], Init::Constant(0.0), false, axes)?;
                b.graph.apply(op, &[x.value, w, bias])?
            } else {
                b.graph.apply(op, &[x.value, w])?
            };
            Ok(Flow { value, channels })
        })
    }
}
