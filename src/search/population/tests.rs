use super::*;
use crate::search::synthetic::table;

fn member(number: u64, genome: Genome, score: f64) -> Member {
    Member { number, genome, score, head_start: 0.0, doubt: 0.0, parameters: 10, costs: vec![], violation: 0.0 }
}

fn births(count: u64) -> Vec<Genome> {
    (0..count).map(|number| table().birth(&mut rng(2, number, 0))).collect()
}

fn numbers(population: &Population) -> Vec<u64> {
    population.members().iter().map(|member| member.number).collect()
}

/// Each niche is a genome of its own.
const APART: Niche = Niche { radius: 1e-9, capacity: 1 };

#[test]
fn keeps_the_best_in_order() {
    let mut population = Population::new(table(), 3, Survival::Elitist { elites: 1 }, APART);
    for ((number, genome), score) in (0..).zip(births(6)).zip([0.3, 0.9, 0.1, 0.5, 0.2, 0.7]) {
        population.insert(member(number, genome, score));
    }
    assert_eq!(numbers(&population), [1, 5, 3]);
    assert_eq!(population.best().map(|member| member.number), Some(1));
    assert!((population.spread() - 0.2).abs() < 1e-12);
}

#[test]
fn of_equal_scores_fewer_parameters_then_the_older_goes_first() {
    let mut population = Population::new(table(), 4, Survival::Elitist { elites: 1 }, APART);
    for ((number, genome), parameters) in (0..).zip(births(3)).zip([30, 20, 20]) {
        population.insert(Member { parameters, ..member(number, genome, 0.5) });
    }
    assert_eq!(numbers(&population), [1, 2, 0]);
}

#[test]
fn a_crowded_niche_goes_first_but_the_elite_stays() {
    let genomes = births(3);
    // Everything is one niche of two members.
    let mut crowded =
        Population::new(table(), 3, Survival::Elitist { elites: 1 }, Niche { radius: f64::INFINITY, capacity: 2 });
    let crowd = [(0, 0.9), (1, 0.8), (2, 0.7)];
    crowd.iter().for_each(|&(number, score)| crowded.insert(member(number, genomes[number as usize].clone(), score)));
    assert_eq!(crowded.ranked().iter().map(|member| member.number).collect::<Vec<_>>(), [0, 1, 2]);

    // Of three alike the worst stands behind what is worse still and another.
    let mut mixed = Population::new(table(), 4, Survival::Elitist { elites: 1 }, Niche { radius: 1e-9, capacity: 2 });
    crowd.iter().for_each(|&(number, score)| mixed.insert(member(number, genomes[0].clone(), score)));
    mixed.insert(member(3, genomes[1].clone(), 0.1));
    assert_eq!(mixed.ranked().iter().map(|member| member.number).collect::<Vec<_>>(), [0, 1, 3, 2]);

    // Two copies of one genome and a worse but different one: the second copy goes.
    let mut population = Population::new(table(), 2, Survival::Elitist { elites: 1 }, APART);
    population.insert(member(0, genomes[0].clone(), 0.9));
    population.insert(member(1, genomes[0].clone(), 0.8));
    population.insert(member(2, genomes[1].clone(), 0.1));
    assert_eq!(numbers(&population), [0, 2]);

    // The best by score stays even where its value is the lowest and its niche is full.
    let mut population = Population::new(table(), 2, Survival::Elitist { elites: 1 }, APART);
    population.insert(member(0, genomes[0].clone(), 0.9));
    population.insert(Member { head_start: 0.5, ..member(1, genomes[0].clone(), 1.0) });
    population.insert(member(2, genomes[1].clone(), 0.7));
    assert_eq!(numbers(&population), [0, 1]);
}

/// Whether each member has as many near ones as its distances say.
fn neighbours_fit(population: &Population, radius: f64) -> bool {
    let all = population.seats.iter().fold(Seats::default(), |mut all, &seat| {
        all.insert(seat);
        all
    });
    population.members.iter().zip(&population.seats).all(|(a, &seat)| {
        let is_near = |b: &&Member| a.number != b.number && table().distance(&a.genome, &b.genome) < radius;
        population.neighbours.count(seat, &all) == population.members.iter().filter(is_near).count()
    })
}

