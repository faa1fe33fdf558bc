//! A genome as coordinates, for models that learn how good genomes are.

use super::ancestor::{Ancestor, AncestorNet, PUBLISHED};
use super::count::{macs, parameters};
use super::domain::Domain;
use super::genes::{
    CategoricalEncoding, ConvMotif, Genome, ImageNet, Net, NumericEncoding, Optimizer, TableBlock, TableMotif, TableNet,
    Training,
};

/// One coordinate of a genome's description.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Feature {
    /// A number on a scale where a difference of 1 is large.
    Number(f64),
    /// One of several values without an order.
    Category(u32),
    /// What this genome does not have.
    Absent,
}

impl Feature {
    /// How much two values of one coordinate differ, from 0 to 1.
    #[must_use]
    pub fn difference(self, other: Feature) -> f64 {
        match (self, other) {
            (Feature::Number(a), Feature::Number(b)) => (a - b).abs().min(1.0),
            (a, b) => f64::from(u8::from(a != b)),
        }
    }
}

/// Stages that are described one by one; those after them are not.
const STAGES: usize = 4;

/// Blocks of a net for tables that are described one by one: the first, the second and the last. Means alone would not tell
/// nets apart in which the same blocks come in another order.
const PLACES: usize = 3;

/// Names of genes, each with how many coordinates in a row describe it.
type Names = &'static [(&'static str, usize)];

const TABLE: Names = &[
    ("numeric encoding", 4),
    ("categorical encoding", 1),
    ("normalisation", 1),
    ("activation", 1),
    ("depth", 1),
    ("width", 1 + PLACES),
    ("block type", 3 + PLACES),
    ("dropout", 1),
];
const STEM: Names = &[("stem", 3), ("depth", 2)];
const STAGE: Names = &[("width", 1), ("downsampling", 1), ("block type", 1)];
const BLOCKS: Names = &[
    ("block type", 7),
    ("kernel size", 1),
    ("dilation", 1),
    ("groups", 1),
    ("skip connections", 1),
    ("normalisation", 1),
    ("activation", 1),
    ("global pooling", 1),
    ("hidden layer of the head", 1),
    ("dropout", 1),
];
const ANCESTOR: Names = &[("published architecture", 1), ("width", 1), ("depth", 1), ("resolution", 1), ("dropout", 1)];
const TRAINING: Names = &[
    ("optimizer", 2),
    ("learning rate", 1),
    ("learning rate schedule", 1),
    ("weight decay", 1),
    ("label smoothing", 1),
    ("batch size", 1),
    ("initialisation", 1),
    ("loss", 1),
    ("training length", 1),
];
const AUGMENTATION: Names = &[("augmentation", 3)];

/// Coordinates that so many names stand for.
const fn count(names: Names) -> usize {
    let (mut sum, mut at) = (0, 0);
    while at < names.len() {
        sum += names[at].1;
        at += 1;
    }
    sum
}

/// Coordinates of a net for images.
const IMAGE: usize = count(STEM) + STAGES * count(STAGE) + count(BLOCKS);

/// Describes a genome by as many coordinates for every genome of a domain: size and cost of the net, the shares of the
/// motifs, encodings, widths along the net, and how it is trained.
pub fn features(genome: &Genome, domain: &Domain) -> Vec<Feature> {
    let genome = genome.canonical();
    let cost = |cost: u64| number(log(cost as f64 + 1.0, 64.0));
    let mut all = vec![cost(parameters(&genome, domain)), cost(macs(&genome, domain))];
    coordinates(&genome, &mut all);
    all
}

/// Describes the genes of a genome, each coordinate with the name of its gene, which several may share: as [`features`],
/// but for size and cost of the net, which are no genes but follow from them. The names are the same for every genome of a
/// domain, in the same order.
pub fn genes(genome: &Genome) -> Vec<(&'static str, Feature)> {
    let mut all = Vec::new();
    coordinates(&genome.canonical(), &mut all);
    let is_image = !matches!(genome.net, Net::Table(_));
    let stages = [STAGE; STAGES];
    let parts: Vec<Names> = if is_image {
        [&[STEM][..], &stages, &[BLOCKS, ANCESTOR, TRAINING, AUGMENTATION]].concat()
    } else {
        vec![TABLE, TRAINING]
    };
    let names = parts.into_iter().flatten().flat_map(|&(name, count)| std::iter::repeat_n(name, count));
    names.zip(all).collect()
}

