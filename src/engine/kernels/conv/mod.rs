//! Convolution and its gradients on images `[N, H, W, C]`, without im2col: tiles of the result stay in registers while
//! operands are read where they lie, or, for kernels of 3×3, in fewer products ([`winograd`]). Weights are
//! `[O, C/groups, kh, kw]`, as in the graph.

mod convolution;
pub(super) mod fused;
mod geometry;
mod layer;
mod source;
mod weights;
mod winograd;

use self::convolution::Direction;
use self::geometry::Geometry;
use self::layer::{Gradients, Layer};
use self::source::Source;
use super::{Arity, Body, Entry, Shapes, attribute};
use ort::operator::KernelContext;

/// The attributes of a node: all of a convolution but its channels and extents.
#[derive(Debug, Clone, Copy)]
struct Attributes {
    stride: [usize; 2],
    pads: [usize; 4],
    dilation: [usize; 2],
    groups: usize,
}

/// An attribute of so many natural numbers.
pub(super) fn naturals<const K: usize>(context: &KernelContext<'_>, name: &str) -> Result<[usize; K], String> {
    let values: Vec<i64> = attribute(context, name)?;
    let values: Option<Vec<usize>> = values.iter().map(|&v| usize::try_from(v).ok()).collect();
    values.and_then(|v| v.try_into().ok()).ok_or_else(|| format!("attribute {name} does not hold {K} numbers from 0 on"))
}

impl Attributes {
    fn of(context: &KernelContext<'_>) -> Result<Attributes, String> {
        let groups: i64 = attribute(context, "group")?;
        let attributes = Attributes {
            stride: naturals(context, "strides")?,
            pads: naturals(context, "pads")?,
            dilation: naturals(context, "dilations")?,
            groups: usize::try_from(groups).unwrap_or(0),
        };
        if attributes.groups == 0 || attributes.stride.contains(&0) || attributes.dilation.contains(&0) {
            return Err(format!("{attributes:?}: groups, strides and dilations of at least 1 wanted"));
        }
        Ok(attributes)
    }

    /// The convolution of images with weights of these extents, and the size of its output.
    fn geometry(&self, x: &[usize], w: &[usize]) -> Result<(Geometry, [usize; 2]), String> {
        let Attributes { stride, pads, dilation, groups } = *self;
        let (&[batch, height, width, inputs], &[outputs, depth, kh, kw]) = (x, w) else {
            return Err(format!("images {x:?} and weights {w:?} of four axes wanted"));
        };
        let size = [height, width];
        let g = Geometry { batch, size, inputs, outputs, kernel: [kh, kw], stride, pads, dilation, groups };
        let fits = depth * groups == inputs && outputs % groups == 0 && !x.contains(&0) && !w.contains(&0);
        match g.output_size() {
            Some(output) if fits => Ok((g, output)),
            _ => Err(format!("weights {w:?} do not fit images {x:?} with {self:?}")),
        }
    }
}

/// Makes a plan for a convolution with an output of this size.
type Make<T> = Box<dyn Fn(&Geometry, [usize; 2]) -> T + Send>;

/// A convolution or gradients of one, planned for a geometry and with the memory that it needs. Made at the first call:
/// the extents are those of the graph's types and stay.
struct Planned<T> {
    plan: Option<(Geometry, T)>,
    make: Make<T>,
}

impl<T> Planned<T> {
    fn new(make: impl Fn(&Geometry, [usize; 2]) -> T + Send + 'static) -> Self {
        Planned { plan: None, make: Box::new(make) }
    }

    fn of(&mut self, geometry: Geometry, output: [usize; 2]) -> &mut T {
        if self.plan.as_ref().is_none_or(|(known, _)| *known != geometry) {
            self.plan = None;
        }
        &mut self.plan.get_or_insert_with(|| (geometry.clone(), (self.make)(&geometry, output))).1
    }
}

/// Convolution with or without bias.
pub(super) static FORWARD: Entry = Entry {
    name: "Conv",
    inputs: Arity::AtLeast(2),
    outputs: Arity::Exactly(1),
    shapes: Shapes::WithAttributes(|context| {
        let attributes = Attributes::of(context)?;
        Ok(Box::new(move |inputs| {
            let [x, w, bias @ ..] = inputs else { return Err("2 or 3 inputs wanted".into()) };
            let (g, output) = attributes.geometry(x, w)?;
            if bias.len() > 1 || bias.iter().any(|b| b.as_slice() != [g.outputs]) {
                return Err(format!("a bias of {} elements wanted, not {bias:?}", g.outputs));
            }
            Ok(vec![vec![g.batch, output[0], output[1], g.outputs]])
        }))
    }),
    create: |context| {
        let attributes = Attributes::of(context)?;
        let mut planned = Planned::new(|g, output| Layer::new(g, output, Direction::Forward));
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, w, bias @ ..], [y]) = (inputs, outputs)
                && let Ok((geometry, output)) = attributes.geometry(x.extents, w.extents)
            {
                let bias = bias.first().map(|b| b.data);
                planned.of(geometry, output).run(&Source::Plain(x.data), w.data, bias, y, |_| {});
            }
            Ok(())
        })))
    },
};

