//! What single strategies are made for: that they find more than chance does, or start anew, or follow a foresight.

use super::*;
use crate::search::hypervolume;

#[test]
fn pausing_finds_better_genomes_with_as_much_training() {
    let found = |fidelity: Fidelity| -> f64 {
        let of_seed = |seed: u64| {
            let settings = Settings { expected_candidates: Some(60), fidelity, ..Settings::default() };
            let mut search = Search::new(find("random").unwrap(), &settings, table(), seed, 1).unwrap();
            let (mut world, mut genomes) = (World::default(), Vec::new());
            for number in 0.. {
                if world.examples >= 600_000 {
                    break;
                }
                let proposal = search.ask(number).unwrap();
                genomes.push(proposal.genome.clone());
                search.tell(world.evaluate(number, proposal)).unwrap();
            }
            quality(&genomes[usize::try_from(search.finalists(1)[0]).unwrap()])
        };
        (0..20).map(of_seed).sum::<f64>() / 20.0
    };
    let (full, halving) = (found(Fidelity::Full), found(Fidelity::Halving));
    assert!(halving > full + 0.02, "full {full:.4}, halving {halving:.4}");
}

#[test]
fn a_search_that_gains_nothing_starts_anew_from_births() {
    let mut search = Search::new(find::<SearchSpace>("evsm").unwrap(), &Settings::default(), table(), 1, LAG).unwrap();
    // The first candidate is the best of all.
    let evaluate = |number: u64, proposal| {
        let score = Some(if number == 0 { 1.0 } else { 0.5 / (number as f64) });
        Evaluated { parameters: 1, examples: 1, ..Evaluated::new(number, proposal, score) }
    };
    let proposals = run(&mut search, LAG, 120, evaluate).unwrap();
    let births: Vec<usize> = (0..120).filter(|&number| proposals[number].origin.arm == "birth").collect();
    assert!(births.iter().any(|&number| number > 30), "{births:?}");
    let after = births.iter().find(|&&number| number > 30).unwrap();
    assert!(proposals[after + 20..].iter().all(|proposal| !proposal.origin.parents.contains(&0)), "it went back");
    assert_eq!(search.finalists(1), [0]);
}

#[test]
fn a_model_of_the_objective_finds_better_points_in_as_few_evaluations() {
    let best = |name: &str| -> f64 {
        let space = parameters();
        let mut total = 0.0;
        for seed in 0..10 {
            let entry = find::<Parameters>(name).unwrap();
            let mut search = Search::new(entry, &Settings::default(), space.clone(), seed, 1).unwrap();
            let mut best = f64::MIN;
            for number in 0..40 {
                let proposal = search.ask(number).unwrap();
                let score = objective(&space, &proposal.genome);
                best = best.max(score);
                search.tell(Evaluated { examples: 1, ..Evaluated::new(number, proposal, Some(score)) }).unwrap();
            }
            total += best / 10.0;
        }
        total
    };
    let (auto, random) = (best("auto"), best("random"));
    assert!(auto > random + 0.03 && auto > best("aging"), "auto {auto:.4}, random {random:.4}");
}

/// ZDT1 (Zitzler, Deb and Thiele, 2000) in five variables as a space: its front is 1 − √x where all variables but the
/// first are 0.
fn zdt1(point: &Point, space: &Parameters) -> [f64; 2] {
    let value = |name| space.value(point, name).and_then(|text| text.parse::<f64>().ok()).unwrap();
    let first = value("a");
    let rest = 1.0 + 9.0 * ["b", "c", "d", "e"].map(value).iter().sum::<f64>() / 4.0;
    [first, rest * (1.0 - (first / rest).sqrt())]
}

/// A search of the front of ZDT1: what was proposed, and the hypervolume of the front below (1, 4).
fn front_of(name: &str, seed: u64) -> (Vec<Proposal<Point>>, f64) {
    let names = ["a", "b", "c", "d", "e"];
    let space = names.iter().fold(Parameters::builder(), |space, name| space.float(name, 0.0, 1.0)).build().unwrap();
    let mut search = Search::new(find(name).unwrap(), &Settings::default(), space.clone(), seed, 1).unwrap();
    let mut proposals = Vec::new();
    for number in 0..150 {
        let proposal = search.ask(number).unwrap();
        proposals.push(proposal.clone());
        let [first, second] = zdt1(&proposal.genome, &space);
        let evaluated = Evaluated { costs: vec![second], ..Evaluated::new(number, proposal, Some(-first)) };
        search.tell(evaluated).unwrap();
    }
    let point = |number: &u64| zdt1(&proposals[usize::try_from(*number).unwrap()].genome, &space).to_vec();
    let front: Vec<Vec<f64>> = search.front(usize::MAX).iter().map(point).collect();
    let volume = hypervolume(&front, &[1.0, 4.0]);
    (proposals, volume)
}