/// Coordinates of a canonical genome.
fn coordinates(genome: &Genome, all: &mut Vec<Feature>) {
    match &genome.net {
        Net::Table(net) => table(net, all),
        Net::Image(net) => {
            image(net, all);
            all.extend([Feature::Absent; count(ANCESTOR)]);
        }
        Net::Ancestor(net) => {
            all.extend([Feature::Absent; IMAGE]);
            ancestor(net, all);
        }
    }
    training(&genome.training, !matches!(genome.net, Net::Table(_)), all);
}

fn number(value: f64) -> Feature {
    Feature::Number(value)
}

/// On a scale where a factor of `large` is 1.
fn log(value: f64, large: f64) -> f64 {
    (value + 1e-9).ln() / large.ln()
}

fn category<T: Copy>(value: T, number: impl Fn(T) -> u32) -> Feature {
    Feature::Category(number(value))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1);
    values.sum::<f64>() / count as f64
}

fn table(net: &TableNet, all: &mut Vec<Feature>) {
    let (kind, size, dim) = match net.numeric {
        NumericEncoding::Plain => (0, None, None),
        NumericEncoding::Piecewise { bins, dim } => (1, Some(bins as f64), Some(dim)),
        NumericEncoding::Periodic { frequencies, dim, .. } => (2, Some(frequencies as f64), Some(dim)),
    };
    let sized = |size: Option<f64>| size.map_or(Feature::Absent, |size| number(log(size, 8.0)));
    all.extend([Feature::Category(kind), sized(size), sized(dim.map(|dim| dim as f64))]);
    all.push(match net.numeric {
        NumericEncoding::Periodic { sigma, .. } => number(log(f64::from(sigma), 30.0)),
        _ => Feature::Absent,
    });
    all.push(match net.categorical {
        CategoricalEncoding::OneHot => Feature::Absent,
        CategoricalEncoding::Embedding { dim } => sized(Some(dim as f64)),
    });
    all.extend([category(net.norm, |v| v as u32), category(net.activation, |v| v as u32)]);
    let blocks = &net.blocks;
    let places: [Option<&TableBlock>; PLACES] = [blocks.first(), blocks.get(1), blocks.last()];
    let described = |describe: fn(&TableBlock) -> Feature| places.map(|block| block.map_or(Feature::Absent, describe));
    all.push(number(blocks.len() as f64 / 4.0));
    all.push(number(log(mean(blocks.iter().map(|block| block.width as f64)), 8.0)));
    all.extend(described(|block| number(log(block.width as f64, 8.0))));
    for motif in [TableMotif::Linear, TableMotif::Residual, TableMotif::Gated] {
        all.push(number(mean(blocks.iter().map(|block| f64::from(u8::from(block.motif == motif))))));
    }
    all.extend(described(|block| category(block.motif, |v| v as u32)));
    all.push(number(2.0 * mean(blocks.iter().map(|block| f64::from(block.dropout)))));
}

