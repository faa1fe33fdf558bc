//! Strong genomes made by hand: the first candidates of a search.

use super::{Limits, SearchSpace};
use crate::genome::{
    domain::InputDomain,
    draw::nearest,
    genes::{
        Act, Augmentation, CategoricalEncoding, ConvBlock, ConvMotif, Downsample, Genome, GlobalPool, Head, ImageNet,
        Initialisation, Loss, Net, Norm, NumericEncoding, Optimizer, Schedule, Stage, Stem, TableBlock, TableMotif,
        TableNet, Training,
    },
    shape::Size,
};

/// The plainest block for images: 3×3 convolution, norm, activation.
pub(super) const CONV: ConvBlock =
    ConvBlock { motif: ConvMotif::ConvNormAct, kernel: 3, dilation: 1, groups: 1, quarters: 4, branches: 1, skip: false };
const RESIDUAL: ConvBlock = ConvBlock { motif: ConvMotif::Residual, skip: true, ..CONV };

/// A block of this motif with every other gene as in the plainest.
pub(super) fn block(motif: ConvMotif) -> ConvBlock {
    ConvBlock { motif, ..CONV }
}

/// A linear block for tables.
pub(super) fn linear(width: usize, dropout: f32) -> TableBlock {
    TableBlock { motif: TableMotif::Linear, width, dropout }
}

/// A stage of these blocks; of one plain block where none are given.
pub(super) fn stage(down: Downsample, width: usize, blocks: &[ConvBlock]) -> Stage {
    Stage { down, width, blocks: if blocks.is_empty() { vec![CONV] } else { blocks.to_vec() } }
}

/// Images from which on a candidate sees each so rarely that augmenting them slows it down.
const MANY_IMAGES: usize = 10_000;

impl SearchSpace {
    /// A handful of strong, distinct genomes for the task, best first.
    ///
    /// Tables: plain, piecewise and periodically encoded, and residual perceptrons. Many bins and long encodings were best
    /// on five tables (`benches/RESULTS.md`). Images: nets in the manner of VGG
    /// (Simonyan and Zisserman, 2015) and ResNet (He et al., 2016), as deep as the images allow; behind the first of them
    /// the ancestors that were asked for.
    pub fn seeds(&self) -> Vec<Genome> {
        let mut drafts = match (&self.domain.input, &self.limits) {
            (InputDomain::Table { knots, .. }, Limits::Table(_)) => self.table_seeds(knots.len()),
            (&InputDomain::Image { height, width, channels }, Limits::Image(_)) => {
                self.image_seeds(Size { height, width }, channels)
            }
            _ => vec![],
        };
        // Those that were asked for are tried even in a search of few candidates; the first is a net of the space's own.
        let ancestors = self.ancestor_seeds(drafts.first().map_or_else(|| self.plain().training, |first| first.training));
        drafts.splice(drafts.len().min(1)..drafts.len().min(1), ancestors);
        let mut seeds: Vec<Genome> = Vec::with_capacity(drafts.len());
        for mut seed in drafts {
            self.repair(&mut seed);
            if !seeds.contains(&seed) {
                seeds.push(seed);
            }
        }
        seeds
    }

    /// The plainest genome of the space's kind, before repair.
    pub(super) fn plain(&self) -> Genome {
        let net = match &self.limits {
            Limits::Table(_) => Net::Table(mlp(NumericEncoding::Plain, Norm::Batch, vec![linear(64, 0.0), linear(64, 0.0)])),
            Limits::Image(_) => Net::Image(on_stem(16, 1, vec![stage(Downsample::None, 16, &[])])),
        };
        Genome { net, training: self.training(1e-3, 0.01) }
    }

    /// AdamW in one cycle, with the middle one of the space's batches.
    fn training(&self, learning_rate: f32, weight_decay: f32) -> Training {
        Training {
            optimizer: Optimizer::AdamW { beta2: 0.999 },
            learning_rate,
            schedule: Schedule::OneCycle,
            weight_decay,
            label_smoothing: 0.0,
            batch: nearest(&self.training.batches, if self.domain.rows < 5_000 { 32 } else { 128 }),
            initialisation: Initialisation::HeNormal,
            loss: if self.domain.classification { Loss::CrossEntropy } else { Loss::Mse },
            augmentation: Augmentation::default(),
            length: 1.0,
        }
    }