#[test]
fn neighbours_follow_their_members() {
    let radius = 2.0 * Niche::of(&table(), &Settings::default()).radius;
    for survival in [Survival::Elitist { elites: 2 }, Survival::NonDominated] {
        let mut population = Population::new(table(), 6, survival, Niche { radius, capacity: 1 });
        for number in 0..60 {
            let genome = table().birth(&mut rng(4, number, 0));
            let costs = vec![(number * 5 % 13) as f64];
            population.insert(Member { costs, ..member(number, genome, (number * 7 % 11) as f64) });
            assert!(neighbours_fit(&population, radius), "{survival:?} {number}");
        }
        assert_eq!(population.members().len(), 6);
    }
}

#[test]
fn larger_tournaments_select_harder() {
    let mut population = Population::new(table(), 8, Survival::Elitist { elites: 1 }, APART);
    (0..).zip(births(8)).for_each(|(number, genome)| population.insert(member(number, genome, -(number as f64))));
    let mut rng = rng(0, 0, 0);
    let mut wins = |size| (0..2000).filter(|_| population.tournament(size, &mut rng).unwrap().number == 0).count();
    // 1 − (7/8)^size of 2000.
    assert!((190..310).contains(&wins(1)));
    assert!((580..740).contains(&wins(3)));
    assert!(Population::new(table(), 8, Survival::Elitist { elites: 1 }, APART).tournament(3, &mut rng).is_none());
}

#[test]
fn feasible_members_come_first_then_those_that_violate_least() {
    let violations = [0.2, 0.0, 0.1, 0.0, 0.3];
    let mut population = Population::new(table(), 4, Survival::Elitist { elites: 1 }, APART);
    for ((number, genome), (score, violation)) in
        (0..).zip(births(5)).zip([0.9, 0.1, 0.95, 0.2, 0.99].into_iter().zip(violations))
    {
        population.insert(Member { violation, ..member(number, genome, score) });
    }
    assert_eq!(numbers(&population), [3, 1, 2, 0]);
    let [worse, better] = [0.3, 0.2].map(|violation| Member { violation, ..member(9, births(1).remove(0), 0.5) });
    assert_eq!([population.reward(&worse, &better), population.reward(&better, &worse)], [1.0, 0.0]);
    assert_eq!(population.gain(&better), 0.0, "what violates a constraint is no gain over what does not");
}

#[test]
fn fronts_survive_and_the_most_crowded_goes() {
    let mut population = Population::new(table(), 4, Survival::NonDominated, APART);
    let candidates = [(0.5, 5.0), (0.9, 9.0), (0.1, 1.0), (0.48, 4.9), (0.4, 6.0), (0.7, 8.0)];
    for ((number, genome), (score, cost)) in (0..).zip(births(6)).zip(candidates) {
        population.insert(Member { costs: vec![cost], ..member(number, genome, score) });
    }
    // 4 is dominated by 0. Of 0, 3 and 5 between the extremes 0 lies closest to its neighbours.
    let mut kept = numbers(&population);
    assert_eq!(kept[..2], [1, 2], "the extremes, the best by value first");
    kept.sort_unstable();
    assert_eq!(kept, [1, 2, 3, 5]);
    let tried = |score, cost| Member { costs: vec![cost], ..member(9, births(1).remove(0), score) };
    assert_eq!([population.gain(&tried(0.95, 20.0)), population.gain(&tried(0.85, 9.5))], [1.0, 0.0]);
    let parent = tried(0.5, 5.0);
    let rewards = [tried(0.6, 5.0), tried(0.6, 6.0), tried(0.5, 5.0), tried(0.4, 5.0)];
    assert_eq!(rewards.map(|child| population.reward(&parent, &child)), [1.0, 0.5, 0.5, 0.0]);
}