fn image(net: &ImageNet, all: &mut Vec<Feature>) {
    let blocks: Vec<_> = net.stages.iter().flat_map(|stage| &stage.blocks).collect();
    all.push(number(log(net.stem.width as f64, 8.0)));
    all.push(number(net.stem.kernel as f64 / 4.0));
    all.push(number(net.stem.stride as f64 - 1.0));
    all.push(number(net.stages.len() as f64 / 2.0));
    all.push(number(log(blocks.len() as f64, 6.0)));
    for index in 0..STAGES {
        let stage = net.stages.get(index);
        all.push(stage.map_or(Feature::Absent, |stage| number(log(stage.width as f64, 8.0))));
        all.push(stage.map_or(Feature::Absent, |stage| category(stage.down, |v| v as u32)));
        all.push(stage.map_or(Feature::Absent, |stage| category(stage.blocks[0].motif, |v| v as u32)));
    }
    use ConvMotif::{Bottleneck, ConvAct, ConvDepthwise, ConvNormAct, Dense, Inception, Residual};
    for motif in [ConvNormAct, ConvAct, ConvDepthwise, Residual, Bottleneck, Inception, Dense] {
        all.push(number(mean(blocks.iter().map(|block| f64::from(u8::from(block.motif == motif))))));
    }
    all.push(number(mean(blocks.iter().map(|block| block.kernel as f64)) / 4.0));
    all.push(number(mean(blocks.iter().map(|block| block.dilation as f64 - 1.0))));
    all.push(number(mean(blocks.iter().map(|block| log(block.groups as f64, 8.0)))));
    all.push(number(mean(blocks.iter().map(|block| f64::from(u8::from(block.skip))))));
    all.extend([category(net.norm, |v| v as u32), category(net.activation, |v| v as u32)]);
    all.push(category(net.head.pool, |v| v as u32));
    all.push(if net.head.hidden == 0 { Feature::Absent } else { number(log(net.head.hidden as f64, 8.0)) });
    all.push(number(2.0 * f64::from(net.head.dropout)));
}

fn ancestor(net: &AncestorNet, all: &mut Vec<Feature>) {
    let scale = |eighths: usize| number(log(eighths as f64 / PUBLISHED as f64, 4.0));
    let number_of = |name: Ancestor| Ancestor::all().take_while(|&other| other != name).count() as u32;
    all.push(category(net.name, number_of));
    all.extend([scale(net.width), scale(net.depth), scale(net.resolution)]);
    all.push(number(2.0 * f64::from(net.dropout)));
}