    fn table_seeds(&self, features: usize) -> Vec<Genome> {
        // Encodings multiply the input: short vectors where there are many features.
        let dim = match features {
            0..=10 => 32,
            11..=30 => 16,
            31..=60 => 8,
            _ => 4,
        };
        let piecewise = NumericEncoding::Piecewise { bins: 48, dim };
        let periodic = NumericEncoding::Periodic { frequencies: 16, sigma: 0.3, dim };
        let residual = |width, dropout| TableBlock { motif: TableMotif::Residual, width, dropout };
        let seed = |net, learning_rate, weight_decay| Genome {
            net: Net::Table(net),
            training: self.training(learning_rate, weight_decay),
        };
        vec![
            seed(mlp(piecewise, Norm::None, vec![linear(256, 0.1), linear(256, 0.1)]), 2e-3, 0.01),
            seed(mlp(NumericEncoding::Plain, Norm::Batch, vec![linear(256, 0.1); 3]), 3e-3, 0.01),
            seed(mlp(periodic, Norm::None, vec![linear(256, 0.1), linear(256, 0.1)]), 2e-3, 0.01),
            seed(
                mlp(NumericEncoding::Plain, Norm::Batch, vec![linear(192, 0.0), residual(384, 0.15), residual(384, 0.15)]),
                2e-3,
                0.01,
            ),
            seed(mlp(piecewise, Norm::Batch, vec![linear(192, 0.1), residual(256, 0.15)]), 2e-3, 0.01),
            // Annealed within a few passes: the others may be too long for a table that is soon learnt by heart.
            Genome {
                training: Training { length: 0.25, ..self.training(2e-3, 0.01) },
                net: Net::Table(TableNet {
                    categorical: CategoricalEncoding::Embedding { dim: 8 },
                    ..mlp(piecewise, Norm::None, vec![linear(256, 0.1)])
                }),
            },
        ]
    }

    /// Steps are many, and augmentation is little where there are many images, for what a candidate is given then is a pass
    /// or two; the mutations add more. On half a pass over Fashion-MNIST, batches of 32 in place of 128 took the second of
    /// these from 0.830 to 0.876, the
    /// maximum over the image in place of the mean from 0.778 to 0.830, and shifts by 2 pixels back from 0.876 to 0.844.
    /// Few images are seen often: on fifty passes over 1,200 images of 64 pixels, shifts by 4 took the first of these from
    /// 0.725 to 0.748, and dropout and a larger weight decay the second from 0.730 to 0.748 on the mean of four splits.
    fn image_seeds(&self, size: Size, channels: usize) -> Vec<Genome> {
        // Mirroring is safe for most colour photographs, and wrong for digits and letters.
        let flip = channels > 1;
        let shift = if size.side() >= 16 { (size.side() / 16).max(2) } else { 0 };
        let few = self.domain.rows < MANY_IMAGES;
        let (little, much) = if few {
            (Augmentation { flip, shift, cutout: 0 }, Augmentation { flip, shift, cutout: size.side() / 4 })
        } else {
            (Augmentation { flip, shift: 0, cutout: 0 }, Augmentation { flip, shift, cutout: 0 })
        };
        let (dropout, decay) = if few { (0.3, 0.1) } else { (0.0, 0.02) };
        let adam = Training { augmentation: little, batch: 32, ..self.training(4e-3, decay) };
        let sgd = Training { optimizer: Optimizer::Sgd { momentum: 0.9 }, learning_rate: 0.05, weight_decay: 5e-4, ..adam };
        let seed = |net: ImageNet, training| {
            let head = Head { dropout, ..net.head };
            Genome { net: Net::Image(ImageNet { head, ..net }), training }
        };
        let net = |width, down, blocks: &[ConvBlock]| convolutional(size, width, down, blocks);
        let vgg = net(32, Downsample::MaxPool, &[CONV]);
        vec![
            seed(vgg.clone(), adam),
            seed(net(16, Downsample::MaxPool, &[CONV]), Training { learning_rate: 6e-3, ..adam }),
            seed(net(16, Downsample::MaxPool, &[CONV, CONV]), adam),
            seed(net(16, Downsample::MaxPool, &[CONV]), sgd),
            seed(net(16, Downsample::Stride, &[RESIDUAL]), Training { learning_rate: 0.03, ..sgd }),
            seed(vgg, Training { label_smoothing: 0.05, augmentation: much, ..adam }),
        ]
    }
}

fn mlp(numeric: NumericEncoding, norm: Norm, blocks: Vec<TableBlock>) -> TableNet {
    TableNet { numeric, categorical: CategoricalEncoding::OneHot, norm, activation: Act::Relu, blocks }
}

fn on_stem(width: usize, stride: usize, stages: Vec<Stage>) -> ImageNet {
    ImageNet {
        stem: Stem { width, kernel: 3, stride },
        stages,
        norm: Norm::Batch,
        activation: Act::Relu,
        head: Head { pool: GlobalPool::Average, hidden: 0, dropout: 0.0 },
    }
}

/// A stem and stages of these blocks that double the channels as they halve the resolution, until the side is 8 or less,
/// but at least once. Small images have a stage at full resolution before that; so have residual nets, whose first block
/// keeps its input's shape. Large images are halved by the stem, and the largest by the first stage too.
fn convolutional(size: Size, width: usize, down: Downsample, blocks: &[ConvBlock]) -> ImageNet {
    let stride = if size.side() >= 48 { 2 } else { 1 };
    let (mut side, mut channels) = (size.side() / stride, width);
    let mut stages = Vec::new();
    if side >= 48 {
        stages.push(stage(down, width, blocks));
        side /= 2;
    } else if side < 16 || blocks.iter().any(|block| block.skip) {
        stages.push(stage(Downsample::None, width, blocks));
    }
    loop {
        channels = (channels * 2).min(256);
        stages.push(stage(down, channels, blocks));
        side /= 2;
        if side <= 8 {
            break;
        }
    }
    let net = on_stem(width, stride, stages);
    ImageNet { head: Head { pool: GlobalPool::Max, ..net.head }, ..net }
}
