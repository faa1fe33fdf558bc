//! Building an ancestor layer by layer; every extent is known, and checked, the moment a layer is added.

use super::{
    AncestorNet, Misfit, PUBLISHED,
    layer::{BatchNorm, Conv, Extent, Function, Layer, LayerKind, Pool},
    rounded_channels,
};
use crate::genome::shape::Size;

/// The output of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tensor {
    layer: usize,
    /// Its extent.
    pub(super) extent: Extent,
}

impl Tensor {
    /// Channels of a map, elements of a vector.
    pub(super) fn channels(self) -> usize {
        self.extent.channels
    }
}

/// Collects the layers of an ancestor.
pub(super) struct Builder<'a> {
    net: &'a AncestorNet,
    input: Size,
    path: Vec<String>,
    layers: Vec<Layer>,
}

impl<'a> Builder<'a> {
    /// A builder with the image, resized where the net's resolution says so.
    pub(super) fn new(net: &'a AncestorNet, input: Extent) -> (Self, Tensor) {
        let layer = Layer::new("input".into(), LayerKind::Input, vec![], input, input);
        let mut builder = Builder { net, input: input.size, path: vec![], layers: vec![layer] };
        let image = Tensor { layer: 0, extent: input };
        if net.resolution == PUBLISHED {
            return (builder, image);
        }
        let scaled = |side: usize| (side.saturating_mul(net.resolution) + PUBLISHED / 2) / PUBLISHED;
        let Size { height, width } = input.size;
        let size = Size { height: scaled(height).max(1), width: scaled(width).max(1) };
        let resized = builder.layer("resize", LayerKind::Resize, &[image], Extent { size, ..input });
        (builder, resized)
    }

    /// The layers.
    pub(super) fn finish(self) -> Vec<Layer> {
        self.layers
    }

    /// The published number of channels at the net's width.
    pub(super) fn channels(&self, published: usize) -> usize {
        rounded_channels(published, self.net.width)
    }

    /// Blocks of a stage at the net's depth.
    pub(super) fn repeats(&self, stage: usize) -> usize {
        self.net.repeats()[stage]
    }

