use super::*;
use crate::search::{
    Parameters, RungScore,
    space::parameters::{Point, Value},
    strategy,
    synthetic::{World, table},
};

fn search(lag: u64) -> Search {
    Search::new(&<strategy::Entry>::ALL[0], &Settings::default(), table(), 1, lag).unwrap()
}

fn scored(number: u64, proposal: Proposal, score: Option<f64>) -> Evaluated {
    Evaluated { parameters: 10, examples: 100, ..Evaluated::new(number, proposal, score) }
}

#[test]
fn streams_of_seeds_candidates_and_attempts_differ() {
    use rand::RngExt;
    let mut first = BTreeSet::new();
    for (seed, number, stream) in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (u64::MAX, 0, 0)] {
        assert!(first.insert(rng(seed, number, stream).random::<u64>()));
        assert_eq!(rng(seed, number, stream).random::<u64>(), rng(seed, number, stream).random::<u64>());
    }
}

#[test]
fn candidates_are_asked_for_in_order_and_not_before_what_they_are_bred_from() {
    let mut search = search(2);
    assert_eq!(search.ask(1), Err(SearchError::AskedOutOfTurn { number: 1, expected: 0 }));
    let first = search.ask(0).unwrap();
    search.ask(1).unwrap();
    assert_eq!(search.ask(2), Err(SearchError::AskedTooEarly { number: 2, told: 0, needed: 1, lag: 2 }));
    search.tell(scored(0, first, Some(0.5))).unwrap();
    search.ask(2).unwrap();
}

#[test]
fn results_that_do_not_belong_here_are_refused_and_change_nothing() {
    let mut search = search(4);
    let [first, second] = [search.ask(0).unwrap(), search.ask(1).unwrap()];
    let out_of_turn = search.tell(scored(1, second.clone(), Some(0.5)));
    assert_eq!(out_of_turn, Err(SearchError::ToldOutOfTurn { number: 1, expected: 0 }));
    for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let told = search.tell(scored(0, first.clone(), Some(score)));
        assert!(matches!(told, Err(SearchError::NotFinite { number: 0, .. })), "{told:?}");
    }
    let foreign = search.tell(scored(0, second, Some(0.5)));
    assert!(matches!(foreign, Err(SearchError::Foreign { number: 0, .. })), "{foreign:?}");
    search.tell(scored(0, first.clone(), Some(0.5))).unwrap();
    let again = search.tell(scored(0, first, Some(0.5)));
    assert_eq!(again, Err(SearchError::ToldOutOfTurn { number: 0, expected: 1 }));
    assert_eq!(search.finalists(3), [0]);
}

#[test]
fn a_lag_of_zero_and_settings_out_of_range_are_refused() {
    let settings = Settings { population: 0, ..Settings::default() };
    assert!(Search::new(&<strategy::Entry>::ALL[0], &settings, table(), 1, 8).is_err());
    let no_lag = Search::new(&<strategy::Entry>::ALL[0], &Settings::default(), table(), 1, 0);
    assert!(matches!(no_lag.err(), Some(SearchError::Setting { name: "lag", .. })));
}

#[test]
fn of_equal_scores_the_less_doubtful_is_the_first_finalist() {
    let mut search = search(40);
    let proposals: Vec<Proposal> = (0..3).map(|number| search.ask(number).unwrap()).collect();
    for ((number, proposal), doubt) in (0..).zip(proposals).zip([0.3, 0.1, 0.2]) {
        let parameters = 10 + number;
        search.tell(Evaluated { parameters, doubt, examples: 1, ..Evaluated::new(number, proposal, Some(1.0)) }).unwrap();
    }
    assert_eq!(search.finalists(1), [1]);
}

#[test]
fn finalists_are_best_first_distinct_and_prefer_fewer_parameters_at_equal_scores() {
    let mut search = search(40);
    assert!(search.finalists(2).is_empty());
    let proposals: Vec<Proposal> = (0..6).map(|number| search.ask(number).unwrap()).collect();
    let results = [(Some(0.7), 50), (None, 1), (Some(0.9), 80), (Some(0.9), 20), (Some(0.1), 5), (Some(0.8), 9)];
    for ((number, proposal), (score, parameters)) in (0..).zip(proposals).zip(results) {
        search.tell(Evaluated { parameters, examples: 1, ..Evaluated::new(number, proposal, score) }).unwrap();
    }
    let finalists = search.finalists(6);
    assert_eq!(finalists[0], 3);
    let mut all = finalists.clone();
    all.sort_unstable();
    assert_eq!(all, [0, 2, 3, 4, 5], "five were scored");
    assert_eq!(search.finalists(2), finalists[..2]);
    assert!(finalists.iter().all(|number| search.reachable().contains(number)));
}

#[test]
fn what_may_still_be_inherited_is_kept_and_the_set_stays_small() {
    let (lag, settings) = (8, Settings::default());
    let mut search = Search::new(&<strategy::Entry>::ALL[0], &settings, table(), 3, lag).unwrap();
    let mut world = World::default();
    let mut open = VecDeque::new();
    let mut kept: BTreeSet<u64> = BTreeSet::new();
    for number in 0..400 {
        if number >= lag {
            let (told, proposal) = open.pop_front().unwrap();
            search.tell(world.evaluate(told, proposal)).unwrap();
            kept.insert(told);
            // As a study does: once deleted, weights do not come back.
            kept = &kept & &search.reachable();
        }
        let proposal = search.ask(number).unwrap();
        if let Some(parent) = proposal.inherit {
            assert!(kept.contains(&parent), "candidate {number} inherits from {parent}, whose weights are gone");
        }
        open.push_back((number, proposal));
        let most = settings.population + settings.finalists + 2 * usize::try_from(lag).unwrap();
        assert!(search.reachable().len() <= most);
    }
    assert!(kept.len() > 8);
}

