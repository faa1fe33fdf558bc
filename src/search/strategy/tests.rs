//! What every strategy of the list has to hold; a new one joins by its line in the list.

mod purpose;

use super::*;
use crate::genome::{Ancestor, Domain, InputDomain, Net};
use crate::search::{
    Evaluated, Fidelity, Foresight, Parameters, Proposal, Search, SearchError, rng,
    space::parameters::Point,
    synthetic::{World, images, quality, run, table, tiny},
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, path::Path, sync::Arc};

const LAG: u64 = 8;

fn search(entry: &Entry, space: SearchSpace, seed: u64, lag: u64) -> Search {
    foreseeing(Search::new(entry, &Settings::default(), space, seed, lag).unwrap())
}

/// Foresees what is far from telling how good a genome is: two digits of its hash, and of some genomes only one.
struct Omen<S>(S);

impl<S: Space> Foresight<S::Genome> for Omen<S> {
    fn scores(&self, genomes: &[S::Genome]) -> Vec<Vec<Option<f64>>> {
        let digit = |genome: &S::Genome, salt: u8| {
            let digest = Sha256::digest([self.0.hash(genome).as_bytes(), &[salt]].concat());
            (digest[0] % 7 != 0).then(|| f64::from(digest[1]))
        };
        genomes.iter().map(|genome| vec![digit(genome, 0), digit(genome, 1)]).collect()
    }
}

/// The search with a foresight, for strategies that need one.
fn foreseeing<S: Space>(search: Search<S>) -> Search<S> {
    let space = search.space().clone();
    search.with_foresight(Arc::new(Omen(space)))
}

/// Proposals of a search in the synthetic world.
fn proposals(entry: &Entry, seed: u64, lag: u64, count: u64) -> Vec<Proposal> {
    let mut world = World::default();
    run(&mut search(entry, table(), seed, lag), lag, count, |number, proposal| world.evaluate(number, proposal)).unwrap()
}