fn training(training: &Training, image: bool, all: &mut Vec<Feature>) {
    let (kind, decay) = match training.optimizer {
        Optimizer::Sgd { momentum } => (0, momentum),
        Optimizer::Adam { beta2 } => (1, beta2),
        Optimizer::AdamW { beta2 } => (2, beta2),
    };
    all.extend([Feature::Category(kind), number(log(f64::from(1.0 - decay), 100.0))]);
    all.push(number(log(f64::from(training.learning_rate), 100.0)));
    all.push(category(training.schedule, |v| v as u32));
    all.push(number(log(f64::from(training.weight_decay) + 1e-5, 1_000.0)));
    all.push(number(5.0 * f64::from(training.label_smoothing)));
    all.push(number(log(training.batch as f64, 8.0)));
    all.push(category(training.initialisation, |v| v as u32));
    all.push(category(training.loss, |v| v as u32));
    all.push(number(log(f64::from(training.length), 8.0)));
    if image {
        let augmentation = training.augmentation;
        all.push(Feature::Category(u32::from(augmentation.flip)));
        all.push(number(augmentation.shift as f64 / 8.0));
        all.push(number(augmentation.cutout as f64 / 16.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{Augmentation, InputDomain, Schedule, SearchSpace};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn every_genome_of_a_domain_has_as_many_finite_coordinates() {
        let inputs = [
            InputDomain::Table { knots: vec![32, 2, 7], slots: vec![4] },
            InputDomain::Image { height: 96, width: 96, channels: 3 },
        ];
        for input in inputs {
            let domain = Domain { input, outputs: 3, classification: true, rows: 5_000 };
            let space = SearchSpace::preset(&domain);
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let mut genomes: Vec<Genome> = (0..200).map(|_| space.birth(&mut rng)).collect();
            genomes.extend(space.seeds());
            if matches!(domain.input, InputDomain::Image { .. }) {
                let names: Vec<Ancestor> = Ancestor::all().collect();
                genomes.extend(space.clone().with_ancestors(&names).unwrap().seeds());
            }
            let width = features(&genomes[0], &domain).len();
            for genome in &genomes {
                let features = features(genome, &domain);
                assert_eq!(features.len(), width, "{genome:?}");
                assert!(features.iter().all(|f| !matches!(f, Feature::Number(n) if !n.is_finite())), "{features:?}");
                let (names, genes): (Vec<&str>, Vec<Feature>) = super::genes(genome).into_iter().unzip();
                assert_eq!(genes, features[2..], "what follows the costs");
                let first: Vec<&str> = super::genes(&genomes[0]).into_iter().map(|(name, _)| name).collect();
                assert_eq!(names, first);
            }
        }
    }

    /// Names of the genes in which two genomes differ.
    fn differing(a: &Genome, b: &Genome) -> Vec<&'static str> {
        let mut names: Vec<&str> =
            genes(a).into_iter().zip(genes(b)).filter(|(a, b)| a != b).map(|((name, _), _)| name).collect();
        names.dedup();
        names
    }

    #[test]
    fn what_is_altered_is_what_is_named() {
        let domain = |input| Domain { input, outputs: 3, classification: true, rows: 5_000 };
        let table =
            SearchSpace::preset(&domain(InputDomain::Table { knots: vec![32, 7], slots: vec![4] })).seeds().remove(0);
        let input = InputDomain::Image { height: 32, width: 32, channels: 3 };
        let image = SearchSpace::preset(&domain(input)).seeds().remove(0);
        let altered = |genome: &Genome, alter: fn(&mut Genome)| {
            let mut other = genome.clone();
            alter(&mut other);
            differing(genome, &other)
        };
        for genome in [&table, &image] {
            assert_eq!(altered(genome, |g| g.training.optimizer = Optimizer::Sgd { momentum: 0.5 }), ["optimizer"]);
            assert_eq!(altered(genome, |g| g.training.learning_rate *= 1.5), ["learning rate"]);
            assert_eq!(altered(genome, |g| g.training.schedule = Schedule::Constant), ["learning rate schedule"]);
            assert_eq!(altered(genome, |g| g.training.weight_decay += 0.01), ["weight decay"]);
            assert_eq!(altered(genome, |g| g.training.label_smoothing += 0.05), ["label smoothing"]);
            assert_eq!(altered(genome, |g| g.training.batch *= 2), ["batch size"]);
            assert_eq!(altered(genome, |g| g.training.length = 0.5), ["training length"]);
        }
        fn net(genome: &mut Genome) -> &mut ImageNet {
            let Net::Image(net) = &mut genome.net else { panic!("a net for images") };
            net
        }
        let augmented = |g: &mut Genome| g.training.augmentation = Augmentation { flip: true, shift: 1, cutout: 3 };
        assert_eq!(altered(&image, augmented), ["augmentation"]);
        assert_eq!(altered(&image, |g| net(g).stem.kernel += 2), ["stem"]);
        assert_eq!(altered(&image, |g| net(g).stages[0].width *= 2), ["width"]);
        assert_eq!(altered(&image, |g| net(g).head.hidden += 32), ["hidden layer of the head"]);
        let dropped = |g: &mut Genome| {
            let Net::Table(net) = &mut g.net else { panic!("a net for tables") };
            net.blocks.iter_mut().for_each(|block| block.dropout += 0.1);
        };
        assert_eq!(altered(&table, dropped), ["dropout"]);
        let mut ends = table.clone();
        let Net::Table(net) = &mut ends.net else { panic!("a net for tables") };
        net.blocks = [TableMotif::Linear, TableMotif::Gated, TableMotif::Linear]
            .map(|motif| TableBlock { motif, ..net.blocks[0] })
            .to_vec();
        let reordered = |g: &mut Genome| {
            let Net::Table(net) = &mut g.net else { panic!("a net for tables") };
            net.blocks.rotate_left(1);
        };
        assert_eq!(altered(&ends, reordered), ["block type"]);
    }

    #[test]
    fn differences_by_hand() {
        let number = Feature::Number;
        assert_eq!(number(0.25).difference(number(0.5)), 0.25);
        assert_eq!(number(-5.0).difference(number(5.0)), 1.0);
        assert_eq!(number(0.0).difference(Feature::Absent), 1.0);
        assert_eq!(Feature::Category(3).difference(Feature::Category(3)), 0.0);
        assert_eq!(Feature::Absent.difference(Feature::Absent), 0.0);
    }
}
