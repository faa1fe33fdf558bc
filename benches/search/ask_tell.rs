//! What a strategy itself takes for a candidate late in a long search: `cargo bench --bench ask_tell`.
//!
//! Each strategy of the list, with a population of 1,000, is told 100,000 random births in spaces of parameters, of nets for
//! tables and of nets for images. Then it is asked for a candidate and told what became of an earlier one, eight under way.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use evolve::genome::{Domain, InputDomain, SearchSpace};
use evolve::search::{Evaluated, Parameters, Proposal, Search, Settings, Space, Strategy, rng, space::Feature, strategy};
use std::{collections::VecDeque, time::Duration};

/// Candidates told before.
const HISTORY: u64 = 100_000;
/// Candidates under way.
const LAG: usize = 8;
/// Candidates that are asked for and told before the first is measured.
const SETTLING: u64 = 200;

/// A strategy in the middle of a search.
struct Running<S: Space> {
    space: S,
    strategy: Box<dyn Strategy<S>>,
    next: u64,
    open: VecDeque<(u64, Proposal<S::Genome>)>,
}

impl<S: Space> Running<S> {
    fn new(entry: &strategy::Entry<S>, space: &S, history: &[S::Genome]) -> Self {
        let settings = Settings { population: 1_000, ..Settings::default() };
        let mut running =
            Running { strategy: (entry.make)(&settings, space), space: space.clone(), next: 0, open: VecDeque::new() };
        // What a search needs before anything is told.
        running.strategy.ask(0, &mut rng(1, 0, 0));
        for (number, genome) in (0..).zip(history) {
            let proposal = running.newborn(genome.clone());
            running.tell(number, proposal);
        }
        running.next = history.len() as u64;
        (0..SETTLING).for_each(|_| running.candidate());
        running
    }

    fn newborn(&self, genome: S::Genome) -> Proposal<S::Genome> {
        let origin = evolve::search::Origin { arm: "birth".to_owned(), edits: vec![], parents: vec![] };
        Proposal { genome, origin, inherit: None, length: 1.0, rungs: Vec::new(), continues: None }
    }

    /// A smooth objective of any space: how near the features are to some point.
    fn score(&self, genome: &S::Genome) -> f64 {
        let near = |(index, feature): (usize, Feature)| match feature {
            Feature::Number(number) => -(number - 0.1 * (index % 13) as f64).powi(2),
            Feature::Category(category) => f64::from((category as usize + index).is_multiple_of(3)),
            Feature::Absent => 0.0,
        };
        self.space.features(genome).into_iter().enumerate().map(near).sum()
    }

    fn tell(&mut self, number: u64, proposal: Proposal<S::Genome>) {
        let score = Some(self.score(&proposal.genome)).filter(|_| number % 50 != 7);
        self.strategy.tell(&Evaluated {
            parameters: number % 1_000,
            examples: 1,
            ..Evaluated::new(number, proposal, score)
        });
    }

    fn candidate(&mut self) {
        if self.open.len() == LAG
            && let Some((number, proposal)) = self.open.pop_front()
        {
            self.tell(number, proposal);
        }
        let proposal = self.strategy.ask(self.next, &mut rng(1, self.next, 0));
        self.open.push_back((self.next, proposal));
        self.next += 1;
    }
}

fn strategies<S: Space>(c: &mut Criterion, name: &str, space: &S) {
    let history: Vec<S::Genome> = (0..HISTORY).map(|number| space.birth(&mut rng(9, number, 0))).collect();
    let mut group = c.benchmark_group(format!("ask and tell, {name}"));
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for entry in strategy::Entry::<S>::ALL {
        let mut running = None;
        group.bench_function(BenchmarkId::from_parameter(entry.name), |b| {
            let running = running.get_or_insert_with(|| Running::new(entry, space, &history));
            b.iter(|| running.candidate());
        });
    }
    group.finish();
}

/// The driver around a strategy that takes nothing.
fn driver(c: &mut Criterion, space: &Parameters) {
    let mut search = None;
    c.bench_function("ask and tell, driver", |b| {
        let (search, next) = search.get_or_insert_with(|| {
            let random = strategy::find("random").expect("a strategy of the list");
            let search = Search::new(random, &Settings::default(), space.clone(), 1, 1).expect("settings in range");
            let mut running = (search, 0);
            (0..HISTORY).for_each(|_| step(&mut running.0, &mut running.1));
            running
        });
        b.iter_batched(|| (), |()| step(search, next), BatchSize::SmallInput);
    });
}

fn step(search: &mut Search<Parameters>, next: &mut u64) {
    let proposal = search.ask(*next).expect("a space that is not exhausted");
    let told = Evaluated { examples: 1, ..Evaluated::new(*next, proposal, Some((*next % 997) as f64)) };
    search.tell(told).expect("its own proposal");
    *next += 1;
}

fn parameters() -> Parameters {
    let space = (0..6).fold(Parameters::builder(), |space, n| space.float(&format!("x{n}"), 0.0, 1.0));
    let space = (0..4).fold(space, |space, n| space.choice(&format!("kind{n}"), ["a", "b", "c", "d"]));
    space.log_int("width", 1, 4_096).build().expect("a space")
}

fn nets(input: InputDomain) -> SearchSpace {
    SearchSpace::preset(&Domain { input, outputs: 10, classification: true, rows: 50_000 })
}

fn all(c: &mut Criterion) {
    driver(c, &parameters());
    strategies(c, "parameters", &parameters());
    strategies(c, "nets for tables", &nets(InputDomain::Table { knots: vec![32; 8], slots: vec![5, 9] }));
    strategies(c, "nets for images", &nets(InputDomain::Image { height: 28, width: 28, channels: 1 }));
}

criterion_group!(benches, all);
criterion_main!(benches);