    /// Builds a part whose layers are named below `name`.
    pub(super) fn within<T>(&mut self, name: impl Into<String>, build: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.into());
        let result = build(self);
        self.path.pop();
        result
    }

    fn name(&self, name: &str) -> String {
        self.path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
    }

    fn layer(&mut self, name: &str, kind: LayerKind, inputs: &[Tensor], output: Extent) -> Tensor {
        let layer = Layer::new(self.name(name), kind, inputs.iter().map(|t| t.layer).collect(), inputs[0].extent, output);
        self.layers.push(layer);
        Tensor { layer: self.layers.len() - 1, extent: output }
    }

    /// Resolution after windows of `kernel` at a stride. A strided layer wants two positions on each axis: what is 1×1
    /// cannot be halved, whatever is padded to it.
    fn windows(&self, name: &str, x: Tensor, kernel: [usize; 2], stride: usize, pads: [usize; 2]) -> Result<Size, Misfit> {
        let size = x.extent.size;
        let along = |extent: usize, axis: usize| {
            let least = if stride > 1 { 2 } else { 1 };
            let room = (extent + 2 * pads[axis]).checked_sub(kernel[axis]).filter(|_| extent >= least)?;
            Some(room / stride + 1)
        };
        match (along(size.height, 0), along(size.width, 1)) {
            (Some(height), Some(width)) => Ok(Size { height, width }),
            _ => Err(Misfit::new(*self.net, self.input, self.name(name), size)),
        }
    }

    pub(super) fn conv(&mut self, name: &str, x: Tensor, conv: Conv) -> Result<Tensor, Misfit> {
        let size = self.windows(name, x, conv.kernel, conv.stride, conv.pads)?;
        Ok(self.layer(name, LayerKind::Conv(conv), &[x], Extent { channels: conv.outputs, size }))
    }

    pub(super) fn batch_norm(&mut self, name: &str, x: Tensor, norm: BatchNorm) -> Tensor {
        self.layer(name, LayerKind::BatchNorm(norm), &[x], x.extent)
    }

    /// A convolution `name.conv` with a normalisation `name.norm`.
    pub(super) fn conv_norm(&mut self, name: &str, x: Tensor, conv: Conv, norm: BatchNorm) -> Result<Tensor, Misfit> {
        self.within(name, |b| {
            let y = b.conv("conv", x, conv)?;
            Ok(b.batch_norm("norm", y, norm))
        })
    }

    pub(super) fn activation(&mut self, name: &str, x: Tensor, function: Function) -> Tensor {
        self.layer(name, LayerKind::Activation(function), &[x], x.extent)
    }

    pub(super) fn max_pool(&mut self, name: &str, x: Tensor, pool: Pool) -> Result<Tensor, Misfit> {
        let size = self.windows(name, x, [pool.kernel; 2], pool.stride, [pool.pad; 2])?;
        Ok(self.layer(name, LayerKind::MaxPool(pool), &[x], Extent { size, ..x.extent }))
    }

    pub(super) fn average_pool(&mut self, name: &str, x: Tensor, pool: Pool) -> Result<Tensor, Misfit> {
        let size = self.windows(name, x, [pool.kernel; 2], pool.stride, [pool.pad; 2])?;
        Ok(self.layer(name, LayerKind::AveragePool(pool), &[x], Extent { size, ..x.extent }))
    }

    pub(super) fn global_average_pool(&mut self, name: &str, x: Tensor) -> Tensor {
        let output = Extent { size: Size { height: 1, width: 1 }, ..x.extent };
        self.layer(name, LayerKind::GlobalAveragePool, &[x], output)
    }

    pub(super) fn flatten(&mut self, name: &str, x: Tensor) -> Tensor {
        let output = Extent { channels: x.extent.elements(), size: Size { height: 1, width: 1 } };
        self.layer(name, LayerKind::Flatten, &[x], output)
    }

    pub(super) fn normalization(&mut self, name: &str, x: Tensor) -> Tensor {
        self.layer(name, LayerKind::Normalization, &[x], x.extent)
    }

    pub(super) fn dense(&mut self, name: &str, x: Tensor, outputs: usize) -> Tensor {
        self.layer(name, LayerKind::Dense, &[x], Extent { channels: outputs, ..x.extent })
    }

    pub(super) fn dropout(&mut self, name: &str, x: Tensor) -> Tensor {
        self.layer(name, LayerKind::Dropout, &[x], x.extent)
    }

    /// The sum of two of the same extent.
    pub(super) fn add(&mut self, name: &str, a: Tensor, b: Tensor) -> Tensor {
        self.layer(name, LayerKind::Add, &[a, b], a.extent)
    }

    /// Maps of one resolution side by side.
    pub(super) fn concat(&mut self, name: &str, parts: &[Tensor]) -> Tensor {
        let channels = parts.iter().map(|part| part.channels()).sum();
        self.layer(name, LayerKind::Concat, parts, Extent { channels, ..parts[0].extent })
    }

    /// Squeeze and excitation (Hu et al., 2018): each channel times a gate between 0 and 1, which two dense layers make of
    /// the means of all channels. `reduced`: outputs of the first.
    pub(super) fn squeeze_excite(&mut self, name: &str, x: Tensor, reduced: usize) -> Tensor {
        self.within(name, |b| {
            let y = b.global_average_pool("squeeze", x);
            let y = b.dense("reduce", y, reduced);
            let y = b.activation("swish", y, Function::Swish);
            let y = b.dense("expand", y, x.channels());
            let gate = b.activation("gate", y, Function::Sigmoid);
            b.layer("excite", LayerKind::Multiply, &[x, gate], x.extent)
        })
    }
}
