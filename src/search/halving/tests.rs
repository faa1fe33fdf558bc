use super::*;
use crate::search::RungScore;
use proptest::{collection::vec, prelude::*};

fn proposal() -> Proposal<u8> {
    Proposal::newborn("birth", 0)
}

/// A candidate as it is told: trained as far as its rungs lead.
fn told(number: u64, proposal: Proposal<u8>, scores: &[f64], score: f64) -> Evaluated<u8> {
    let mut rungs: Vec<RungScore> = Vec::new();
    let mut paused = false;
    for (rung, &score) in proposal.rungs.iter().zip(scores) {
        rungs.push(RungScore { share: rung.share, score });
        paused = rung.least.is_some_and(|least| score < least);
        if paused {
            break;
        }
    }
    Evaluated { rungs, paused, ..Evaluated::new(number, proposal, Some(score).filter(|_| !paused)) }
}

/// So many candidates with the scores 1, 2, … at every rung and ten times that at their ends.
fn reached(count: usize) -> Halving<u8> {
    let mut halving = Halving::new();
    for number in 1..=count as u64 {
        let score = number as f64;
        let proposal = Proposal { rungs: halving.rungs(0.0), ..proposal() };
        let proposal = Proposal { rungs: proposal.rungs.iter().map(|r| Rung { least: None, ..*r }).collect(), ..proposal };
        halving.told(&told(number, proposal, &[score; 3], 10.0 * score));
    }
    halving
}

#[test]
fn the_better_half_goes_on() {
    let halving = reached(11);
    // Six of eleven are at least 6.
    assert_eq!(halving.levels[0].least(), Some(6.0));
    let rungs = halving.compared(proposal()).rungs;
    assert_eq!(rungs, RUNGS.map(|share| Rung { share, least: Some(6.0) }));
    let inherits = Proposal { inherit: Some(3), ..proposal() };
    assert!(halving.compared(inherits).rungs.is_empty());
}

#[test]
fn a_paused_candidate_is_expected_to_end_at_its_rank() {
    let mut halving = reached(10);
    let expected = |halving: &mut Halving<u8>, score: f64| {
        let proposal = halving.compared(proposal());
        halving.told(&told(20, proposal, &[score], 0.0))
    };
    assert_eq!(expected(&mut halving, 3.0), Some(30.0));
    assert_eq!(expected(&mut halving, 3.5), Some(35.0), "between the ranks of 3 and 4");
    assert_eq!(expected(&mut halving, -1.0), Some(8.0), "as much below the worst as it is behind it");
    assert_eq!(expected(&mut halving, 9.0), None, "it is not paused");
}

#[test]
fn a_paused_candidate_goes_on_once_it_is_in_the_better_half() {
    let mut halving = reached(10);
    let paused = told(20, halving.compared(proposal()), &[4.5], 0.0);
    assert!(paused.paused && halving.told(&paused).is_some());
    assert_eq!(halving.promoted(), None);
    // Worse ones come in, so that it moves up.
    for number in 21..27 {
        let worse = told(number, halving.compared(proposal()), &[0.5], 0.0);
        halving.told(&worse);
    }
    let continued = halving.promoted().unwrap();
    assert_eq!(continued.continues, Some(Continuation { candidate: 20, from: 0.125 }));
    assert_eq!((continued.origin.parents, continued.length), (vec![20], 1.0));
    assert_eq!(continued.rungs.iter().map(|rung| rung.share).collect::<Vec<_>>(), [0.25, 0.5]);
    assert_eq!(halving.promoted(), None, "once");
}

#[test]
fn a_continuation_counts_at_further_rungs_alone() {
    let mut halving = reached(8);
    let (first, second) = (halving.levels[0].scores.len(), halving.levels[1].scores.len());
    let continues = Some(Continuation { candidate: 3, from: 0.125 });
    let rungs = RUNGS.map(|share| RungScore { share, score: 4.0 }).to_vec();
    let ended = Evaluated::new(30, Proposal { continues, ..proposal() }, Some(40.0));
    halving.told(&Evaluated { rungs, ..ended });
    assert_eq!((halving.levels[0].scores.len(), halving.levels[1].scores.len()), (first, second + 1));
}

proptest! {
    #[test]
    fn the_first_are_never_paused_and_no_more_than_a_few_are_kept(scores in vec((0_u8..20, 0_u8..20, 0_u8..20), 1..120)) {
        let mut halving = Halving::new();
        let mut begun = 0;
        for (number, (a, b, c)) in (0..).zip(scores) {
            let proposal = halving.promoted().unwrap_or_else(|| halving.compared(proposal()));
            begun += usize::from(proposal.continues.is_none());
            if begun <= ENOUGH {
                prop_assert!(proposal.rungs.iter().all(|rung| rung.least.is_none()));
            }
            let paused = halving.told(&told(number, proposal, &[a, b, c].map(f64::from), f64::from(c)));
            prop_assert!(paused.is_none_or(f64::is_finite));
            prop_assert!(halving.reachable().count() <= KEPT);
        }
    }
}