#[test]
fn the_front_is_what_nothing_beats_in_score_and_costs() {
    let mut search = search(40);
    let proposals: Vec<Proposal> = (0..6).map(|number| search.ask(number).unwrap()).collect();
    // Score, cost and violation.
    let results = [(0.9, 9.0, 0.0), (0.5, 1.0, 0.0), (0.8, 9.5, 0.0), (0.99, 0.5, 0.1), (0.7, 3.0, 0.0), (0.7, 2.0, 0.0)];
    for ((number, proposal), (score, cost, violation)) in (0..).zip(proposals).zip(results) {
        search.tell(Evaluated { costs: vec![cost], violation, ..scored(number, proposal, Some(score)) }).unwrap();
    }
    assert_eq!(search.front(9), [0, 5, 1]);
    assert_eq!(search.front(2), [0, 1]);
    assert!(search.front(9).iter().all(|number| search.reachable().contains(number)));
    assert_eq!(search.finalists(1), [0]);
}

#[test]
fn costs_that_are_not_finite_or_too_few_are_refused_and_change_nothing() {
    let mut search = search(4);
    let [first, second] = [search.ask(0).unwrap(), search.ask(1).unwrap()];
    let told =
        |costs: &[f64], violation| Evaluated { costs: costs.to_vec(), violation, ..scored(0, first.clone(), Some(0.5)) };
    for bad in [told(&[f64::NAN], 0.0), told(&[f64::INFINITY], 0.0), told(&[1.0], f64::NAN), told(&[1.0], -0.1)] {
        let refused = search.tell(bad);
        assert!(matches!(refused, Err(SearchError::Costs { number: 0, .. })), "{refused:?}");
    }
    search.tell(told(&[1.0], 0.0)).unwrap();
    let fewer = search.tell(scored(1, second.clone(), Some(0.5)));
    assert!(matches!(fewer, Err(SearchError::Costs { number: 1, expected: 1, .. })), "{fewer:?}");
    search.tell(scored(1, second, None)).unwrap();
    assert_eq!(search.front(3), [0]);
}

/// A strategy that knows one genome only.
struct Stubborn(Proposal);

impl Strategy for Stubborn {
    fn ask(&mut self, _number: u64, _rng: &mut ChaCha8Rng) -> Proposal {
        self.0.clone()
    }

    fn tell(&mut self, _evaluated: &Evaluated) {}
}

#[test]
fn a_strategy_that_repeats_itself_gives_way_to_births_until_there_are_none() {
    let mut search = search(8);
    search.strategy = Box::new(Stubborn(Proposal::newborn("seed", table().seeds()[0].clone())));
    assert_eq!(search.ask(0).unwrap().origin.arm, "seed");
    let second = search.ask(1).unwrap();
    assert_eq!(second.origin.arm, "birth");
    let births = (ATTEMPTS..ATTEMPTS + LAST_RESORT).map(|attempt| table().birth(&mut rng(1, 2, attempt)).hash());
    search.proposed.extend(births);
    assert_eq!(search.ask(2), Err(SearchError::Exhausted { proposed: 2 }));
}

/// Searches a space of 60 points to its end, with so many candidates under way: what was told.
fn to_the_end(most_open: usize) -> Vec<Evaluated<Point>> {
    let space = Parameters::builder().int("x", 0, 59).build().unwrap();
    let settings = Settings { fidelity: Fidelity::Halving, ..Settings::default() };
    let mut search = Search::new(strategy::find("random").unwrap(), &settings, space, 1, 8).unwrap();
    let (mut open, mut told, mut number) = (VecDeque::new(), Vec::new(), 0);
    loop {
        let asked = if open.len() < most_open { search.ask(number) } else { Err(SearchError::Blind) };
        match asked {
            Ok(proposal) => {
                open.push_back((number, proposal));
                number += 1;
                continue;
            }
            Err(SearchError::Exhausted { .. }) if open.is_empty() => return told,
            Err(SearchError::Exhausted { .. } | SearchError::Blind | SearchError::AskedTooEarly { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let (number, proposal): (u64, Proposal<Point>) = open.pop_front().unwrap();
        // Those that come late are the worse ones, so that what was paused before moves up.
        let Some(Value::Int(x)) = proposal.genome[0] else { panic!("a number") };
        let score = x as f64 - number as f64;
        let ahead = proposal.rungs.iter().position(|rung| rung.least.is_some_and(|least| score < least));
        let reached = ahead.map_or(proposal.rungs.len(), |behind| behind + 1);
        let rungs = proposal.rungs[..reached].iter().map(|rung| RungScore { share: rung.share, score }).collect();
        let paused = ahead.is_some();
        let evaluated = Evaluated::new(number, proposal, Some(score).filter(|_| !paused));
        told.push(Evaluated { rungs, paused, ..evaluated });
        search.tell(told[told.len() - 1].clone()).unwrap();
    }
}

#[test]
fn in_a_space_without_new_genomes_the_paused_that_are_due_still_go_on() {
    let told = to_the_end(8);
    let new: Vec<u64> = told.iter().filter(|t| t.proposal.continues.is_none()).map(|t| t.number).collect();
    assert_eq!(new.len(), 60);
    let late = told.iter().filter(|t| t.number > new[59] && t.proposal.continues.is_some()).count();
    assert!(late > 0, "{} candidates, the last new one {}", told.len(), new[59]);
    for most_open in 1..8 {
        assert!(to_the_end(most_open) == told, "{most_open} under way");
    }
}