#[test]
fn the_list_is_the_folder_and_its_entries_can_be_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/search/strategy");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.map(|file| file.replace(".rs", "")).collect();
    let files: BTreeSet<String> = files.into_iter().filter(|name| name != "mod" && name != "tests").collect();
    let names: BTreeSet<String> = <Entry>::ALL.iter().map(|entry| entry.name.to_owned()).collect();
    assert_eq!(names, files);
    assert_eq!(names.len(), <Entry>::ALL.len());
    for entry in <Entry>::ALL {
        assert!(!entry.doc.is_empty());
        assert_eq!(find::<SearchSpace>(entry.name).unwrap().name, entry.name);
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_near_ones() {
    let unknown = find::<SearchSpace>("rndom").err().unwrap();
    assert_eq!(unknown.near, ["random"]);
    let known: Vec<&str> = <Entry>::ALL.iter().map(|entry| entry.name).collect();
    let expected = format!("there is no search strategy `rndom`; did you mean random?; known are: {}", known.join(", "));
    assert_eq!(unknown.to_string(), expected);
    assert!(find::<SearchSpace>("xyz").err().unwrap().near.is_empty());
}

#[test]
fn proposals_are_valid_and_new_and_their_ancestry_is_there() {
    for entry in <Entry>::ALL {
        for space in [table(), images()] {
            let mut search = search(entry, space.clone(), 5, LAG);
            let mut hashes = BTreeSet::new();
            let evaluate = |number, proposal: Proposal| {
                // Any score that has nothing to do with the number's order.
                let score = Some((number * 37 % 101) as f64);
                Evaluated { parameters: number * 13 % 7, examples: 1, ..Evaluated::new(number, proposal, score) }
            };
            let proposals = run(&mut search, LAG, 300, evaluate).unwrap();
            for (number, proposal) in (0..).zip(&proposals) {
                assert_eq!(space.contains(&proposal.genome), Ok(()), "{} {number}", entry.name);
                assert!(hashes.insert(proposal.genome.hash()), "{} {number}", entry.name);
                assert!(proposal.length > 0.0 && proposal.length <= 1.0);
                let known = |&parent: &u64| parent + LAG <= number;
                assert!(proposal.origin.parents.iter().all(known) && proposal.inherit.iter().all(known));
            }
        }
    }
}

#[test]
fn ancestors_that_were_asked_for_are_tried_whatever_else_starts_the_search() {
    let input = InputDomain::Image { height: 80, width: 96, channels: 3 };
    let domain = Domain { input, outputs: 12, classification: true, rows: 2_000 };
    let all: Vec<Ancestor> = Ancestor::all().collect();
    let space = SearchSpace::preset(&domain).with_ancestors(&all).unwrap();
    let is_ancestor = |proposal: &Proposal| matches!(proposal.genome.net, Net::Ancestor(_));
    for entry in <Entry>::ALL.iter().filter(|entry| entry.seeded) {
        for given in [0, 20] {
            let heirs = (0..given).map(|number| Proposal::newborn("heir", space.birth(&mut rng(3, number, 9)))).collect();
            let mut search = search(entry, space.clone(), 5, LAG).beginning_with(heirs);
            let flat = |number, proposal: Proposal| Evaluated { examples: 1, ..Evaluated::new(number, proposal, Some(0.5)) };
            let proposals = run(&mut search, LAG, given + 40, flat).unwrap();
            let tried = proposals.iter().filter(|proposal| proposal.origin.arm == "seed" && is_ancestor(proposal)).count();
            assert_eq!(tried, all.len(), "{} with {given} heirs", entry.name);
        }
    }
}

#[test]
fn a_lag_beyond_every_patience_does_not_stop_the_breeding() {
    for name in ["auto", "evsm", "greedy"] {
        let mut search = search(find(name).unwrap(), table(), 1, 128);
        let flat = |number, proposal: Proposal| Evaluated { examples: 1, ..Evaluated::new(number, proposal, Some(0.5)) };
        let proposals = run(&mut search, 128, 900, flat).unwrap();
        let bred = proposals[600..].iter().filter(|proposal| !proposal.origin.parents.is_empty()).count();
        assert!(bred > 30, "{name}: of the last 300 {bred} have parents");
    }
}

/// Hashes of the first 120 proposals in the synthetic world. Change one only with a change that is meant to alter the
/// search: of the strategy itself, of the genome's births and mutations, or of the random streams. Studies that were
/// journalled before such a change cannot be resumed after it.
const PINNED: &[(&str, &str)] = &[
    ("auto", "b157f92ca474e397"),
    ("predictor", "81a96330ba86a4f4"),
    ("ga", "4ffe51d073b6be7d"),
    ("gradient", "0c0b122cdef19156"),
    ("aging", "2b3b484e5d7173a7"),
    ("evsm", "1ccc376c06d0b34e"),
    ("eems", "234eac456a506bea"),
    ("greedy", "44107b0bcfd4a039"),
    ("beam", "2124bde9dd087025"),
    ("grid", "3089da91b664eaca"),
    ("rl", "a47a978f1fa124cc"),
    ("nsga2", "621c924f381fda94"),
    ("random", "975da32d97588b17"),
];

#[test]
fn seeds_reproduce_and_the_sequence_is_pinned() {
    let mut found = Vec::new();
    for entry in <Entry>::ALL {
        let first = proposals(entry, 1, LAG, 120);
        assert!(first == proposals(entry, 1, LAG, 120), "{} does not reproduce", entry.name);
        assert!(first != proposals(entry, 2, LAG, 120), "{} ignores its seed", entry.name);
        let digest = Sha256::digest(serde_json::to_vec(&first).unwrap());
        found.push((entry.name, digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>()));
    }
    let found: Vec<(&str, &str)> = found.iter().map(|(name, digest)| (*name, digest.as_str())).collect();
    assert_eq!(found, PINNED);
}

#[test]
fn a_replay_goes_on_like_the_run_that_was_never_stopped() {
    for entry in <Entry>::ALL {
        let whole = proposals(entry, 4, LAG, 90);
        // Stopped after 60 and drained; then resumed from what the journal says.
        let mut world = World::default();
        let mut told = Vec::new();
        let evaluate = |number, proposal| {
            told.push(world.evaluate(number, proposal));
            told[told.len() - 1].clone()
        };
        run(&mut search(entry, table(), 4, LAG), LAG, 60, evaluate).unwrap();
        let lines: Vec<String> = told.iter().map(|evaluated| serde_json::to_string(evaluated).unwrap()).collect();
        let journal: Vec<Evaluated> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(journal == told, "scores are read back to the last bit");
        let evaluate = |number: u64, proposal| match journal.get(usize::try_from(number).unwrap()) {
            Some(evaluated) => evaluated.clone(),
            None => world.evaluate(number, proposal),
        };
        let resumed = run(&mut search(entry, table(), 4, LAG), LAG, 90, evaluate).unwrap();
        assert!(resumed == whole, "{}", entry.name);
    }
}

#[test]
fn candidates_that_were_given_come_first_and_the_search_goes_on_from_them() {
    // The best of a longer search with another seed: good enough to be bred from.
    let mut earlier: Vec<Proposal> = proposals(&<Entry>::ALL[0], 9, LAG, 200);
    earlier.retain(|proposal| proposal.origin.arm != "seed");
    earlier.sort_by(|a, b| quality(&b.genome).total_cmp(&quality(&a.genome)));
    let newborn = |proposal: &Proposal| Proposal::newborn("inherited", proposal.genome.clone());
    // As many as a study takes over, which are as many as start some searches.
    let given: Vec<Proposal> = earlier.iter().take(8).map(newborn).collect();
    for entry in <Entry>::ALL {
        let proposals = |given: &[Proposal]| {
            let mut world = World::default();
            let mut search = search(entry, table(), 4, LAG).beginning_with(given.to_vec());
            run(&mut search, LAG, 90, |number, proposal| world.evaluate(number, proposal)).unwrap()
        };
        let (with, without) = (proposals(&given), proposals(&[]));
        assert!(with[..8] == given && with == proposals(&given), "{}", entry.name);
        let hashes: BTreeSet<String> = with.iter().map(|proposal| proposal.genome.hash()).collect();
        assert_eq!(hashes.len(), with.len(), "{}", entry.name);
        // A climb has one start, which is given.
        if without[0].origin.arm == "seed" && entry.name != "greedy" {
            assert_eq!(with[8].genome, without[0].genome, "{}: no seed is passed over", entry.name);
        }
        let descends = with.iter().any(|proposal| proposal.origin.parents.iter().any(|&parent| parent < 8));
        // These draw from a distribution and have no parents.
        assert!(descends || ["random", "rl"].contains(&entry.name), "{}", entry.name);
    }
}

#[test]
fn results_that_come_early_change_nothing() {
    for entry in <Entry>::ALL {
        let late = proposals(entry, 6, LAG, 100);
        for most_open in 1..LAG {
            // With fewer workers than the lag, results are there before they are due.
            let mut world = World::default();
            let mut search = search(entry, table(), 6, LAG);
            let evaluate = |number, proposal| world.evaluate(number, proposal);
            assert!(run(&mut search, most_open, 100, evaluate).unwrap() == late, "{} {most_open}", entry.name);
        }
    }
}

fn pausing(entry: &Entry, seed: u64) -> Search {
    let settings = Settings { fidelity: Fidelity::Halving, ..Settings::default() };
    foreseeing(Search::new(entry, &settings, table(), seed, LAG).unwrap())
}

/// Results of a search in the synthetic world that pauses candidates.
fn paused_on_their_way(entry: &Entry, seed: u64, most_open: u64, count: u64) -> (Search, Vec<Evaluated>) {
    let (mut search, mut world, mut told) = (pausing(entry, seed), World::default(), Vec::new());
    let evaluate = |number, proposal| {
        let evaluated = world.evaluate(number, proposal);
        told.push(evaluated.clone());
        evaluated
    };
    run(&mut search, most_open, count, evaluate).unwrap();
    (search, told)
}

#[test]
fn pauses_are_survived_go_on_once_and_never_win() {
    let (mut paused, mut continued) = (0, 0);
    for entry in <Entry>::ALL {
        let (search, told) = paused_on_their_way(entry, 3, LAG, 160);
        let mut hashes = BTreeSet::new();
        let mut gone_on = BTreeSet::new();
        for evaluated in &told {
            let Proposal { genome, continues, inherit, .. } = &evaluated.proposal;
            let is_new = hashes.insert(genome.hash());
            assert_eq!(is_new, continues.is_none(), "{} {}", entry.name, evaluated.number);
            if let Some(continues) = continues {
                let before = &told[usize::try_from(continues.candidate).unwrap()];
                assert!(before.paused && before.proposal.genome == *genome && gone_on.insert(continues.candidate));
                assert!(before.number + LAG <= evaluated.number && evaluated.rungs.starts_with(&before.rungs));
            }
            assert!(inherit.is_none() || (evaluated.proposal.rungs.is_empty() && !evaluated.paused));
        }
        paused += told.iter().filter(|evaluated| evaluated.paused).count();
        continued += gone_on.len();
        assert!(told.iter().filter(|evaluated| evaluated.number < 8).all(|evaluated| !evaluated.paused));
        for finalist in search.finalists(6) {
            assert!(!told[usize::try_from(finalist).unwrap()].paused, "{}: {finalist} is a finalist", entry.name);
        }
    }
    assert!(paused > 200 && continued > 10, "{paused} paused, {continued} continued");
}

#[test]
fn with_pauses_a_replay_goes_on_and_early_results_change_nothing() {
    for entry in <Entry>::ALL {
        let (_, whole) = paused_on_their_way(entry, 4, LAG, 110);
        let (_, early) = paused_on_their_way(entry, 4, 3, 110);
        assert!(whole == early, "{}", entry.name);
        let lines: Vec<String> = whole[..70].iter().map(|evaluated| serde_json::to_string(evaluated).unwrap()).collect();
        let journal: Vec<Evaluated> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (mut search, mut world, mut told) = (pausing(entry, 4), World::default(), Vec::new());
        let evaluate = |number: u64, proposal: Proposal| {
            // The world has to know what it made before.
            let anew = world.evaluate(number, proposal);
            told.push(journal.get(usize::try_from(number).unwrap()).cloned().unwrap_or(anew));
            told[told.len() - 1].clone()
        };
        run(&mut search, LAG, 110, evaluate).unwrap();
        assert!(told == whole, "{}", entry.name);
    }
}

#[test]
fn failures_are_survived_and_never_win() {
    for entry in <Entry>::ALL {
        let mut search = search(entry, table(), 7, LAG);
        let all_fail = |number, proposal| Evaluated::new(number, proposal, None);
        run(&mut search, LAG, 120, all_fail).unwrap();
        assert!(search.finalists(5).is_empty() && search.reachable().is_empty());
    }
    for entry in <Entry>::ALL {
        let mut search = search(entry, table(), 7, LAG);
        let mut world = World::default();
        let fails = |number: u64| number % 3 != 1;
        let evaluate = |number, proposal: Proposal| {
            assert!(proposal.inherit.is_none_or(|parent| !fails(parent)));
            let evaluated = world.evaluate(number, proposal);
            Evaluated { score: evaluated.score.filter(|_| !fails(number)), ..evaluated }
        };
        run(&mut search, LAG, 120, evaluate).unwrap();
        assert!(search.finalists(5).iter().all(|&number| !fails(number)));
        assert!(search.reachable().iter().all(|&number| !fails(number)));
    }
}

#[test]
fn what_violates_constraints_is_survived_and_stands_behind_what_does_not() {
    for entry in <Entry>::ALL {
        for all_do in [false, true] {
            let mut search = search(entry, table(), 7, LAG);
            let mut world = World::default();
            // The best by far violate most.
            let violation = |number: u64| ((number % 3) as f64) + if all_do { 0.5 } else { 0.0 };
            let evaluate = |number, proposal| {
                let evaluated = world.evaluate(number, proposal);
                let score = evaluated.score.map(|score| score + violation(number));
                Evaluated { score, violation: violation(number), ..evaluated }
            };
            run(&mut search, LAG, 120, evaluate).unwrap();
            let finalists = search.finalists(5);
            assert!(finalists.iter().all(|number| number % 3 == 0), "{}: {finalists:?}", entry.name);
        }
    }
}

#[test]
fn equal_and_enormous_scores_are_survived() {
    for entry in <Entry>::ALL {
        for scale in [0.0, 1e300, -1e300, 1e-300] {
            let mut search = search(entry, table(), 8, LAG);
            let evaluate = |number: u64, proposal| {
                let score = Some((number % 5) as f64 * scale);
                Evaluated { parameters: 1, examples: 1, ..Evaluated::new(number, proposal, score) }
            };
            run(&mut search, LAG, 80, evaluate).unwrap();
            assert_eq!(search.finalists(2).len(), 2);
        }
    }
}

#[test]
fn tiny_spaces_are_survived() {
    for entry in <Entry>::ALL {
        let mut search = search(entry, tiny(), 9, LAG);
        let mut world = World::default();
        let proposals = run(&mut search, LAG, 400, |number, proposal| world.evaluate(number, proposal)).unwrap();
        assert!(proposals.iter().all(|proposal| tiny().contains(&proposal.genome).is_ok()), "{}", entry.name);
    }
}

/// A space of parameters that has nothing to do with nets, and its objective: at most 1, where `kind` is `b` and `x` is 0.3.
fn parameters() -> Parameters {
    let space = Parameters::builder().choice("kind", ["a", "b", "c"]).float("x", 0.0, 1.0).log_int("n", 1, 1000);
    space.float("y", -1.0, 1.0).only_if("kind", ["b"]).choice("flag", [false, true]).build().unwrap()
}

fn objective(space: &Parameters, point: &Point) -> f64 {
    let value = |name| space.value(point, name);
    let number = |name| value(name).map_or(1.0, |text| text.parse::<f64>().unwrap());
    let kind = f64::from(u8::from(value("kind").as_deref() == Some("b")));
    0.4 * kind + 0.3 * (1.0 - (number("x") - 0.3).abs()) + 0.2 * (-(number("n") / 30.0).ln().abs()).exp()
        - 0.1 * number("y").abs()
        + 0.1
}

#[test]
fn every_strategy_searches_any_space_and_reproduces() {
    let space = parameters();
    let search_it = |entry: &Entry<Parameters>, seed: u64| -> Vec<Proposal<Point>> {
        let search = Search::new(entry, &Settings::default(), space.clone(), seed, LAG);
        let mut search = foreseeing(search.unwrap());
        let mut proposals: Vec<Proposal<Point>> = Vec::new();
        for number in 0..150 {
            if let Some(told) = u64::checked_sub(number, LAG) {
                let proposal = proposals[usize::try_from(told).unwrap()].clone();
                let score = (told % 7 != 3).then(|| objective(&space, &proposal.genome));
                search.tell(Evaluated { examples: 1, ..Evaluated::new(told, proposal, score) }).unwrap();
            }
            proposals.push(search.ask(number).unwrap());
        }
        proposals
    };
    for entry in Entry::<Parameters>::ALL {
        let proposals = search_it(entry, 1);
        assert!(proposals == search_it(entry, 1) && proposals != search_it(entry, 2), "{}", entry.name);
        let hashes: BTreeSet<String> = proposals.iter().map(|proposal| space.hash(&proposal.genome)).collect();
        assert_eq!(hashes.len(), proposals.len(), "{}", entry.name);
    }
}

#[test]
fn a_space_of_few_points_is_searched_to_its_end() {
    for (values, points) in [(1, 1), (3, 9)] {
        let choices: Vec<usize> = (0..values).collect();
        let space = Parameters::builder().choice("a", &choices).choice("b", &choices).build().unwrap();
        for entry in Entry::<Parameters>::ALL {
            let search = Search::new(entry, &Settings::default(), space.clone(), 3, 1);
            let mut search = foreseeing(search.unwrap());
            for number in 0..points {
                let proposal = search.ask(number).unwrap();
                let told = Evaluated { examples: 1, ..Evaluated::new(number, proposal, Some(0.5)) };
                search.tell(told).unwrap();
            }
            assert_eq!(search.ask(points).err(), Some(SearchError::Exhausted { proposed: points }), "{}", entry.name);
        }
    }
}
