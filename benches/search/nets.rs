//! Nets for tables, few enough to train all of them: one to three blocks of three motifs and three widths, three
//! normalisations, everything else fixed.

use evolve::genome::{
    Act, By, CategoricalEncoding, CategoricalKind, Choice, Domain, Feature, Genome, Initialisation, Net, Norm,
    NumericEncoding, NumericKind, OptimizerKind, Reals, Schedule, SearchSpace, SpaceError, Span, TableBlock, TableMotif,
    TableNet,
};
use evolve::search::rng;
use evolve::search::space::{Child, EditKind, Space};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;
use std::sync::Arc;

const DEPTH: usize = 3;
const WIDTHS: [usize; 3] = [16, 64, 256];

/// The preset space of nets with almost all choices taken. A birth is any of its nets with equal chance; those of the preset are
/// stacks of one block, of which there are few here. Nothing is inherited, since the table knows trainings from scratch alone.
#[derive(Debug, Clone)]
pub struct Nets {
    space: SearchSpace,
    all: Arc<Vec<Genome>>,
}

impl Nets {
    pub fn new(domain: &Domain) -> Result<Nets, SpaceError> {
        let space = SearchSpace::builder(domain)
            .table(|nets| {
                nets.blocks = Span::new(1, DEPTH);
                nets.norms = Norm::ALL.to_vec();
                nets.activations = vec![Act::Relu];
                nets.motifs = TableMotif::ALL.to_vec();
                nets.widths = By::all(WIDTHS.to_vec());
                nets.dropout = By::all(Reals::only(0.0));
                nets.numeric = vec![NumericKind::Plain];
                nets.categorical = vec![CategoricalKind::OneHot];
            })
            .training(|training| {
                training.optimizers = vec![OptimizerKind::AdamW];
                training.learning_rate = By::all(Reals::only(2e-3));
                training.weight_decay = By::all(Reals::only(0.01));
                training.beta2 = Reals::only(0.999);
                training.schedules = vec![Schedule::Cosine];
                training.batches = vec![128];
                training.initialisations = vec![Initialisation::HeNormal];
                training.label_smoothing = Reals::only(0.0);
                training.losses.truncate(1);
                training.lengths = Reals::only(1.0);
            })
            .build()?;
        let all = Arc::new(every(&space));
        Ok(Nets { space, all })
    }

    /// Every genome, each meaning once.
    pub fn all(&self) -> &[Genome] {
        &self.all
    }

    /// The genome that is written so, such as `batch linear-64 gated-16`.
    pub fn read(&self, words: &str) -> Option<Genome> {
        let mut words = words.split(' ');
        let norm = Norm::find(words.next()?).ok()?;
        let block = |word: &str| {
            let (motif, width) = word.split_once('-')?;
            Some(TableBlock { motif: TableMotif::find(motif).ok()?, width: width.parse().ok()?, dropout: 0.0 })
        };
        let blocks = words.map(block).collect::<Option<Vec<_>>>()?;
        Some(Genome { net: net(norm, blocks), training: self.all.first()?.training })
    }
}

/// Every genome of the space, each meaning once.
fn every(space: &SearchSpace) -> Vec<Genome> {
    let training = space.birth(&mut rng(0, 0, 0)).training;
    let (mut stacks, mut all) = (vec![vec![]], vec![]);
    for _ in 0..DEPTH {
        stacks = stacks.iter().flat_map(|stack| blocks().map(move |block| [&stack[..], &[block]].concat())).collect();
        let nets = stacks.iter().flat_map(|stack| Norm::ALL.iter().map(|&norm| net(norm, stack.clone())));
        all.extend(nets.map(|net| Genome { net, training }));
    }
    let mut known = HashSet::new();
    all.retain(|genome| space.contains(genome).is_ok() && known.insert(genome.hash()));
    all
}

fn net(norm: Norm, blocks: Vec<TableBlock>) -> Net {
    let (numeric, categorical) = (NumericEncoding::Plain, CategoricalEncoding::OneHot);
    Net::Table(TableNet { numeric, categorical, norm, activation: Act::Relu, blocks })
}

/// How a genome is written.
pub fn words(genome: &Genome) -> String {
    let Net::Table(net) = &genome.net else { return String::new() };
    let blocks = net.blocks.iter().map(|block| format!(" {}-{}", block.motif.name(), block.width));
    net.norm.name().to_owned() + &blocks.collect::<String>()
}

fn blocks() -> impl Iterator<Item = TableBlock> {
    TableMotif::ALL.iter().flat_map(|&motif| WIDTHS.map(|width| TableBlock { motif, width, dropout: 0.0 }))
}

impl Space for Nets {
    type Genome = Genome;

    fn birth(&self, rng: &mut ChaCha8Rng) -> Genome {
        self.all[rng.random_range(0..self.all.len())].clone()
    }

    fn small(&self, rng: &mut ChaCha8Rng) -> Genome {
        self.space.small(rng)
    }

    fn edits(&self) -> Vec<EditKind> {
        self.space.edits().into_iter().map(|kind| EditKind { elastic: false, ..kind }).collect()
    }

    fn edit(&self, kind: usize, genome: &Genome, rng: &mut ChaCha8Rng) -> Option<Child<Genome>> {
        self.space.edit(kind, genome, rng)
    }

    fn cross(&self, a: &Genome, b: &Genome, rng: &mut ChaCha8Rng) -> Option<Child<Genome>> {
        self.space.cross(a, b, rng)
    }

    fn distance(&self, a: &Genome, b: &Genome) -> f64 {
        self.space.distance(a, b)
    }

    fn features(&self, genome: &Genome) -> Vec<Feature> {
        self.space.features(genome)
    }

    fn hash(&self, genome: &Genome) -> String {
        genome.hash()
    }
}