/// Extents of the images whose size an attribute gives, from the output's gradient and the weights.
fn images_of(attributes: Attributes, size: [usize; 2], dy: &[usize], w: &[usize]) -> Result<Vec<usize>, String> {
    let (&[batch, height, width, outputs], &[_, depth, ..]) = (dy, w) else {
        return Err(format!("a gradient {dy:?} and weights {w:?} of four axes wanted"));
    };
    let x = vec![batch, size[0], size[1], depth * attributes.groups];
    let (g, output) = attributes.geometry(&x, w)?;
    if output != [height, width] || g.outputs != outputs {
        return Err(format!("{dy:?} is no output of weights {w:?} on {size:?}"));
    }
    Ok(x)
}

/// Its gradient with respect to the input.
pub(super) static INPUT_GRADIENT: Entry = Entry {
    name: "ConvInputGrad",
    inputs: Arity::Exactly(2),
    outputs: Arity::Exactly(1),
    shapes: Shapes::WithAttributes(|context| {
        let (attributes, size) = (Attributes::of(context)?, naturals(context, "size")?);
        Ok(Box::new(move |inputs| match inputs {
            [dy, w] => Ok(vec![images_of(attributes, size, dy, w)?]),
            _ => Err("2 inputs wanted".into()),
        }))
    }),
    create: |context| {
        let (attributes, size) = (Attributes::of(context)?, naturals(context, "size")?);
        let mut planned = Planned::new(|g, output| Layer::new(g, output, Direction::Adjoint));
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([dy, w], [dx]) = (inputs, outputs)
                && let Ok(x) = images_of(attributes, size, dy.extents, w.extents)
                && let Ok((geometry, output)) = attributes.geometry(&x, w.extents)
            {
                planned.of(geometry, output).run(&Source::Plain(dy.data), w.data, None, dx, |_| {});
            }
            Ok(())
        })))
    },
};

/// Extents of the weights whose kernel an attribute gives, from input and output's gradient.
fn weights_of(attributes: Attributes, kernel: [usize; 2], x: &[usize], dy: &[usize]) -> Result<Vec<usize>, String> {
    let (&[batch, .., inputs], &[other, height, width, outputs]) = (x, dy) else {
        return Err(format!("images {x:?} and a gradient {dy:?} of four axes wanted"));
    };
    let w = vec![outputs, inputs / attributes.groups, kernel[0], kernel[1]];
    let (_, output) = attributes.geometry(x, &w)?;
    if output != [height, width] || batch != other {
        return Err(format!("{dy:?} is no output of weights {w:?} on {x:?}"));
    }
    Ok(w)
}

/// Its gradient with respect to the weights.
pub(super) static WEIGHT_GRADIENT: Entry = Entry {
    name: "ConvWeightGrad",
    inputs: Arity::Exactly(2),
    outputs: Arity::Exactly(1),
    shapes: Shapes::WithAttributes(|context| {
        let (attributes, kernel) = (Attributes::of(context)?, naturals(context, "kernel_shape")?);
        Ok(Box::new(move |inputs| match inputs {
            [x, dy] => Ok(vec![weights_of(attributes, kernel, x, dy)?]),
            _ => Err("2 inputs wanted".into()),
        }))
    }),
    create: |context| {
        let (attributes, kernel) = (Attributes::of(context)?, naturals(context, "kernel_shape")?);
        let mut planned = Planned::new(|g, output| Gradients::new(g, output, false));
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, dy], [dw]) = (inputs, outputs)
                && let Ok(w) = weights_of(attributes, kernel, x.extents, dy.extents)
                && let Ok((geometry, output)) = attributes.geometry(x.extents, &w)
            {
                let (x, dy) = (Source::Plain(x.data), Source::Plain(dy.data));
                planned.of(geometry, output).run(&x, &dy, &[], dw, &mut [], |_, _| {});
            }
            Ok(())
        })))
    },
};
