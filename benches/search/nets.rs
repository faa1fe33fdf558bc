//! Nets for tables, few enough to train all of them: one to three blocks of three motifs and three widths, three
//! normalisations, everything else fixed.

use evolve::genome::{
    Act, By, CategoricalKind, Choice, Domain, Genome, Initialisation, Net, Norm, NumericEncoding, NumericKind,
    OptimizerKind, Reals, Schedule, SearchSpace, SpaceError, Span, TableBlock, TableMotif, TableNet,
};
use evolve::genome::{CategoricalEncoding, Feature};
use evolve::search::rng;
use evolve::search::space::{Child, EditKind, Space};
use rand_chacha::ChaCha8Rng;

const DEPTH: usize = 3;
const WIDTHS: [usize; 3] = [16, 64, 256];

/// The preset space of nets with almost all choices taken. Nothing is inherited, since the table knows trainings from scratch
/// alone.
#[derive(Debug, Clone)]
pub struct Nets(SearchSpace);

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
        Ok(Nets(space))
    }

    /// Every genome, each meaning once.
    pub fn all(&self) -> Vec<Genome> {
        let mut stacks: Vec<Vec<TableBlock>> = vec![vec![]];
        let mut all = vec![];
        for _ in 0..DEPTH {
            stacks = stacks.iter().flat_map(|stack| blocks().map(move |block| [&stack[..], &[block]].concat())).collect();
            all.extend(stacks.iter().flat_map(|stack| Norm::ALL.iter().map(|&norm| self.genome(norm, stack.clone()))));
        }
        let mut known = std::collections::HashSet::new();
        all.retain(|genome| self.0.contains(genome).is_ok() && known.insert(genome.hash()));
        all
    }

    fn genome(&self, norm: Norm, blocks: Vec<TableBlock>) -> Genome {
        let training = self.0.birth(&mut rng(0, 0, 0)).training;
        let (numeric, categorical) = (NumericEncoding::Plain, CategoricalEncoding::OneHot);
        Genome { net: Net::Table(TableNet { numeric, categorical, norm, activation: Act::Relu, blocks }), training }
    }

    /// The genome that is written so, such as `batch linear-64 gated-16`.
    pub fn read(&self, words: &str) -> Option<Genome> {
        let mut words = words.split(' ');
        let norm = Norm::find(words.next()?).ok()?;
        let block = |word: &str| {
            let (motif, width) = word.split_once('-')?;
            Some(TableBlock { motif: TableMotif::find(motif).ok()?, width: width.parse().ok()?, dropout: 0.0 })
        };
        words.map(block).collect::<Option<Vec<_>>>().map(|blocks| self.genome(norm, blocks))
    }
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
        self.0.birth(rng)
    }

    fn small(&self, rng: &mut ChaCha8Rng) -> Genome {
        self.0.small(rng)
    }

    fn edits(&self) -> Vec<EditKind> {
        self.0.edits().into_iter().map(|kind| EditKind { elastic: false, ..kind }).collect()
    }

    fn edit(&self, kind: usize, genome: &Genome, rng: &mut ChaCha8Rng) -> Option<Child<Genome>> {
        self.0.edit(kind, genome, rng)
    }

    fn cross(&self, a: &Genome, b: &Genome, rng: &mut ChaCha8Rng) -> Option<Child<Genome>> {
        self.0.cross(a, b, rng)
    }

    fn distance(&self, a: &Genome, b: &Genome) -> f64 {
        self.0.distance(a, b)
    }

    fn features(&self, genome: &Genome) -> Vec<Feature> {
        self.0.features(genome)
    }

    fn hash(&self, genome: &Genome) -> String {
        genome.hash()
    }
}