#[test]
fn several_objectives_are_searched_for_their_front() {
    let mean = |name: &str| (0..5).map(|seed| front_of(name, seed).1).sum::<f64>() / 5.0;
    // At most 4 less the third of the unit square below 1 − √x.
    let (nsga2, aging, random) = (mean("nsga2"), mean("aging"), mean("random"));
    assert!(nsga2 > random + 0.4 && nsga2 > aging && nsga2 < 4.0 - 1.0 / 3.0, "{nsga2:.3} {aging:.3} {random:.3}");
    assert!(front_of("nsga2", 1).0 == front_of("nsga2", 1).0, "it does not reproduce");
}

/// Qualities of the first finalists of 20 searches, sorted.
fn found(name: &str, count: u64, world: fn() -> World) -> Vec<f64> {
    let mut found: Vec<f64> = (100..120)
        .map(|seed| {
            let settings = Settings { expected_candidates: Some(count), ..Settings::default() };
            let mut search = Search::new(find(name).unwrap(), &settings, table(), seed, LAG).unwrap();
            let mut world = world();
            let proposals = run(&mut search, LAG, count, |number, proposal| world.evaluate(number, proposal)).unwrap();
            quality(&proposals[usize::try_from(search.finalists(1)[0]).unwrap()].genome)
        })
        .collect();
    found.sort_by(f64::total_cmp);
    found
}

#[test]
fn breeding_finds_better_genomes_than_random_births_of_the_same_number() {
    for (count, margin) in [(40, 0.07), (160, 0.07)] {
        let (ga, random) = (found("ga", count, World::default), found("random", count, World::default));
        assert!(ga[10] > random[10] + margin, "{count} candidates: ga {ga:.3?}, random {random:.3?}");
    }
}

#[test]
fn genomes_do_not_win_by_the_length_of_their_lineage() {
    // Where training is slow, inherited weights are worth more than most genes: 0.13 for each full length at first.
    let slow = || World::new(0.5, 0.3);
    let (ga, random) = (found("ga", 300, slow), found("random", 300, slow));
    assert!(ga[10] > 0.88 && ga[10] > random[10] + 0.07, "ga {ga:.3?}, random {random:.3?}");
}

/// Foresees nothing but the number `x` itself.
struct Height(Parameters);

impl Foresight<Point> for Height {
    fn scores(&self, genomes: &[Point]) -> Vec<Vec<Option<f64>>> {
        genomes.iter().map(|point| vec![self.0.value(point, "x").and_then(|x| x.parse().ok())]).collect()
    }
}

#[test]
fn a_strategy_that_ranks_by_foresight_starts_from_what_it_promises_and_is_refused_without() {
    let space = Parameters::builder().float("x", 0.0, 1.0).float("y", 0.0, 1.0).build().unwrap();
    let settings = Settings { pool: 40, drafts: 3, ..Settings::default() };
    let search = || Search::new(find("gradient").unwrap(), &settings, space.clone(), 1, 1).unwrap();
    assert_eq!(search().ask(0).err(), Some(SearchError::Blind));
    let mut search = search().with_foresight(Arc::new(Height(space.clone())));
    let heights: Vec<f64> = (0..60)
        .map(|number| {
            let proposal = search.ask(number).unwrap();
            let height = space.value(&proposal.genome, "x").unwrap().parse().unwrap();
            search.tell(Evaluated::new(number, proposal, Some(height))).unwrap();
            height
        })
        .collect();
    let initial = usize::try_from(settings.initial()).unwrap();
    assert!(heights[..initial].is_sorted_by(|a, b| a >= b), "{heights:?}");
    assert!(heights[initial - 1] > 0.4, "the best 16 of 40: {heights:?}");
}
